"""The settings that decide a fit's result, their digest, and the form in which the run records them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .identity import settings_digest


@dataclass(frozen=True)
class Settings:
    """Attributes:
    digest: changes with whatever changes the result; the device is not part of it.
    record: the settings, JSON-able, as the custom run keeps them.
    """

    digest: str
    record: dict[str, Any]

    @classmethod
    def of(cls, preset: str, teacher: Any, prior: Any, options: dict[str, Any]) -> Settings:
        """Collects the settings of a fit.

        Args:
            preset: its name.
            teacher: the loaded teacher, or None.
            prior: the prior, or None.
            options: `config`, `size`, `max_frames`, `device`, `seed`.
        """
        size = options.get("size")
        record = {
            "preset": preset if options.get("config") is None else "custom",
            "config": config_digest(preset, options.get("config")),
            "teacher": getattr(teacher, "name", None),
            "teacher_id": getattr(teacher, "id", None),
            "embedding_dim": getattr(teacher, "embedding_dim", None),
            "prior": None if prior is None else str(getattr(prior, "id", prior)),
            "size": None if size is None else [int(side) for side in size],
            "max_frames": options.get("max_frames"),
            "seed": options.get("seed", 0),
        }
        deciding = {name: value for name, value in record.items() if name not in ("preset", "teacher")}
        return cls(settings_digest(deciding), {**record, "device": _text(options.get("device"))})

    @staticmethod
    def check_preset(preset: str) -> None:
        """Raises:
        InputError: there is no such preset; lists those that there are.
        """
        config_digest(preset, None)


def config_digest(preset: str, config: Any) -> str:
    """Digest of the configuration that a preset stands for, or of the one given in its place."""
    from ..fitting.config import resolve

    return str(resolve(preset, config).digest())


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
