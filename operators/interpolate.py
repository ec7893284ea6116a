"""The operator "Latent-INR: interpolate"."""

from __future__ import annotations

from typing import Any

from .base import video_config
from .reconstruct import Reconstruct


class Interpolate(Reconstruct):
    """Draws fitted videos with frames in between, into a media field such as `latent_inr_fps2`.

    From Python as `Reconstruct`, with `factor`, `scale` and `motion` besides.
    """

    own = {"factor": 2.0, "scale": 1.0, "motion": False}
    described = {
        "factor": ("Factor", "Frames drawn for each one: 2 doubles the frame rate; the duration stays"),
        "scale": ("Scale", "Of both sides at the same time: 1 keeps the size"),
        "motion": ("Follow motion", "Between the drawn frames, too: slower, and sharper where motion is steady"),
    }

    @property
    def config(self) -> Any:
        return video_config(
            name="interpolate",
            label="Latent-INR: interpolate",
            description="Draw fitted videos with frames in between, to be played beside the originals",
            icon="slow_motion_video",
        )

    def call(self, samples: Any, **options: Any) -> Any:
        from fiftyone_latent_inr import interpolate

        return interpolate(samples, **options)

    def resolve_run_name(self, ctx: Any) -> str:
        """The name in the list of delegated runs."""
        return f"{self.config.label} x{ctx.params.get('factor', 2):g}"
