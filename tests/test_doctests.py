"""Examples in docstrings do what they say; those that need a user's files are marked SKIP, and only compiled."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import numpy as np
import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "fiftyone_latent_inr"
WITH_EXAMPLES = [
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
    for path in sorted(PACKAGE.rglob("*.py"))
    if ">>> " in path.read_text(encoding="utf-8")
]


def examples(name: str) -> list[doctest.DocTest]:
    module = importlib.import_module(name)
    finder = doctest.DocTestFinder(exclude_empty=True)
    return [test for test in finder.find(module, extraglobs={"np": np}) if test.examples]


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples_hold(name: str) -> None:
    for test in examples(name):
        for example in test.examples:
            compile(example.source, test.name, "single")
        failed, _ = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test)
        assert not failed, test.name


def test_some_are_run() -> None:
    run = [
        example
        for name in WITH_EXAMPLES
        for test in examples(name)
        for example in test.examples
        if not example.options.get(doctest.SKIP)
    ]
    assert len(run) > 8
