"""The operator "Latent-INR: refine"."""

from __future__ import annotations

from typing import Any

from . import widgets
from .base import Progress, VideoOperator, say_what_closing_does, video_config

# What stands for the preset that each file was fitted with.
_OWN = "own"
_PRESETS = {
    _OWN: "that of each file, at the bytes that it has",
    "fast": "its steps and weight of the bytes, of files of fast",
    "balanced": "those of balanced, of its files",
    "best": "those of best, of its files",
}
_ORDERS = {"worst": "worst: the lowest PSNR first", "view": "view: as they come"}


class Refine(VideoOperator):
    """Goes on with the fits of videos: each file is replaced by a better one, or stays; searches stay as they are.

    From Python: `foo.get_operator("@latent-inr/latent_inr/refine")(view)`, with the options of
    `fiftyone_latent_inr.refine`; for a delegated run, those of the form: `preset`, `minutes`, `quality`, `order`,
    `device`, `embeddings_field`, `again`.
    """

    verb = "Refine"

    @property
    def config(self) -> Any:
        return video_config(
            name="refine",
            label="Latent-INR: refine",
            description="Go on with the fits of videos: better pictures for their bytes, never worse",
            icon="auto_fix_high",
        )

    def call(self, samples: Any, **options: Any) -> Any:
        from fiftyone_latent_inr import refine

        return refine(samples, **options)

    def build_form(self, ctx: Any, inputs: Any) -> None:
        from fiftyone_latent_inr.datasets.refine.preview import problems, refine_status

        inputs.view_target(ctx, action_description="Refine")
        widgets.add_choice(inputs, "preset", _PRESETS, _OWN, label="Preset", description="How many steps more")
        fields = {}
        told = "Instead of the preset's steps; empty: the preset's"
        fields["minutes"] = inputs.float("minutes", label="Minutes a video", description=told)
        told = "0 to 100: better pictures, or smaller files; empty: the preset's, or the bytes that a file has"
        fields["quality"] = inputs.float("quality", label="Quality", description=told)
        told = "Which first: or the name of a field, greatest value first, or of a tag"
        fields["order"] = widgets.add_name(inputs, "order", _ORDERS, default="worst", label="Order", description=told)
        widgets.add_device(inputs, "Where to fit")
        label, told = "Embeddings field", "That of the fit"
        name = "embeddings_field"
        fields[name] = inputs.str(name, default=widgets.FIT_NAME, label=label, description=told)
        widgets.add_checkbox(
            inputs, "again", False, "Again", "Those, too, that were refined with these settings before"
        )
        samples, options = widgets.target(ctx), _read(ctx.params)
        found = problems(samples, options)
        widgets.refuse_all(inputs, fields, found, "Nothing to refine here")
        if not found:
            widgets.say_who_is_at_work(ctx, inputs, f"{options[name]}_refined", "refinement")
            status = refine_status(samples, options)
            widgets.say(inputs, "status", status.text())
            say_what_closing_does(inputs, status.seconds, "the refinement")

    def seconds(self, ctx: Any) -> float | None:
        from fiftyone_latent_inr.datasets.refine.preview import refine_status

        return refine_status(widgets.target(ctx), _read(ctx.params)).seconds

    def work(self, ctx: Any, progress: Progress) -> Any:
        return self.call(widgets.target(ctx), progress=progress, **_read(ctx.params))


def _read(params: dict[str, Any]) -> dict[str, Any]:
    """What was filled in, as options of `refine`."""
    preset = params.get("preset") or _OWN
    return {
        "preset": None if preset == _OWN else preset,
        "minutes": params.get("minutes"),
        "quality": params.get("quality"),
        "order": params.get("order") or "worst",
        "device": widgets.read_device(params),
        "embeddings_field": params.get("embeddings_field") or widgets.FIT_NAME,
        "again": bool(params.get("again", False)),
    }
