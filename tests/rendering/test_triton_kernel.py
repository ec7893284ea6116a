"""The GPU's kernel: by Triton's interpreter on the CPU, and on a card where there is one."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from field_models import ARCHITECTURES, field_model

from fiftyone_latent_inr.fitting import PRESETS
from fiftyone_latent_inr.model import LatentINR
from fiftyone_latent_inr.rendering import row_blocks
from fiftyone_latent_inr.rendering.frame_networks import FrameNetworks, frame_networks

pytestmark = pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="needs Triton")

ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def check(name: str, device: str, sizes: tuple[tuple[int, int], ...]) -> None:
    """The kernel's drawings of a model are those of torch."""
    from fiftyone_latent_inr.rendering import triton_kernel

    model = field_model(name)
    for size in sizes:
        latents = model.cpu().latents[:2]
        expected = row_blocks.draw_frames(model, latents, size)
        networks = frame_networks(model.to(device), latents.to(device))
        assert triton_kernel.can_draw(networks, size)
        drawn = triton_kernel.draw(networks, size, as_bytes=False).cpu()
        torch.testing.assert_close(drawn, expected, rtol=5e-4, atol=5e-4)
        levels = triton_kernel.draw(networks, size, as_bytes=True).cpu()
        differ = (levels.int() - row_blocks.to_bytes(expected).int()).abs()
        assert levels.shape == expected.shape and differ.max() <= 1 and differ.float().mean() < 1e-2


def test_the_interpreted_kernel_draws_the_same() -> None:
    """In a process of its own: Triton reads the setting when the kernel is made."""
    code = "from test_triton_kernel import *\nfor name in ARCHITECTURES: check(name, 'cpu', ((9, 31),))"
    here = Path(__file__).parent
    paths = os.pathsep.join(map(str, (here, here.parent / "helpers", here.parents[1])))
    environment = {**os.environ, "TRITON_INTERPRET": "1", "PYTHONPATH": paths, **ONE_THREAD}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr


def test_wide_models_are_left_to_torch() -> None:
    from fiftyone_latent_inr.rendering import triton_kernel

    model = field_model("copies")
    networks = frame_networks(model, model.latents)
    assert triton_kernel.can_draw(networks, (24, 32)) and not triton_kernel.can_draw(networks, (30_000, 30_000))
    wide = FrameNetworks(networks.grids, None, [torch.zeros(1, 65, 3), torch.zeros(1, 3, 65)], [])
    assert not triton_kernel.can_draw(wide, (24, 32))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_kernel_draws_the_same_on_a_card(name: str) -> None:
    check(name, "cuda", ((24, 32), (31, 45), (1, 1), (300, 401)))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("preset", PRESETS)
def test_presets_on_a_card_are_within_half_a_level(preset: str) -> None:

    torch.manual_seed(0)
    model = LatentINR(PRESETS[preset].architecture.for_video(8, 180, 320)).requires_grad_(False)
    for grid in model.field.grids:
        grid.mul_(15)
    expected = row_blocks.draw_frames(model, model.latents, (180, 320))
    model.to("cuda")
    drawn = row_blocks.draw_frames(model, model.latents, (180, 320)).cpu()
    assert row_blocks._kernel_works and expected.std() > 0.1
    assert (drawn - expected).abs().max() <= 0.5 / 255
