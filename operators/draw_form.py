"""The form of the operators that draw what was fitted, and what was filled in."""

from __future__ import annotations

from typing import Any

from . import widgets
from .base import say_what_closing_does


def read_form(ctx: Any, own: dict[str, Any]) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    """Turns the form into arguments.

    Args:
        ctx: the operator's context.
        own: the numbers and switches that this operator asks for, with their defaults.

    Returns:
        the collection to draw, the settings of the drawing, and the options of `draw_dataset`.
    """
    from fiftyone_latent_inr.datasets.drawings.drawing import Drawing

    params, drawing = ctx.params, Drawing()
    defaults = {**own, "crf": drawing.crf, "audio": drawing.audio}
    settings = {name: widgets.given(params, name, default) for name, default in defaults.items()}
    options = {
        "device": widgets.read_device(params),
        "embeddings_field": params.get("embeddings_field") or widgets.FIT_NAME,
        "overwrite": bool(params.get("overwrite", False)),
    }
    return widgets.target(ctx), settings, options


def build_form(ctx: Any, inputs: Any, own: dict[str, Any], describe: dict[str, tuple[str, str]]) -> None:
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
        label, described = describe[name]
        if isinstance(default, bool):
            widgets.add_checkbox(inputs, name, default, label, described)
        else:
            fields[name] = inputs.float(name, default=default, label=label, description=described)
    described = "Of the H.264 videos, 0 to 51: lower is better and larger, 12 is visually lossless"
    fields["crf"] = inputs.float("crf", default=Drawing().crf, label="Compression (crf)", description=described)
    widgets.add_checkbox(inputs, "audio", Drawing().audio, "Sound", "Take the sound of the originals along")
    widgets.add_device(inputs, "Where to draw")
    name, label, described = (
        "embeddings_field",
        "Embeddings field",
        "That of the fit; the media field is named after it",
    )
    fields[name] = inputs.str(name, default=widgets.FIT_NAME, label=label, description=described)
    widgets.add_checkbox(inputs, "overwrite", False, "Overwrite", "Draw what is up to date again")
    samples, settings, options = read_form(ctx, own)
    found = problems(samples, settings, options)
    widgets.refuse_all(inputs, fields, found, "Nothing to draw here")
    if not found:
        media_field = Drawing(**settings).field(options["embeddings_field"])
        widgets.say_who_is_at_work(ctx, inputs, media_field, "drawing")
        status = draw_status(samples, Drawing(**settings), options)
        widgets.say(inputs, "status", status.text())
        say_what_closing_does(inputs, status.cost.seconds, "the drawing")


def seconds(ctx: Any, own: dict[str, Any]) -> float | None:
    """Estimated wall seconds of what was filled in, None where they are not known."""
    from fiftyone_latent_inr.datasets.drawings.drawing import Drawing
    from fiftyone_latent_inr.datasets.drawings.preview import draw_status

    samples, settings, options = read_form(ctx, own)
    return draw_status(samples, Drawing(**settings), options).cost.seconds
