"""Values of options: what they may be, and one short line where they are not."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import pytest

from fiftyone_latent_inr.cli import types as arg

LONG = "9" * 5000
NO_NUMBER = ["", " ", "nan", "inf", "-1", "x", "1e400", "0x10", "½", LONG]
TABLE: list[tuple[Callable[[str], Any], dict[str, Any], list[str]]] = [
    (
        arg.size,
        {"180x320": (180, 320), "1X2": (1, 2), " 36p": (36, None), "1080P": (1080, None)},
        [
            "180",
            "p",
            "0p",
            "1.5p",
            "٣p",
            "180pp",
            "9x9p",
            f"{LONG}p",
            "0x10",
            "-1x5",
            "9x9x9",
            "axb",
            "1.5x2",
            "x",
            LONG,
            f"{LONG}x1",
        ],
    ),
    (arg.count, {"1": 1, "007": 7}, [*NO_NUMBER, "0", "1.0", "²"]),
    (arg.seed, {"0": 0, str(2**63 - 1): 2**63 - 1}, [*NO_NUMBER, "1.0", str(2**63)]),
    (arg.positive, {"0.5": 0.5, "1e3": 1000.0}, [*NO_NUMBER, "0", "-0.0", "1,5"]),
    (arg.quality, {"0": 0.0, "99.5": 99.5}, [*NO_NUMBER, "100.1", "1e3"]),
    (arg.span, {"1:3": (1, 3), ":": (None, None), "-2:": (-2, None)}, ["", "3", "a:b", "1:2:3", "1.5:2", f":{LONG}"]),
]


@pytest.mark.parametrize(("read", "good", "bad"), TABLE, ids=[row[0].__name__ for row in TABLE])
def test_values(read: Callable[[str], Any], good: dict[str, Any], bad: list[str]) -> None:
    assert {text: read(text) for text in good} == good
    for text in bad:
        with pytest.raises(argparse.ArgumentTypeError) as caught:
            read(text)
        assert repr(text[:40]) in str(caught.value) and len(str(caught.value)) < 130
