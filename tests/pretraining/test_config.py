"""Settings of pretraining are checked, and their digest changes with each."""

from __future__ import annotations

import pytest

from fiftyone_latent_inr.errors import InputError
from fiftyone_latent_inr.pretraining.augment import Augmentation
from fiftyone_latent_inr.pretraining.config import PretrainConfig


def test_settings_are_checked_and_digested() -> None:
    for wrong in (
        {"steps": 0},
        {"sizes": ()},
        {"sizes": ((8, 64),)},
        {"frames_per_step": 17},
        {"learning_rate": 0.0},
        {"grid_weight": -1.0},
    ):
        with pytest.raises(InputError):
            PretrainConfig(**wrong)
    assert PretrainConfig().digest() == PretrainConfig().digest()
    assert PretrainConfig(augmentation=Augmentation(colours=False)).digest() != PretrainConfig().digest()
