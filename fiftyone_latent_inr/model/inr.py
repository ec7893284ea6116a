"""LatentINR: a dictionary of per-frame latents, a hypernetwork, a field, and a head into a teacher's space."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .config import ModelConfig
from .curves import latents_between
from .field import Field
from .hypernetwork import Hypernetwork
from .paper import PaperField, PaperHypernetwork
from .patch import assemble, middles

_NETWORKS = {"rank_one": (Hypernetwork, Field), "sigmoid": (PaperHypernetwork, PaperField)}


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
        hypernetwork, field = _NETWORKS[config.modulation]
        self.hypernetwork = hypernetwork(config)
        self.field = field(config)
        if config.embedding_dim:
            self.embedding_weight = nn.Parameter(torch.zeros(config.semantic_dim, config.embedding_dim))
            self.embedding_bias = nn.Parameter(torch.zeros(config.embedding_dim))

    def render(self, latents: Tensor, coordinates: Tensor) -> Tensor:
        """Draws points of frames; the one rendering primitive of the package.

        A model of patches draws whole frames at their own size and reads the points bilinearly between pixel centres.

        Args:
            latents: (B, D), from the dictionary or in between.
            coordinates: (B, N, 2) or (N, 2) for the same points in each frame, as (x, y) in [-1, 1].

        Returns:
            (B, N, 3) RGB, about 0 to 1, not clamped.
        """
        if coordinates.dim() == 2:
            coordinates = coordinates.expand(latents.shape[0], *coordinates.shape)
        if self.config.patch > 1:
            frames = self.draw_frames(latents).permute(0, 3, 1, 2)
            read = F.grid_sample(frames, coordinates[:, None], padding_mode="border", align_corners=False)
            return read[:, :, 0].transpose(1, 2)
        colours: Tensor = self.field(self.hypernetwork(latents), coordinates)
        return colours.transpose(1, 2)

    forward = render

    def render_patches(self, latents: Tensor, middles: Tensor) -> Tensor:
        """Draws patches of p x p pixels, all that the field gives for a point; what a fit learns from.

        Args:
            latents: (B, D).
            middles: (B, N, 2) or (N, 2), the patches' middles of `patch.middles`, as (x, y) in [-1, 1].

        Returns:
            (B, N * p * p, 3) RGB, patch by patch, each row by row; with p = 1 what `render` gives.
        """
        if self.config.patch == 1:
            return self.render(latents, middles)
        if middles.dim() == 2:
            middles = middles.expand(latents.shape[0], *middles.shape)
        drawn: Tensor = self.field(self.hypernetwork(latents), middles)  # (B, p p 3, N)
        return drawn.transpose(1, 2).reshape(len(latents), -1, 3)

    def draw_frames(self, latents: Tensor, points: int = 16_384) -> Tensor:
        """Draws whole frames of a model of patches at their own size, each patch once.

        Args:
            latents: (B, D).
            points: patches drawn at once in each frame.

        Returns:
            (B, H, W, 3) RGB, about 0 to 1.
        """
        size, patch = (self.config.height, self.config.width), self.config.patch
        places = middles(size, patch, latents.device).view(-1, 2)
        drawn = torch.cat([self.render_patches(latents, part) for part in places.split(points)], dim=1)
        return assemble(drawn, size, patch)

    def latents_at(self, times: Tensor, cuts: Sequence[int] = ()) -> Tensor:
        """Latents at frame indices; in between along Catmull and Rom's cubic through the dictionary.

        Args:
            times: (B,) frame indices in [0, T - 1], fractions allowed.
            cuts: frames that start a new scene. Nothing lies between two scenes: there the nearer frame's latent is
                taken, and neighbours in another scene are not looked at.

        Returns:
            (B, D); at whole indices the dictionary's entry exactly.
        """
        marks = torch.zeros(self.config.num_frames, dtype=torch.long, device=self.latents.device)
        if len(cuts):
            marks[torch.as_tensor(cuts, device=self.latents.device)] = 1
        return latents_between(self.latents, marks.cumsum(0), times)

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
