"""The operator "Latent-INR: reconstruct"."""

from __future__ import annotations

from .base import VideoOperator, video_config
from .draw_form import build_form, read_form


class Reconstruct(VideoOperator):
    """Draws fitted videos as they were fitted, into the media field `latent_inr_recon`.

    From Python: `foo.get_operator("@latent-inr/latent_inr/reconstruct")(view)`, with the options of
    `fiftyone_latent_inr.reconstruct`; for a delegated run, those of the form: `crf`, `audio`, `device`,
    `embeddings_field`, `overwrite`.
    """

    verb = "Draw"
    own = {}
    described = {}

    @property
    def config(self):
        return video_config(
            name="reconstruct",
            label="Latent-INR: reconstruct",
            description="Draw fitted videos from their small files, to be played beside the originals",
            icon="slideshow",
        )

    def call(self, samples, **options):
        from fiftyone_latent_inr import reconstruct

        return reconstruct(samples, **options)

    def build_form(self, ctx, inputs):
        build_form(ctx, inputs, self.own, self.described)

    def work(self, ctx, progress):
        samples, settings, options = read_form(ctx, self.own)
        return self.call(samples, progress=progress, **settings, **options)
