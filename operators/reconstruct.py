"""The operator "Latent-INR: reconstruct"."""

from __future__ import annotations

from typing import Any

from .base import Progress, VideoOperator, video_config
from .draw_form import build_form, read_form, seconds


class Reconstruct(VideoOperator):
    """Draws fitted videos as they were fitted, into the media field `latent_inr_recon`.

    From Python: `foo.get_operator("@latent-inr/latent_inr/reconstruct")(view)`, with the options of
    `fiftyone_latent_inr.reconstruct`; for a delegated run, those of the form: `crf`, `audio`, `device`,
    `embeddings_field`, `overwrite`.
    """

    verb = "Draw"
    own: dict[str, Any] = {}
    described: dict[str, tuple[str, str]] = {}

    @property
    def config(self) -> Any:
        return video_config(
            name="reconstruct",
            label="Latent-INR: reconstruct",
            description="Draw fitted videos from their small files, to be played beside the originals",
            icon="slideshow",
        )

    def call(self, samples: Any, **options: Any) -> Any:
        from fiftyone_latent_inr import reconstruct

        return reconstruct(samples, **options)

    def build_form(self, ctx: Any, inputs: Any) -> None:
        build_form(ctx, inputs, self.own, self.described)

    def seconds(self, ctx: Any) -> float | None:
        return seconds(ctx, self.own)

    def work(self, ctx: Any, progress: Progress) -> Any:
        samples, settings, options = read_form(ctx, self.own)
        return self.call(samples, progress=progress, **settings, **options)
