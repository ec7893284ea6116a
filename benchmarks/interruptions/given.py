"""What calls begin with, and their names: known without FiftyOne, whose import takes seconds."""

from __future__ import annotations

from dataclasses import dataclass

# The custom run that records a call; those without one work on files alone, of which the last one is taken.
KEYS = {"fit": "latent_inr", "draw": "latent_inr_fps2", "pretrain": "latent_inr_prior_prior"}
CALLS = (*KEYS, "encode", "decode")


@dataclass(frozen=True)
class Given:
    """What a call begins with.

    Attributes:
        clips: paths of the videos.
        fitted: paths of the `.linr` files of a clean fit, in the same order; empty for calls that fit.
    """

    clips: list[str]
    fitted: list[str]
