"""The operator "Fit Latent-INR"."""

from __future__ import annotations

from .base import VideoOperator, video_config
from .widgets import build_form, read_form


class FitLatentINR(VideoOperator):
    """Fits videos, stores them, and indexes them for search by text.

    From Python: `foo.get_operator("@latent-inr/latent_inr/fit")(view, preset="fast", teacher="small")`, with the
    options of `fiftyone_latent_inr.fit_dataset`; for a delegated run, those of the form: `preset`, `quality`,
    `teacher`, `prior`, `device`, `embeddings_field`, `brain_key`, `overwrite`.
    """

    verb = "Fit"

    @property
    def config(self):
        return video_config(
            name="fit",
            label="Fit Latent-INR",
            description="Fit videos as latents, store them in small files, and make them searchable by text",
            icon="movie_filter",
        )

    def call(self, samples, **options):
        from fiftyone_latent_inr import fit_dataset

        return fit_dataset(samples, **options)

    def build_form(self, ctx, inputs):
        build_form(ctx, inputs)

    def work(self, ctx, progress):
        samples, options = read_form(ctx)
        return self.call(samples, progress=progress, **options)

    def resolve_run_name(self, ctx):
        """The name in the list of delegated runs."""
        return f"Fit Latent-INR ({ctx.params.get('preset', 'balanced')})"
