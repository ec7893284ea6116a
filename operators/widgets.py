"""Parts of forms: choices of preset, teacher, device and repository, and what was chosen; refuse and say."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from fiftyone.operators import types

# How the package calls the teacher or prior that is its own choice, and none: a test holds them to it.
DEFAULT, NONE = "default", "none"
# How the package calls the fields, index and run of a fit unless it is told otherwise: held to it, too.
FIT_NAME = "latent_inr"

_PRESETS = {
    "instant": "Searchable in the time it takes to read it, a rough picture",
    "fast": "Minutes on a CPU for a short clip",
    "balanced": "Better pictures, a few times longer",
    "best": "As good as it gets, for a GPU",
}
_DEVICES = {
    "auto": "an NVIDIA GPU where there is one, else the processor",
    "cpu": "the processor",
    "cuda": "an NVIDIA GPU",
}
_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")


def given(params: Mapping[str, Any], name: str, default: Any) -> Any:
    """What was filled in, or the default where nothing was."""
    return default if params.get(name) is None else params[name]


def text(params: Mapping[str, Any], name: str) -> str | None:
    """The text that was typed, None for an empty one."""
    return (params.get(name) or "").strip() or None


def target(ctx: Any) -> Any:
    """The collection that was chosen; of a grouped dataset, its videos. Groups that a view makes stay as they are."""
    samples = ctx.target_view()
    if samples.media_type != "group" or getattr(samples, "_is_dynamic_groups", False):
        return samples
    return samples.select_group_slices(media_type="video")


def add_preset(inputs: Any, default: str, description: str) -> None:
    """Adds the choice of a preset; the default may be one that is not among the usual."""
    known = _PRESETS if default in _PRESETS else {**_PRESETS, default: "As in the last run"}
    add_choice(inputs, "preset", known, default, label="Preset", description=description)


def add_device(inputs: Any, description: str, default: str | None = None) -> None:
    """Adds the choice of a device."""
    chosen = default if default in _DEVICES else "auto"
    add_choice(inputs, "device", _DEVICES, chosen, label="Device", description=description)


def read_device(params: Mapping[str, Any], default: str | None = None) -> str | None:
    """The torch device that was chosen, None for the package's own choice."""
    device: str = params.get("device") or (default if default in _DEVICES else None) or "auto"
    return None if device == "auto" else device


def add_teacher(inputs: Any, description: str, default: str = DEFAULT) -> Any:
    """Adds the choice of a teacher."""
    known = {name: name for name in dict.fromkeys((DEFAULT, "small", NONE, default))}
    return add_name(inputs, "teacher", known, default=default, label="Teacher", description=description)


def note_teacher(ctx: Any, inputs: Any, default: str = DEFAULT) -> None:
    """Says what the teacher that was chosen knows, where that is little."""
    from fiftyone_latent_inr.datasets.teachers import what_it_knows

    line = what_it_knows(read_teacher(ctx.params, default))
    if line is not None:
        inputs.view("teacher_knows", types.Warning(label="Teacher", description=line))


def read_teacher(params: Mapping[str, Any], default: str = DEFAULT) -> str | None:
    """The teacher that was chosen, None for none."""
    teacher: str = params.get("teacher") or default
    return None if teacher == NONE else teacher


def add_choice(
    inputs: Any, name: str, meanings: Mapping[str, str], default: str, *, label: str, description: str
) -> None:
    """Adds a choice among a few; `meanings` says what each is."""
    view = types.DropdownView()
    for value, meaning in meanings.items():
        view.add_choice(value, label=value, description=meaning)
    inputs.enum(name, list(meanings), default=default, label=label, description=description, view=view)


def add_name(
    inputs: Any, name: str, known: Mapping[str, str], *, default: str = DEFAULT, label: str, description: str
) -> Any:
    """Adds the choice of a name, a known one (`known` says how each is shown) or another that is typed."""
    view = types.AutocompleteView(allow_user_input=True)
    for value, shown in known.items():
        view.add_choice(value, label=shown)
    return inputs.str(name, default=default, label=label, description=description, view=view)


def add_checkbox(inputs: Any, name: str, default: bool, label: str, description: str) -> Any:
    """Adds a switch."""
    return inputs.bool(name, default=default, label=label, description=description, view=types.CheckboxView())


def add_repository(ctx: Any, inputs: Any, description: str) -> Any:
    """Adds the name of a repository, marked while it names none."""
    prop = inputs.str("repo", required=True, label="Repository", description=description)
    if ctx.params.get("repo") and repository(ctx) is None:
        refuse(prop, "A repository of the Hugging Face Hub is named OWNER/NAME")
    return prop


def repository(ctx: Any) -> str | None:
    """`OWNER/NAME` as it was typed, or None while it is none yet."""
    typed = text(ctx.params, "repo")
    return typed if typed and _REPOSITORY.fullmatch(typed) else None


def token(ctx: Any) -> str | None:
    """The plugin's secret HF_TOKEN; None leaves it to the Hub's own login."""
    secret = ctx.secrets["HF_TOKEN"]
    # FiftyOne gives the secret itself where it has just looked it up
    return getattr(secret, "value", secret) or None


def refuse(prop: Any, message: str) -> None:
    """Marks a field, so that the form cannot be sent."""
    prop.invalid, prop.error_message = True, message


def refuse_all(inputs: Any, fields: Mapping[str, Any], found: Mapping[str, str], label: str) -> None:
    """Marks all that is wrong.

    Args:
        inputs: the form.
        fields: argument -> its field.
        found: argument -> what is wrong with it; `samples` is no field of the form, and gets a notice.
        label: headline of that notice.
    """
    for argument, prop in fields.items():
        if argument in found:
            refuse(prop, found[argument])
    if "samples" in found:
        refuse(inputs.view("samples", types.Error(label=label, description=found["samples"])), found["samples"])


def say_who_is_at_work(ctx: Any, inputs: Any, key: str, what: str) -> None:
    """Says that a run is at work on what the form is about, since when and where.

    Args:
        ctx: the operator's context.
        inputs: the form.
        key: embeddings field of a fit, media field of a drawing.
        what: "fit" or "drawing".
    """
    from fiftyone_latent_inr.datasets.claims import running

    line = running(ctx.dataset, key, what)
    if line is not None:
        described = "One that is started now shares the videos with it, if its settings are the same"
        inputs.view("running", types.Warning(label=line, description=described))


def say(inputs: Any, name: str, line: str) -> None:
    """Adds a line."""
    inputs.view(name, types.Notice(label=line))
