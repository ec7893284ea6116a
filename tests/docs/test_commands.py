"""Commands in documents: the parser takes each `latent-inr` line, and every make target and benchmark is there."""

from __future__ import annotations

import re
import shlex

import pytest
from documents import ROOT, Block, blocks, pages, shell_lines

from fiftyone_latent_inr.cli.main import build_parser

SHELL = [block for block in blocks("bash", "sh") if "latent-inr " in block.text]


def test_there_are_commands() -> None:
    assert {"README.md", "docs/cli.md", "docs/priors.md"} <= {block.page for block in SHELL}


@pytest.mark.parametrize("block", SHELL, ids=str)
def test_the_parser_takes_every_line(block: Block) -> None:
    for line in shell_lines(block):
        words = shlex.split(line, comments=True)
        if words and words[0].rsplit("/", 1)[-1] == "latent-inr" and words[1:] != ["--version"]:
            build_parser().parse_args(words[1:])


def test_every_make_target_is_there() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z0-9-]+):", makefile, re.MULTILINE))
    named = {
        (str(page.relative_to(ROOT)), target)
        for page in pages()
        for target in re.findall(r"(?:`|^)make ([a-z0-9-]+)", page.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert {(page, target) for page, target in named if target not in targets} == set()


def test_every_benchmark_is_there() -> None:
    missing = []
    for page in pages():
        text = page.read_text(encoding="utf-8")
        for module in re.findall(r"python -m ((?:benchmarks|training)\.[\w.]*\w)", text):
            path = ROOT / module.replace(".", "/")
            if module != "benchmarks.NAME" and not path.is_dir() and not path.with_suffix(".py").is_file():
                missing.append(f"{page.relative_to(ROOT)}: {module}")
    assert not missing, "\n".join(missing)


def test_every_operator_has_its_part() -> None:
    manifest = (ROOT / "fiftyone.yml").read_text(encoding="utf-8")
    operators = re.findall(r"^  - (\w+)$", manifest.split("\noperators:\n")[1].split("\nsecrets:")[0], re.MULTILINE)
    page = (ROOT / "docs" / "operators.md").read_text(encoding="utf-8")
    missing = [name for name in operators if f"`{name}`" not in page and f"/{name}`" not in page]
    assert operators and not missing, f"docs/operators.md says nothing of {', '.join(missing)}"
