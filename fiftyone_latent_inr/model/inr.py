"""LatentINR: a dictionary of per-frame latents, a hypernetwork, a field, and a head into a teacher's space."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .config import ModelConfig
from .field import Field
from .hypernetwork import Hypernetwork


def pixel_grid(height: int, width: int, device: torch.device | str = "cpu") -> Tensor:
    """Coordinates of the pixel centres of a height x width drawing, row by row.

    Returns:
        (height * width, 2) as (x, y), within (-1, 1); a frame of any size covers the same square.
    """
    y = (2 * torch.arange(height, device=device) + 1) / height - 1
    x = (2 * torch.arange(width, device=device) + 1) / width - 1
    return torch.stack(torch.meshgrid(y, x, indexing="ij")[::-1], -1).reshape(-1, 2)


class LatentINR(nn.Module):
    """A video as latents and networks (Latent-INR, Maiya et al., ECCV 2024, arXiv 2408.02672).

        latents (T, D) --hypernetwork--> modulations --field at (x, y)--> colours
                   |
                   first S dimensions --embedding head--> the teacher's space (E)

    Space is the field's coordinates, time is the latents: either can be made denser without touching the other.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.latents = nn.Parameter(0.1 * torch.randn(config.num_frames, config.latent_dim))
        self.hypernetwork = Hypernetwork(config)
        self.field = Field(config)
        if config.embedding_dim:
            self.embedding_weight = nn.Parameter(torch.zeros(config.semantic_dim, config.embedding_dim))
            self.embedding_bias = nn.Parameter(torch.zeros(config.embedding_dim))

    def render(self, latents: Tensor, coordinates: Tensor) -> Tensor:
        """Draws points of frames; the one rendering primitive of the package.

        Args:
            latents: (B, D), from the dictionary or in between.
            coordinates: (B, N, 2) or (N, 2) for the same points in each frame, as (x, y) in [-1, 1].

        Returns:
            (B, N, 3) RGB, about 0 to 1, not clamped.
        """
        if coordinates.dim() == 2:
            coordinates = coordinates.expand(latents.shape[0], *coordinates.shape)
        colours: Tensor = self.field(self.hypernetwork(latents), coordinates)
        return colours.transpose(1, 2)

    forward = render

    def latents_at(self, times: Tensor) -> Tensor:
        """Latents at frame indices, linear in between (Latent-INR, section on interpolation).

        Args:
            times: (B,) frame indices in [0, T - 1], fractions allowed.

        Returns:
            (B, D); at whole indices the dictionary's entry exactly.
        """
        low = times.floor().long().clamp(0, self.config.num_frames - 1)
        high = (low + 1).clamp(max=self.config.num_frames - 1)
        between = (times - low).to(self.latents.dtype)[:, None]
        return torch.where(between > 0, torch.lerp(self.latents[low], self.latents[high], between), self.latents[low])

    def embed(self, latents: Tensor, normalise: bool = True) -> Tensor:
        """Embeds latents in the teacher's space.

        Args:
            latents: (B, D).
            normalise: scale each embedding to unit norm.

        Returns:
            (B, E).
        """
        embeddings = latents[:, : self.config.semantic_dim] @ self.embedding_weight + self.embedding_bias
        return F.normalize(embeddings, dim=-1) if normalise else embeddings

    @torch.no_grad()
    def align_to(self, targets: Tensor) -> None:
        """Starts the semantic latents and the head at the targets' principal components.

        The best rank-S linear head is known in closed form; the fit then only has to keep it while the rest of
        the model learns to live with it.

        Args:
            targets: (T, E) unit-norm embeddings of the frames.
        """
        width = self.config.semantic_dim
        mean = targets.mean(0)
        left, scale, right = torch.linalg.svd((targets - mean).double(), full_matrices=False)
        spread = scale[:width] / max(1, len(targets)) ** 0.5
        # every component with the same spread as a free latent, so that none is too loud for the trunk
        self.latents[:, :width] = (0.1 * left[:, :width] * len(targets) ** 0.5).to(self.latents.dtype)
        self.embedding_weight.copy_((10 * spread[:, None] * right[:width]).to(self.latents.dtype))
        self.embedding_bias.copy_(mean)
