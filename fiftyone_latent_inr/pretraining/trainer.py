"""Pretraining: hypernetwork, field and encoders learn from clips of many videos to draw any clip at once.

window --augment--> key frames --grid encoder--> grids ----.
               '--> frames ----latent encoder--> latents --hypernetwork, field--> colours of points <-> the frames'
views of frames --semantic encoder, head--> embeddings <-> the teacher's

The second line shares nothing with the first: it has its own batches, of single frames that are far more varied than
the frames of a few clips, and its own gradient clipping.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from ..errors import InputError
from ..fitting.loop import spread_of
from ..fitting.losses import alignment_loss
from ..fitting.objective import generator_on
from ..fitting.sampling import cells_of, patches
from ..fitting.soap import SOAP
from ..model import pixel_grid
from ..priors.networks import PriorNetworks
from ..progress import FitProgress
from ..torch_settings import fast_products
from .augment import Frames, cut_clip, finish
from .config import PretrainConfig

# Steps between two progress events; reading the loss waits for the device.
_REPORT_EVERY = 20
# Layers that read hundreds of numbers turn far with each step: they take smaller ones.
_WIDE_SHARE = 0.15
# Added to a clip's squared error before the root, whose slope would grow without bound (50 dB).
_FLOOR = 1e-5
# What a number of a grid is multiplied by in its cost: about how many quantisation steps a unit is.
_GRID_STEPS = 50.0
_LEAST_RATE = 1e-6
# Frames that are encoded or drawn at a time when whole clips are.
_BATCH = 16


class Windows(Protocol):
    """Where clips come from. What is drawn depends on the step and on `rng` alone, so that a run can go on."""

    def draw(self, step: int, rng: np.random.Generator) -> Frames:
        """A window, uint8 (L, H, W, 3), to cut a clip from; read, not changed."""
        ...


class Views(Protocol):
    """Where frames come from that a teacher has seen."""

    def draw(self, step: int, rng: np.random.Generator, count: int) -> tuple[Frames, npt.NDArray[np.float32]]:
        """`count` frames, uint8 (N, h, w, 3), and the teacher's embeddings of them, (N, E), unit norm."""
        ...


