"""The project's documents: their code blocks, links and anchors."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(([^()\s]+)\)")


@dataclass(frozen=True)
class Block:
    """A block of code: where it stands, its language, and its text."""

    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def pages() -> list[Path]:
    """Every document that people read, cards of models aside."""
    found = [*ROOT.glob("*.md"), ROOT / "benchmarks" / "notes.md", *(ROOT / "docs").rglob("*.md")]
    return sorted(found) + sorted((ROOT / ".github").rglob("*.md"))


def blocks(*languages: str) -> list[Block]:
    """The blocks of code in some languages."""
    found = []
    for path in pages():
        text = path.read_text(encoding="utf-8")
        for match in _FENCE.finditer(text):
            if match[2] in languages:
                indent = len(match[1])
                lines = [line[indent:] for line in match[3].splitlines()]
                at = text.count("\n", 0, match.start()) + 1
                found.append(Block(str(path.relative_to(ROOT)), at, match[2], "\n".join(lines) + "\n"))
    return found


def prose(path: Path) -> str:
    """A document without its blocks of code."""
    return _FENCE.sub("", path.read_text(encoding="utf-8"))


def links(path: Path) -> list[str]:
    """Where a document's links and pictures lead."""
    return _LINK.findall(re.sub(r"`[^`\n]*`", "", prose(path)))


def anchors(path: Path) -> set[str]:
    """The anchors of a document's headings that both GitHub and the site make."""
    titles = re.findall(r"^#+ +(.+?) *$", prose(path), re.MULTILINE)
    return {_github(title) for title in titles} & {_site(title) for title in titles}


def _plain(title: str) -> str:
    return re.sub(r"[^\w\s-]", "", title).strip().lower()


def _github(title: str) -> str:
    return _plain(title).replace(" ", "-")


def _site(title: str) -> str:
    return re.sub(r"[-\s]+", "-", _plain(title))


def shell_lines(block: Block) -> Iterator[str]:
    """The commands of a block, each as one line."""
    for line in re.sub(r"\\\n\s*", " ", block.text).splitlines():
        yield from (part.strip() for part in re.split(r"&&|\|\||;", line) if part.strip())
