"""Tables in documents that come from the code or from records are those of today."""

from __future__ import annotations

import json
import re
import sys

import pytest
from documents import ROOT

from fiftyone_latent_inr import __version__

RENEW = "it is not that of the code: run `make tables`"


@pytest.fixture(autouse=True)
def scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(ROOT / "scripts"), *sys.path])


def test_the_map_of_packages_is_current() -> None:
    import package_map

    for path, table in package_map.documents(ROOT).items():
        text = path.read_text(encoding="utf-8")
        assert package_map.insert(text, table, package_map.MARKS) == text, f"{path.name}: {RENEW}"


def test_the_map_has_the_top_floor_first() -> None:
    import package_map

    height = {unit: k for k, floor in enumerate(package_map.floors(ROOT)) for unit in floor}
    assert (
        height["cli"] < height["datasets"] < height["encoding"] < height["fitting"] < height["model"] < height["errors"]
    )


def test_the_reference_of_the_command_line_is_current() -> None:
    import cli_reference

    text = cli_reference.PAGE.read_text(encoding="utf-8")
    marks = cli_reference.MARKS
    assert cli_reference.insert(text, cli_reference.reference(), marks) == text, f"docs/cli.md: {RENEW}"


def test_the_tables_of_rates_are_those_of_the_record() -> None:
    record = json.loads((ROOT / "benchmarks" / "results" / "rate.json").read_text(encoding="utf-8"))
    form = "{psnr:.1f} dB | {bytes:,} | {bpp:.2f} | {cpu_seconds:.0f} | {x264:.1f} dB |"
    wanted = [form.format(**fit) for fit in record["fits"]]
    for page in ("README.md", "docs/results.md"):
        text = (ROOT / page).read_text(encoding="utf-8")
        assert [row for row in wanted if row not in text] == [], page


def test_the_version_is_one() -> None:
    stated = re.search(r"^version: (\S+)", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.MULTILINE)
    assert stated and stated[1] == __version__
