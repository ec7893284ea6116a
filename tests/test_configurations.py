"""Fields of `FitConfig` and `PretrainConfig` are checked when one is made: a line that names the field."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

from fiftyone_latent_inr import PretrainConfig
from fiftyone_latent_inr.errors import InputError
from fiftyone_latent_inr.fitting import PRESETS, FitConfig
from fiftyone_latent_inr.pretraining.augment import Augmentation

NAN, INF = float("nan"), float("inf")
# What no field takes, be it a whole number or any
NO_NUMBER: list[Any] = ["100", True, NAN, INF, [1], 1j, object(), np.ones(2), b"1"]
OPTIONAL = {"bpp", "max_bpp"}
FIT: dict[str, list[Any]] = {
    "steps": [-1, 100.0, 10**12],
    "steps_growth": [-0.1, 3],
    "max_frames_per_step": [0, 2.5],
    "points_per_step": [-1, 0],
    "learning_rate": [0, -1e-3, 1.5],
    "warmup": [-0.1, 1.1],
    "alignment_weight": [-1],
    "bits": [3, 17, 8.0],
    "rate_weight": [-1, 2],
    "rate_start": [0, 1],
    "bpp": [0, -1, 25],
    "max_bpp": [0, -1],
    "between": [-0.1, 1],
    "group_frames": [3, 64.0],
    "similar": [],
    "max_depth": [-1, 100, 1.0],
    "warm_steps": [0, 1.1],
    "warm_weight": [0, 1.1],
}
PRETRAIN: dict[str, list[Any]] = {
    **{
        key: [0, -1, 2.0] for key in ("steps", "drawing_steps", "clips_per_step", "points_per_frame", "semantic_frames")
    },
    "window": [1, 0, 16.0, 4],  # 4 are fewer than a step looks at
    "frames_per_step": [0, 17, 8.0],
    "learning_rate": [0, 1.5, -1],
    "semantic_rate": [0, 1.5, -1],
    "weight_decay": [-1],
    "decay": [-0.1],
    "warmup": [-1, 1.5],
    "grid_weight": [-1.0],
}
AUGMENTATION: dict[str, list[Any]] = {
    "most_zoom": [0.5],
    "most_stride": [0, 1.5],
    **{key: [-0.1, 1.1] for key in ("frozen", "camera", "cut")},
}
OTHERS = [
    (PRESETS["fast"], "preset", [5, None, b"fast"]),
    (PRESETS["fast"], "prior", [5, True]),
    (PRESETS["fast"], "architecture", [None, {}, "small"]),
    (PretrainConfig(), "sizes", [(), 64, "64x96", [64, 96], ((8, 64),), ((64, 96.0),), ((64, 10**6),)]),
    (PretrainConfig(), "augmentation", [None, {}, True]),
    (Augmentation(), "mirror", [1, None, "yes"]),
    (Augmentation(), "colours", [1, None, "yes"]),
]
TABLE = [
    *((settings, name, [*NO_NUMBER, *([] if name in OPTIONAL else [None]), *values])
      for settings, table in ((PRESETS["fast"], FIT), (PretrainConfig(), PRETRAIN), (Augmentation(), AUGMENTATION))
      for name, values in table.items()),
    *OTHERS,
]  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "name", "values"), TABLE, ids=[f"{type(row[0]).__name__}-{row[1]}" for row in TABLE]
)
def test_what_a_field_cannot_be_is_refused_at_once(settings: Any, name: str, values: list[Any]) -> None:
    for value in values:
        with pytest.raises(InputError) as caught:
            replace(settings, **{name: value})
        assert name in str(caught.value) and str(caught.value).isprintable() and len(str(caught.value)) < 200, value


def test_every_field_is_in_the_table() -> None:
    known = {(type(settings).__name__, name) for settings, name, _ in TABLE}
    assert known == {
        (kind.__name__, one.name) for kind in (FitConfig, PretrainConfig, Augmentation) for one in fields(kind)
    }


def test_numbers_of_other_types_are_pythons_then() -> None:
    fit = replace(PRESETS["fast"], steps=np.int32(2000), learning_rate=np.float64(3e-2), bits=np.uint8(8))
    assert fit == PRESETS["fast"] and fit.digest() == PRESETS["fast"].digest() and type(fit.steps) is int
    assert type(replace(fit, similar=np.float32(26)).similar) is float
    given = PretrainConfig(steps=np.int64(9), sizes=[[64, 96], np.array([80, 128])])  # type: ignore[arg-type]
    assert given == PretrainConfig(steps=9, sizes=((64, 96), (80, 128))) and json.dumps(given.sizes)
    assert given.digest() == PretrainConfig(steps=9, sizes=((64, 96), (80, 128))).digest()


def test_a_number_is_kept_as_it_was_given() -> None:
    """Else files that were fitted before would be of other settings."""
    assert type(replace(PRESETS["fast"], similar=26).similar) is int
