"""The settings that decide a fit's result, their digest, and the form in which the run records them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...files import digest_of

# What is on record for people; `config`, `teacher_id` and `prior` say the same and decide.
_SAID_BY_OTHERS = ("preset", "quality", "bpp", "teacher", "prior_name", "prior_revision")


@dataclass(frozen=True)
class Settings:
    """What a fit was asked for.

    Attributes:
        digest: digest of whatever changes the result; the device is not part of it.
        record: settings, JSON-able, as the custom run keeps them.
    """

    digest: str
    record: dict[str, Any]

    @classmethod
    def of(cls, preset: str, teacher: Any, prior: Any, options: dict[str, Any]) -> Settings:
        """Collects the settings of a fit.

        Args:
            preset: name of the preset.
            teacher: loaded teacher, or None.
            prior: loaded prior, or None.
            options: arguments of `fit`: `config`, `quality`, `bpp`, `size`, `max_frames`, `device`, `seed`, `residual`,
                `fps`.
        """
        size = options.get("size")
        record = {
            "preset": preset if options.get("config") is None else "custom",
            "config": config_digest(preset, options),
            "quality": options.get("quality"),
            "bpp": options.get("bpp"),
            "teacher": getattr(teacher, "name", None),
            "teacher_id": getattr(teacher, "id", None),
            "embedding_dim": getattr(teacher, "embedding_dim", None),
            "prior": getattr(prior, "id", None),
            "prior_name": getattr(prior, "name", None),
            "prior_revision": getattr(prior, "revision", None),
            "size": None if size is None else [int(side) for side in size],
            "max_frames": options.get("max_frames"),
            "seed": options.get("seed", 0),
            # left out, they change no digest of before
            **({"residual": True} if options.get("residual") else {}),
            **({} if options.get("fps") is None else {"fps": options["fps"]}),
        }
        deciding = {name: value for name, value in record.items() if name not in _SAID_BY_OTHERS}
        return cls(digest_of(deciding), {**record, "device": _text(options.get("device"))})

    @staticmethod
    def check(preset: str, options: dict[str, Any]) -> None:
        """Checks preset, quality and rate.

        Raises:
            InputError: there is no such preset (lists those that there are), or the quality or rate cannot be had.
        """
        config_digest(preset, {})
        config_digest(preset, options)

    @staticmethod
    def config(preset: str, options: dict[str, Any]) -> Any:
        """The configuration that a preset, or `config` in its place, is at a quality or rate."""
        from ...fitting.presets import resolve

        return resolve(preset, *(options.get(name) for name in ("config", "quality", "bpp")))


def config_digest(preset: str, options: dict[str, Any]) -> str:
    """Digest of that configuration."""
    return str(Settings.config(preset, options).digest())


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
