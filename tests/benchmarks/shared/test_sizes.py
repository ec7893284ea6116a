"""Models of a number of parameters: never more, nearly as many, and the same pyramid."""

from __future__ import annotations

import pytest

from benchmarks.shared.sizes import at_most, in_words, number
from fiftyone_latent_inr.fitting import PRESETS


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize(
    ("parameters", "video"),
    [
        (350_000, (132, 640, 1280)),
        (1_500_000, (132, 640, 1280)),
        (3_000_000, (132, 640, 1280)),
        (60_000, (4, 320, 640)),
        (3_000_000, (16, 90, 160)),
    ],
)
def test_as_many_as_asked_for_and_never_more(preset: str, parameters: int, video: tuple[int, int, int]) -> None:
    base = PRESETS[preset].architecture
    scaled = at_most(base, parameters, *video)
    assert 0.97 * parameters <= scaled.for_video(*video).num_parameters <= parameters
    factors = {round(new.spacing / old.spacing, 6) for new, old in zip(scaled.levels, base.levels, strict=True)}
    assert len(factors) == 1 and min(level.spacing for level in scaled.levels) >= 0.999
    assert (scaled.planes, scaled.hidden, scaled.bottleneck) == (base.planes, base.hidden, base.bottleneck)


def test_too_few_parameters_are_said() -> None:
    with pytest.raises(ValueError, match="100 parameters are too few"):
        at_most(PRESETS["fast"].architecture, 100, 4, 64, 64)


def test_numbers_in_words() -> None:
    assert [number(text) for text in ("1.5M", "350k", "1200")] == [1_500_000, 350_000, 1200]
    assert [in_words(n) for n in (1_500_000, 350_000, 12_000)] == ["1.5M", "0.35M", "12K"]
    for text in ("M", "-1M", "many", "0"):
        with pytest.raises(ValueError):
            number(text)
