"""Specs of the small world that are told apart at a glance."""

import numpy as np

from fiftyone_latent_inr.small_world.world import ShapeClip, random_spec


def clean(kind="circle", colour="red", ground="white", motion="still", **changes):
    """A clip of one shape, without blur or noise."""
    spec = random_spec(np.random.default_rng(5), (colour, kind, ground), motion=motion)
    return ShapeClip(spec.shapes, ground, spec.background_rgb, **changes)