class Pretraining:
    """A run under way. Everything random depends on the seed and the step alone.

    Args:
        networks: networks to train; moved to the device.
        config: settings of the training.
        windows: source of clips.
        views: source of frames for the semantic encoder; None leaves it as it is.
        seed: seed of clips, augmentation and points.
        device: torch device to train on.

    Attributes:
        step: steps done.
        steps: all steps.
    """

    def __init__(
        self,
        networks: PriorNetworks,
        config: PretrainConfig,
        windows: Windows,
        views: Views | None = None,
        *,
        seed: int = 0,
        device: torch.device | str = "cpu",
    ) -> None:
        self.networks, self.config, self.windows = networks.to(device), config, windows
        # convolutions run a sixth faster so, on the CPU as well
        self.networks.grid_encoder.to(memory_format=torch.channels_last)
        self.views = views if networks.config.embedding_dim else None
        self.seed, self.device, self.step = seed, torch.device(device), 0
        self._drawing_steps = min(config.steps, config.drawing_steps)
        self.steps = self._drawing_steps if self.views is None else config.steps
        self._generator = generator_on(device, seed)
        self._semantic: list[nn.Parameter] = []
        if networks.config.embedding_dim:
            head = [networks.embedding_weight, networks.embedding_bias]
            self._semantic = [*networks.semantic_encoder.parameters(), *head]
        known = {id(one) for one in self._semantic}
        self._drawing = [one for one in networks.parameters() if id(one) not in known]
        wide = {id(one) for part in (networks.hypernetwork, networks.latent_encoder) for one in part.parameters()}
        parts = [[one for one in self._drawing if (id(one) in wide) == is_wide] for is_wide in (False, True)]
        self._optimiser = SOAP(
            [{"params": parts[0], "share": 1.0}, {"params": parts[1], "share": _WIDE_SHARE}],
            lr=config.learning_rate,
            betas=(0.95, 0.95),  # clips change with each step: more of them are averaged than pixels of one video
        )
        self._semantic_optimiser = torch.optim.AdamW(
            self._semantic or [nn.Parameter(torch.zeros(1))],
            lr=config.semantic_rate,
            betas=(0.9, 0.98),
            weight_decay=config.weight_decay,
        )
        # running means of a step's PSNR and of the alignment loss; the first step sets them
        self._means = torch.full((2,), math.nan, device=device)

    @property
    def psnr(self) -> float | None:
        """Running estimate on the clips trained on, in dB."""
        mean = float(self._means[0])
        return None if math.isnan(mean) else mean

    @property
    def alignment(self) -> float | None:
        """Running estimate of the alignment loss: 0 is perfect, 1 is a constant; None without a teacher."""
        mean = float(self._means[1])
        return None if math.isnan(mean) else mean

    def run(self) -> Iterator[FitProgress]:
        """Steps up to the last. The state may be stored at each event; events come at multiples of 20 steps.

        Yields:
            Progress events of stage `pretrain`.
        """
        total, first, began = self.steps, self.step, time.monotonic()
        self.networks.train()
        while self.step < total:
            with fast_products(self.device):
                self._advance()
            if self.step % _REPORT_EVERY == 0 or self.step == total:
                seconds = time.monotonic() - began
                left = seconds / (self.step - first) * (total - self.step)
                yield FitProgress("pretrain", self.step, total, self.psnr, seconds, left)
        self.networks.eval()

    def _advance(self) -> None:
        """One step."""
        config = self.config
        rng = np.random.default_rng([self.seed, self.step])
        self._generator.manual_seed(int(rng.integers(2**62)))
        if self.step < self._drawing_steps:
            self._optimiser.zero_grad()
            self._see(0, -10 * self._draw_clips(rng).clamp(min=1e-10).log10())
            nn.utils.clip_grad_norm_(self._drawing, 1.0)
            factor = self._factor(self._drawing_steps)
            for group in self._optimiser.param_groups:
                group["lr"] = config.learning_rate * group["share"] * factor + _LEAST_RATE
            with torch.no_grad():
                torch._foreach_mul_([*self._drawing], 1 - config.decay * config.learning_rate * factor)
            self._optimiser.step()
        if self.views is not None:
            self._semantic_optimiser.zero_grad()
            self._see(1, self._imitate(self.views, rng))
            nn.utils.clip_grad_norm_(self._semantic, 1.0)
            for group in self._semantic_optimiser.param_groups:
                group["lr"] = config.semantic_rate * self._factor(config.steps) + _LEAST_RATE
            self._semantic_optimiser.step()
        self.step += 1

    def _factor(self, steps: int) -> float:
        """On the rates, at this of so many steps."""
        warm = min(1.0, (self.step + 1) / max(1, self.config.warmup))
        return warm * 0.5 * (1 + math.cos(math.pi * self.step / steps))

    def _see(self, k: int, value: Tensor) -> None:
        """Counts a step's value into a running mean."""
        before = self._means[k]
        self._means[k] = torch.where(before.isnan(), value, 0.98 * before + 0.02 * value)

    def _draw_clips(self, rng: np.random.Generator) -> Tensor:
        """Gradients of the clips' error; gives its mean.

        The grids of all clips are made in one pass; clip by clip, what is drawn from them is then differentiated down
        to the grids, so that the pictures' gradients of one clip only are in memory at a time.
        """
        config, networks, length = self.config, self.networks, self.config.window
        size = config.sizes[rng.integers(len(config.sizes))]
        planes = networks.config.architecture.planes
        clips, times = [], []
        for _ in range(config.clips_per_step):
            index = rng.choice(length, config.frames_per_step, replace=False)
            # those that are chosen of a whole clip are about one of each part
            keys = ((np.arange(planes) + rng.uniform(0, 1, planes)) / planes * length).astype(np.int64)
            clips.append(self._clip(np.concatenate([index, keys]), size, rng))
            times.append(torch.from_numpy((index[:, None] - keys) / (length - 1)).float().to(self.device))
        share = 1 / config.clips_per_step
        first = config.frames_per_step
        pictures, taken = zip(*(networks.differences(clip[first:]) for clip in clips), strict=True)
        grids = networks.grids(torch.stack(pictures))
        held = [grid.detach().requires_grad_() for grid in grids]
        total = torch.zeros((), device=self.device)
        cells = cells_of(config.points_per_frame, size)
        for k, (clip, when) in enumerate(zip(clips, times, strict=True)):
            frames = clip[:first]
            latents = networks.latents(frames, clip[first:], when, taken[k])
            row, col, points = patches(first, cells, size, 1, self._generator)
            row, col, points = row.to(self.device), col.to(self.device), points.to(self.device)
            drawn = networks.draw(latents, points, [grid[k] for grid in held])
            at = (row * size[1] + col)[:, None].expand(-1, 3, -1)
            colours = frames.flatten(2).gather(2, at).transpose(1, 2)
            mse = (drawn - colours).square().mean((1, 2))
            loss = (mse + _FLOOR).sqrt().mean()
            if config.grid_weight:
                loss = loss + config.grid_weight * grid_cost([grid[k] for grid in held])
            (loss * share).backward()
            total = total + share * mse.detach().mean()
        torch.autograd.backward(grids, [grid.grad for grid in held])
        return total

    def _clip(self, which: npt.NDArray[np.int64], size: tuple[int, int], rng: np.random.Generator) -> Tensor:
        """Frames of one random clip, (N, 3, h, w), 0 to 1."""
        how, length = self.config.augmentation, self.config.window
        if how.mirror and rng.random() < 0.5:
            which = length - 1 - which
        clip = cut_clip(self.windows.draw(self.step, rng), length, which, size, how, rng, self.device)
        if rng.random() < how.cut:
            other = cut_clip(self.windows.draw(self.step, rng), length, which, size, how, rng, self.device)
            before = torch.from_numpy(which < rng.integers(1, max(2, length))).to(self.device)
            clip = torch.where(before[:, None, None, None], clip, other)
        return finish(clip, how, rng)

    def _imitate(self, views: Views, rng: np.random.Generator) -> Tensor:
        """Gradients of the alignment loss; gives it."""
        pictures, embeddings = views.draw(self.step, rng, self.config.semantic_frames)
        frames = torch.from_numpy(pictures).to(self.device).permute(0, 3, 1, 2).float() / 255
        targets = torch.from_numpy(embeddings).to(self.device)
        if self.step == 0:  # a constant is not worth learning
            with torch.no_grad():
                self.networks.embedding_bias.copy_(targets.mean(0))
        loss = alignment_loss(self.networks.embed(frames, normalise=False), targets, spread_of(targets))
        loss.backward()
        return loss.detach()

    def state_dict(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """All that a run needs to go on, as tensors and JSON-able facts."""
        tensors = {f"networks.{name}": value for name, value in self.networks.state_dict().items()}
        tensors |= {f"drawing.{name}": value for name, value in self._optimiser.state_tensors().items()}
        for index, values in self._semantic_optimiser.state_dict()["state"].items():
            tensors |= {f"semantic.{index}.{name}": torch.as_tensor(value) for name, value in values.items()}
        tensors["means"] = self._means
        tensors = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
        return tensors, {"step": self.step, "key": self.key()}

    def load_state_dict(self, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
        """Goes on where another run of the same settings was.

        Raises:
            InputError: it was of other settings, or something is missing.
        """
        if facts.get("key") != self.key():
            raise InputError("the stored run is of other settings; begin anew (resume=False) or name another folder")

        def of(prefix: str) -> dict[str, Tensor]:
            return {name.removeprefix(prefix): one for name, one in tensors.items() if name.startswith(prefix)}

        try:
            self.networks.load_state_dict(of("networks."))
            self._optimiser.load_state_tensors(of("drawing."))
            state = self._semantic_optimiser.state_dict()
            state["state"] = {}
            for name, value in of("semantic.").items():
                index, key = name.split(".")
                state["state"].setdefault(int(index), {})[key] = value
            self._semantic_optimiser.load_state_dict(state)
            self._means = tensors["means"].to(self.device)
            self.step = int(facts["step"])
        except (KeyError, ValueError, RuntimeError) as error:
            raise InputError(f"the stored run is incomplete ({error}); begin anew (resume=False)") from error

    def key(self) -> str:
        """Changes with anything that changes what a step does, but for the videos."""
        networks = hashlib.sha256(repr(self.networks.config).encode()).hexdigest()[:12]
        return f"{self.config.digest()}-{networks}-{self.seed}"


def grid_cost(grids: list[Tensor]) -> Tensor:
    """About the logarithm of how many quantisation steps the numbers of grids are from zero, summed over levels."""
    return torch.stack([(1 + _GRID_STEPS * grid.abs()).log().mean() for grid in grids]).sum()


@torch.no_grad()
def drawn_unseen(networks: PriorNetworks, frames: Frames) -> Frames:
    """A video as the networks draw it without any fit.

    Args:
        networks: on the device to work on.
        frames: uint8 (T, H, W, 3).

    Returns:
        uint8 (T, H, W, 3).
    """
    count, height, width, _ = frames.shape
    latents, grids = networks.encode(torch.from_numpy(np.ascontiguousarray(frames)))
    points = pixel_grid(height, width).to(latents.device)
    drawn = np.empty_like(frames)
    for start in range(0, count, _BATCH):
        part = latents[start : start + _BATCH]
        colours = networks.draw(part, points.expand(len(part), -1, 2), grids)
        pixels = (colours.clamp(0, 1) * 255).round().to(torch.uint8).view(len(part), height, width, 3)
        drawn[start : start + len(part)] = pixels.cpu().numpy()
    return drawn
