"""Writes the reference of the command line into docs/cli.md, from the parser that the command itself uses.

python scripts/cli_reference.py
"""

from __future__ import annotations

import argparse

from package_map import ROOT, insert

from fiftyone_latent_inr.cli.main import build_parser

MARKS = "<!-- commands: begin -->", "<!-- commands: end -->"
PAGE = ROOT / "docs" / "cli.md"


def commands() -> dict[str, argparse.ArgumentParser]:
    """Command -> its parser, in the order of `--help`."""
    (found,) = (a for a in build_parser()._actions if isinstance(a, argparse._SubParsersAction))
    return dict(found.choices)


def name(action: argparse.Action) -> str:
    """An argument as it is typed."""
    value = action.metavar or ("" if action.nargs == 0 else action.dest.upper())
    # Python before 3.13 gives `--resume, --no-resume` a value that they do not take
    if isinstance(action, argparse.BooleanOptionalAction):
        value = ""
    many = "..." if action.nargs in ("+", "*") else ""
    return f"{', '.join(action.option_strings)} {value}{many}".strip()


def section(command: str, parser: argparse.ArgumentParser) -> str:
    """A command's part of the page."""
    actions = [action for action in parser._actions if not isinstance(action, argparse._HelpAction)]
    needed = [name(action) for action in actions if action.required]
    rows = []
    for action in actions:
        text = (action.help or "").replace(" (default: %(default)s)", "").replace("|", "\\|")
        rows.append(f"| `{name(action)}` | {text} |")
    usage = " ".join(["latent-inr", command, *needed, *(["[OPTION ...]"] if len(needed) < len(actions) else [])])
    head = f"### {command}\n\n{parser.description}\n\n```text\n{usage}\n```\n"
    return "\n".join([head, "| argument | meaning |", "| --- | --- |", *rows])


def reference() -> str:
    """What stands between the page's marks."""
    return "\n\n".join(section(*one) for one in commands().items())


def main() -> None:
    text = PAGE.read_text(encoding="utf-8")
    renewed = insert(text, reference(), MARKS)
    if renewed != text:
        PAGE.write_text(renewed, encoding="utf-8")
        print("docs/cli.md: reference renewed")


if __name__ == "__main__":
    main()
