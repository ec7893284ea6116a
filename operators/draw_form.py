"""The form of the operators that draw what was fitted, and what was filled in."""

from __future__ import annotations

from fiftyone.operators import types

from .widgets import add_device, read_device, target

_CRF = 12


def read_form(ctx, own):
    """Turns the form into arguments.

    Args:
        ctx: the operator's context.
        own: the numbers and switches that this operator asks for, with their defaults.

    Returns:
        the collection to draw, the settings of the drawing, and the options of `draw_dataset`.
    """
    params = ctx.params
    settings = {name: _given(params, name, default) for name, default in {**own, "crf": _CRF, "audio": True}.items()}
    options = {
        "device": read_device(params),
        "embeddings_field": params.get("embeddings_field") or "latent_inr",
        "overwrite": bool(params.get("overwrite", False)),
    }
    return target(ctx), settings, options


def build_form(ctx, inputs, own, describe):
    """Adds the fields, with what is wrong marked at the field, and a line about what is to be done.

    Args:
        ctx: the operator's context.
        inputs: the form.
        own: the numbers and switches that this operator asks for, with their defaults.
        describe: name -> (label, description) of each.
    """
    from fiftyone_latent_inr.datasets.drawings.drawing import Drawing
    from fiftyone_latent_inr.datasets.drawings.preview import draw_status, problems

    inputs.view_target(ctx, action_description="Draw")
    fields = {}
    for name, default in own.items():
        label, description = describe[name]
        if isinstance(default, bool):
            _checkbox(inputs, name, default, label, description)
        else:
            fields[name] = inputs.float(name, default=default, label=label, description=description)
    fields["crf"] = inputs.float(
        "crf", default=_CRF, label="Compression (crf)",
        description="Of the H.264 videos, 0 to 51: lower is better and larger, 12 is visually lossless",
    )  # fmt: skip
    _checkbox(inputs, "audio", True, "Sound", "Take the sound of the originals along")
    add_device(inputs, "Where to draw")
    fields["embeddings_field"] = inputs.str(
        "embeddings_field", default="latent_inr", label="Embeddings field",
        description="That of the fit; the media field is named after it",
    )  # fmt: skip
    _checkbox(inputs, "overwrite", False, "Overwrite", "Draw what is up to date again")
    samples, settings, options = read_form(ctx, own)
    found = problems(samples, settings, options)
    for argument, prop in fields.items():
        if argument in found:
            prop.invalid, prop.error_message = True, found[argument]
    if "samples" in found:
        notice = inputs.view("samples", types.Error(label="Nothing to draw here", description=found["samples"]))
        notice.invalid, notice.error_message = True, found["samples"]
    if not found:
        inputs.view("status", types.Notice(label=draw_status(samples, Drawing(**settings), options).text()))


def _given(params, name, default):
    return default if params.get(name) is None else params[name]


def _checkbox(inputs, name, default, label, description):
    inputs.bool(name, default=default, label=label, description=description, view=types.CheckboxView())
