"""Losses of a fit."""

from __future__ import annotations

from torch import Tensor


def reconstruction_loss(drawn: Tensor, pixels: Tensor) -> Tensor:
    """Mean squared error of colours.

    Args:
        drawn: (B, N, 3), about 0 to 1.
        pixels: (B, N, 3), 0 to 1.

    Returns:
        Scalar.
    """
    return (drawn - pixels).square().mean()


def alignment_loss(embeddings: Tensor, targets: Tensor, spread: Tensor) -> Tensor:
    """Squared distance to the teacher's embeddings, in units of how much they vary over the video.

    Latent-INR minimises the cosine distance. Frames of one video have nearly parallel embeddings, so that a
    constant would already look aligned; dividing by the variance makes what tells frames apart count.

    Args:
        embeddings: (B, E) of the head, not normalised.
        targets: (B, E), unit norm.
        spread: scalar, the targets' variance over the video (summed over E).

    Returns:
        Scalar; 0 is perfect, 1 is what the mean of all targets gives.
    """
    return (embeddings - targets).square().sum(-1).mean() / spread
