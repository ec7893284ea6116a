"""SIEDD: widths, what it writes, and its settings."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from peer_fits import FRAMES, task
from PIL import Image

from benchmarks.peers import siedd as peers_siedd
from benchmarks.peers.runs import PeerError

SIEDD_SUMMARY = {
    "metrics": {"psnr": 30.5, "ssim": 0.9, "mse": 0.001},
    "compression_metrics": {"bpp": 0.9, "total_bits": 99, "total_KB": 1.0, "total_pixels": 1152, "parameters": 3800},
    "quant_metrics": {"psnr": 30.25, "ssim": 0.9, "mse": 0.001},
    "quant_compression_metrics": {
        "bpp": 0.1,
        "total_bits": 8000,
        "total_KB": 1.0,
        "total_pixels": 1152,
        "parameters": 3800,
    },
    "time": 12.0,
    "fps": 19.75,
}


def test_siedds_widths_give_the_parameters_asked_for() -> None:
    # counted once by its own code: width 32, 4 frames in groups of 2
    assert peers_siedd.num_parameters(32, 4, 2) == (1664, 6732)
    for asked in (1_500_000, 3_000_000):
        width = peers_siedd.width_for(asked, 132, 20)
        assert width % 8 == 0 and 0.93 * asked < sum(peers_siedd.num_parameters(width, 132, 20)) <= asked
    with pytest.raises(PeerError, match="no layers with at most 100 numbers"):
        peers_siedd.width_for(100, 132, 20)


def test_siedds_run_is_read(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    small = task(tmp_path, parameters=10_000)
    with pytest.raises(PeerError, match=r"cumulative\.json.*\nKilled"):
        peers_siedd.read(small, "Killed")
    (run / "cumulative.json").write_text(json.dumps(SIEDD_SUMMARY))
    with pytest.raises(PeerError, match=r"no shared_encoder\.bin"):
        peers_siedd.read(small, "")
    (run / "model_0_1_2.bin").write_bytes(bytes(1000))
    (run / "shared_encoder.bin").write_bytes(bytes(500))
    for k, frame in enumerate(FRAMES):
        Image.fromarray(frame).save(run / f"prediction_{k}.png")
    found = peers_siedd.read(small, "")
    assert np.array_equal(found.decoded, FRAMES) and found.stored == 1500
    assert found.own == {"psnr": 30.25, "psnr_unquantised": 30.5, "bytes": 1000}
    assert found.seconds_per_unit == 12 / (2 * 2)  # the encoder's iterations and those of one group
    width = peers_siedd.width_for(10_000, 3, 3)
    assert found.parameters == 3800 + peers_siedd.num_parameters(width, 3, 3)[0]


def test_siedds_settings_follow_the_task(tmp_path: Path) -> None:
    peers_siedd.command(Path("checkout"), task(tmp_path, shape=(132, 640, 1280), parameters=1_500_000, units=500))
    written = json.loads((tmp_path / "settings.yaml").read_text())
    assert written["trainer_cfg"]["iters"] == 501 and written["trainer_cfg"]["eval_interval"] == 500
    assert written["encoder_cfg"]["compile"] and written["trainer_cfg"]["num_save_images"] == 132
    assert not peers_siedd.settings(task(tmp_path, compiled=False))["encoder_cfg"]["compile"]
