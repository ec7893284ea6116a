"""Models on a card: those that were drawn with last stay there for the next frames, of all videos up to a bound."""

from __future__ import annotations

import weakref
from collections import OrderedDict
from threading import RLock

import torch

from ..model import LatentINR
from .stored import Stored

# Numbers of all models that are kept, beyond the one in hand: 96 MB.
_MOST = 24_000_000


class KeptModels:
    """The models that were asked for last, as long as the files that they are of are in use."""

    def __init__(self) -> None:
        self._models: OrderedDict[tuple[int, int, str], LatentINR] = OrderedDict()
        self._owners: set[int] = set()
        # a file may be let go of at any moment, also within these methods
        self._lock = RLock()

    def get(self, stored: Stored, group: int, device: torch.device) -> LatentINR:
        """A group's model on a device, not to be changed; on a CPU, where it costs next to nothing, it is made anew."""
        if device.type == "cpu":
            return stored.model(group)
        key = id(stored), group, str(device)
        with self._lock:
            if key in self._models:
                self._models.move_to_end(key)
                return self._models[key]
        model = stored.model(group).to(device)
        with self._lock:
            if id(stored) not in self._owners:
                self._owners.add(id(stored))
                weakref.finalize(stored, self._forget, id(stored)).atexit = False
            self._models[key] = model
            while len(self._models) > 1 and sum(one.config.num_parameters for one in self._models.values()) > _MOST:
                self._models.popitem(last=False)
        return model

    def _forget(self, owner: int) -> None:
        with self._lock:
            self._owners.discard(owner)
            for key in [key for key in self._models if key[0] == owner]:
                del self._models[key]


kept_models = KeptModels()
