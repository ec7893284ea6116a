"""Which device is meant."""

from __future__ import annotations

import pytest
import torch

from fiftyone_latent_inr import devices
from fiftyone_latent_inr.devices import pick_device
from fiftyone_latent_inr.errors import InputError


@pytest.mark.parametrize(("card", "expected"), [(True, "cuda"), (False, "cpu")])
def test_a_card_is_chosen_where_there_is_one(card: bool, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: card)
    monkeypatch.setattr(devices, "_default_card_works", lambda: True)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)  # never chosen
    assert pick_device(None) == torch.device(expected)


def test_a_named_device_is_taken_or_refused() -> None:
    assert pick_device("cpu") == pick_device(torch.device("cpu")) == torch.device("cpu")
    with pytest.raises(InputError, match="device 'abacus' cannot be used"):
        pick_device("abacus")
