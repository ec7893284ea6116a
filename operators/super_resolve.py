"""The operator "Latent-INR: super-resolve"."""

from __future__ import annotations

from typing import Any

from .base import video_config
from .reconstruct import Reconstruct


class SuperResolve(Reconstruct):
    """Draws fitted videos larger, into a media field such as `latent_inr_x2`.

    From Python as `Reconstruct`, with `scale` besides.
    """

    own = {"scale": 2.0}
    described = {"scale": ("Scale", "Of both sides, relative to the size that was fitted: 2, or 1.5")}

    @property
    def config(self) -> Any:
        return video_config(
            name="super_resolve",
            label="Latent-INR: super-resolve",
            description="Draw fitted videos larger, to be played beside the originals",
            icon="zoom_out_map",
        )

    def call(self, samples: Any, **options: Any) -> Any:
        from fiftyone_latent_inr import super_resolve

        return super_resolve(samples, **options)

    def resolve_run_name(self, ctx: Any) -> str:
        """The name in the list of delegated runs."""
        return f"{self.config.label} x{ctx.params.get('scale', 2):g}"
