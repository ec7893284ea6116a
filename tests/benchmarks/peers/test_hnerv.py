"""HNeRV: what it prints and writes is read, and it is asked for its size and length."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from peer_fits import FRAMES, task
from PIL import Image

from benchmarks.peers import hnerv as peers_hnerv
from benchmarks.peers.runs import PeerError

HNERV_LOG = """\
 Encoder_0.31M_Decoder_1.42M_Total_1.5M
Use GPU: None for training
[2026/11/24 22:06:22] Rank:None, Epoch[1/2], Step [66/66], lr:9.33e-04 pred_PSNR: 21.15
Time/epoch: \tCurrent:4.05 \tAverage:4.05
[2026/11/24 22:06:24] Rank:None, Epoch[2/2], Step [66/66], lr:1.79e-04 pred_PSNR: 24.15
Time/epoch: \tCurrent:2.15 \tAverage:3.62
[2026/11/24 22:06:25] Rank:None, Eval at Step [66/66] , FPS 30.7, quant_seen_psnr: 24.05 |
After quantization and encoding:
 bits per parameter: 7.54, bits per pixel: 0.1045
Eval at epoch 1 for (640, 1280): pred_seen_psnr: 20.0 | quant_seen_psnr: 19.0 | quant_unseen_psnr: 0.0 |
Eval at epoch 2 for (640, 1280): pred_seen_psnr: 24.35 | quant_seen_psnr: 24.05 | quant_unseen_psnr: 0.0 |
Training complete in: 0:00:05.631646
"""
HNERV_TABLE = """\
,Vid,CurEpoch,Time,FPS,Size (M),DEC_strds,bits/param,bits/param w/ overhead,bits/pixel,quant_seen_psnr
0,bunny,2,0:00:05.6,130.73,0.31_1.42_1.5,"5,4,4,2,2",7.5,8.0,2.0,24.05
"""


def test_hnervs_output_is_read() -> None:
    assert peers_hnerv.epoch_seconds(HNERV_LOG) == [4.05, 2.15]
    assert peers_hnerv.printed_psnr(HNERV_LOG) == {"psnr_unquantised": 24.35, "psnr": 24.05}
    with pytest.raises(PeerError, match=r"no `Time/epoch: Current:`.*\nout of memory"):
        peers_hnerv.epoch_seconds("out of memory")


def test_hnervs_run_is_read(tmp_path: Path) -> None:
    run = tmp_path / "output" / "run" / "bunny"
    (run / "visualize_model_quant").mkdir(parents=True)
    (run / "epoch2.csv").write_text(HNERV_TABLE)
    for k, frame in enumerate(FRAMES):
        both = np.concatenate([frame, 255 - frame], 1)
        Image.fromarray(both).save(run / "visualize_model_quant" / f"pred_{k:04d}_24.05.png")
    found = peers_hnerv.read(task(tmp_path), HNERV_LOG)
    assert np.array_equal(found.decoded, 255 - FRAMES)
    bits = 2.0 * 3 * 16 * 24
    assert (found.stored, found.parameters) == (bits / 8, bits / 8.0) and found.fps == 130.73
    assert found.seconds == pytest.approx(6.2) and found.seconds_per_unit == 2.15
    (run / "visualize_model_quant" / "pred_0001_24.05.png").unlink()
    with pytest.raises(PeerError, match="2 decoded pictures of 3 frames"):
        peers_hnerv.read(task(tmp_path), HNERV_LOG)
    (run / "epoch2.csv").write_text("a,b\n1,2\n")
    with pytest.raises(PeerError, match="lacks bits/pixel"):
        peers_hnerv.read(task(tmp_path), HNERV_LOG)
    (run / "epoch2.csv").unlink()
    with pytest.raises(PeerError, match=r"wrote no epoch2\.csv"):
        peers_hnerv.read(task(tmp_path), HNERV_LOG)


def test_hnerv_is_asked_for_its_size_and_length(tmp_path: Path) -> None:
    large = task(tmp_path, shape=(132, 640, 1280), parameters=1_500_000, units=300)
    words = " ".join(peers_hnerv.command(Path("checkout"), large))
    assert "--modelsize 1.5 " in words and "--epochs 300 " in words and "--crop_list 640_1280 " in words
    assert "--dec_strds 5 4 4 2 2" in words and "--eval_only" not in words
    with pytest.raises(PeerError, match="multiples of 320, not 16x24"):
        peers_hnerv.command(Path("checkout"), task(tmp_path))
