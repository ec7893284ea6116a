"""A stored video's tensors by name, decoded as they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..arrays import FloatArray
from .sections import group_specs, semantic_specs
from .stored import Stored


class StoredTensors(Mapping[str, FloatArray]):
    """The tensors of all sections, float32; of several groups of frames, with the group's number before the name."""

    def __init__(self, stored: Stored) -> None:
        self._stored, self._alone = stored, len(stored.groups) == 1
        self._semantic = [spec.name for spec in semantic_specs(stored.groups[0].config)]

    def __getitem__(self, name: str) -> FloatArray:
        if name in self._semantic:
            return self._stored.semantic()[name]
        number, _, rest = ("0", "", name) if self._alone else name.partition(".")
        if not number.isdecimal() or len(number) > 6 or int(number) >= len(self._stored.groups):
            raise KeyError(name)
        return self._stored.group(int(number))[rest]

    def __iter__(self) -> Iterator[str]:
        yield from self._semantic
        names = self._names()
        for k, group in enumerate(self._stored.groups):
            prefix = "" if self._alone else f"{k}."
            yield from (prefix + name for name in names[group.entry.model])

    def __len__(self) -> int:
        names = self._names()
        return len(self._semantic) + sum(len(names[group.entry.model]) for group in self._stored.groups)

    def _names(self) -> dict[int, list[str]]:
        """Of each model that groups have; they are few, whatever the number of groups."""
        models = {group.entry.model: group.config for group in self._stored.groups}
        return {model: [spec.name for spec in group_specs(config)] for model, config in models.items()}
