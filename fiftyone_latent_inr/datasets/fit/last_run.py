"""The settings of a dataset's last fit, as the run has recorded them, for forms to start from."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import fiftyone as fo

from ...encoding.choose_prior import NO_PRIOR
from ...errors import InputError
from ...priors.find import bundled_priors
from ...text import one_line
from .. import runs
from ..file_names import default_folder
from ..teachers import DEFAULT_TEACHER, teacher_name
from .settings import Settings

# Settings that a form does not ask for, and that a fit made in Python may have
KEPT = ("size", "max_frames", "seed", "residual", "fps", "bpp")


@dataclass(frozen=True)
class LastRun:
    """The last fit of a dataset.

    Attributes:
        options: arguments of `fit_dataset` that forms ask for, as far as the record has them: `preset`, `quality`,
            `teacher`, `prior`, `device`, `embeddings_field`, `brain_key`.
        kept: arguments that they do not ask for and that are not those of `fit_dataset` by default: some of `KEPT`,
            and `output_dir`.
    """

    options: dict[str, Any] = field(default_factory=dict)
    kept: dict[str, Any] = field(default_factory=dict)

    def kept_text(self) -> str:
        """`size 180x320 · seed 3`: what is kept, in words; empty where nothing is."""
        return _kept_text(self.kept)


def last_run(dataset: fo.Dataset) -> LastRun:
    """Reads the run that was recorded last; an empty one where there is none, or none that can be read."""
    found = [config for key in dataset.list_runs() if (config := _fit_config(dataset, key)) is not None]
    if not found:
        return LastRun()
    config = max(found, key=lambda one: str(one.get("updated")))
    options = {
        "preset": None if config.get("preset") == "custom" else config.get("preset"),
        "quality": config.get("quality"),
        "teacher": _teacher(config),
        "prior": _prior(config),
        "device": config.get("device"),
        "embeddings_field": config["embeddings_field"],
        "brain_key": config["brain_key"],
    }
    kept = {name: config[name] for name in KEPT if config.get(name)}
    if config.get("output_dir") not in (None, str(default_folder() / str(dataset.slug))):
        kept["output_dir"] = config["output_dir"]
    known = {name: value for name, value in options.items() if value is not None or name in ("teacher", "prior")}
    return LastRun(known, kept)


def in_words(config: Mapping[str, Any]) -> str:
    """`preset fast · quality 50 · teacher small · size 180x320`: the settings of a run on record."""
    config = _readable(config)
    parts = [f"preset {config.get('preset')}", f"teacher {config.get('teacher') or 'none'}"]
    if config.get("quality") is not None:
        parts.insert(1, f"quality {config['quality']:g}")
    if (config.get("prior_name") or NO_PRIOR) != _default_prior(config):
        parts.append(f"from {config.get('prior_name') or 'noise'}")
    kept = _kept_text({name: config[name] for name in KEPT if config.get(name)})
    return one_line(" · ".join(filter(None, [*parts, kept])))


def _kept_text(kept: Mapping[str, Any]) -> str:
    words = {
        "size": lambda size: f"size {size[0]}x{size[1]}",
        "max_frames": lambda count: f"first {count} frames",
        "residual": lambda _: "what differs from the prior",
        "fps": lambda fps: f"{fps:g} frames a second",
        "bpp": lambda bpp: f"{bpp:g} bits a pixel",
        "output_dir": lambda folder: f"files in {folder}",
    }
    return one_line(
        " · ".join(words[name](value) if name in words else f"{name} {value}" for name, value in kept.items())
    )


def _readable(config: Mapping[str, Any]) -> dict[str, Any]:
    """The record without what is none of a fit's: others may write to it, and other versions have written it."""
    return {name: value for name, value in config.items() if name not in _KINDS or _KINDS[name](value)}


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_amount(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0


def _is_size(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) == 2 and all(map(_is_count, value))


_TEXTS = ("preset", "teacher", "prior_name", "prior_revision", "device", "embeddings_field", "brain_key", "output_dir")
_KINDS: dict[str, Callable[[Any], bool]] = {
    **dict.fromkeys(_TEXTS, _is_text),
    **dict.fromkeys(("max_frames", "seed"), _is_count),
    **dict.fromkeys(("quality", "fps", "bpp"), _is_amount),
    "size": _is_size,
    "residual": lambda value: isinstance(value, bool),
}


def _fit_config(dataset: fo.Dataset, key: str) -> dict[str, Any] | None:
    """The record of a fit; None where it is another one's, or cannot be read."""
    try:
        config = runs.read_config(dataset, key)
    except Exception:  # FiftyOne raises what it comes upon, such as a class that is not installed here
        return None
    config = _readable(config or {})
    return config if config.get("embeddings_field") and config.get("brain_key") else None


def _teacher(config: Mapping[str, Any]) -> str | None:
    name = config.get("teacher")
    return DEFAULT_TEACHER if name is not None and name == teacher_name(DEFAULT_TEACHER) else name


def _prior(config: Mapping[str, Any]) -> str | None:
    """None for the preset's own."""
    name, revision = config.get("prior_name") or NO_PRIOR, config.get("prior_revision")
    if name == _default_prior(config):
        return None
    return f"{name}@{revision}" if revision else name


def _default_prior(config: Mapping[str, Any]) -> str:
    try:
        own = Settings.config(str(config.get("preset")), {}).prior
    except InputError:  # of a custom configuration
        return NO_PRIOR
    return own if own in bundled_priors() else NO_PRIOR
