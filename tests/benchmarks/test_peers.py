"""Other methods: what they print and write is read, what is missing is said, and a run goes from frames to a row."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.peers import hnerv as peers_hnerv
from benchmarks.peers import run as peers
from benchmarks.peers import siedd as peers_siedd
from benchmarks.peers.common import Found, Peer, PeerError, Runner, Task, cut, read_frames, write_frames
from benchmarks.shared import records
from fiftyone_latent_inr.frames.metrics import psnr

FRAMES = np.random.default_rng(0).integers(0, 255, (3, 16, 24, 3), np.uint8)
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


def task(folder: Path, **changes: object) -> Task:
    folder.mkdir(exist_ok=True)
    return replace(Task(folder / "frames", FRAMES.shape[:3], 100_000, 2, folder), **changes)


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


# A method that prints where it runs, and imports what is not there.
SCRIPT = """
import os, sys, nowhere, nowhere.deeper
from nowhere.deeper import Thing
@nowhere.register(Thing.KIND)
def some(): return 1
class Own(Thing): pass
print("some gives", some(), Own().method(), sys.argv[1:])
"""


def fake(needs: tuple[str, ...] = (), stand_ins: tuple[str, ...] = ("nowhere",)) -> Peer:
    def read(task: Task, log: str) -> Found:
        return Found(FRAMES, 7, len(log), log, 1.0, 0.5, 9.0, {"psnr": 20.0})

    return Peer("Fake", "epochs", 100, 2, "go.py", needs, stand_ins, (), lambda c, t: [str(c / "go.py"), "x"], read)


def test_a_method_is_run_with_stand_ins(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    (checkout / "go.py").write_text(SCRIPT)
    found, wall = Runner().run(fake(), checkout, task(tmp_path / "a"))
    assert "some gives 1" in found.stored_as and "['x']" in found.stored_as and wall > 0
    with pytest.raises(PeerError, match=r"Fake ended with status 1; (.|\n)*No module named 'nowhere'"):
        Runner().run(fake(stand_ins=()), checkout, task(tmp_path / "b"))
    with pytest.raises(PeerError, match=r"Fake needs not_there_a \(ModuleNotFoundError"):
        Runner().run(fake(("json", "not_there_a")), checkout, task(tmp_path / "c"))
    with pytest.raises(PeerError, match=r"is not a checkout of Fake: it has no go\.py"):
        Runner().run(fake(), tmp_path, task(tmp_path / "d"))
    (checkout / "go.py").write_text("import time; time.sleep(60)")
    with pytest.raises(PeerError, match=r"longer than 0\.2 s"):
        Runner(sys.executable, limit=0.2).run(fake(), checkout, task(tmp_path / "e"))


def test_frames_come_from_folders_and_arrays(tmp_path: Path) -> None:
    np.save(tmp_path / "clip.npy", FRAMES)
    write_frames(FRAMES, tmp_path / "clip")
    for source in ("clip", "clip.npy"):
        assert np.array_equal(read_frames(tmp_path / source, 2, (8, 20)), FRAMES[:2, 4:12, 2:22])
    assert np.array_equal(cut(FRAMES, (8, 20)), FRAMES[:, 4:12, 2:22]) and cut(FRAMES, (99, 99)).shape == FRAMES.shape
    with pytest.raises(PeerError, match="there is no"):
        read_frames(tmp_path / "other", 2, None)
    (tmp_path / "empty").mkdir()
    with pytest.raises(PeerError, match="no PNG files"):
        read_frames(tmp_path / "empty", 2, None)


def test_a_row_measures_what_was_decoded() -> None:
    found = Found(255 - FRAMES, 12, 90, "somehow", 3.0, 0.25, 10.0, {"psnr": 50.0})
    row = peers.make_row({"method": "Fake"}, FRAMES, found, 4.0, 12, "epochs", 300)
    assert row["psnr"] == pytest.approx(float(psnr(FRAMES, 255 - FRAMES)), abs=1e-3) and row["own_psnr"] == 50
    assert row["bpp"] == pytest.approx(8 * 90 / FRAMES[..., 0].size, abs=1e-4)
    assert row["units"] == "12 epochs" and row["seconds_full"] == 75


def test_ours_keeps_to_the_parameters() -> None:
    found, wall = peers.our_run(FRAMES, "fast", "cpu")(20, 6_000)
    assert 5_500 < found.parameters <= 6_000 and found.decoded.shape == FRAMES.shape and found.fps > 0
    assert wall >= found.seconds == pytest.approx(20 * found.seconds_per_unit)


def test_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    found = peers.parse(["--parameters", "1.5M", "350K", "--seconds", "60", "120"])
    assert found.parameters == [1_500_000, 350_000]
    assert peers.lengths(found, "hnerv", 300) == [("60 s", None), ("120 s", None)]
    found = peers.parse(["--epochs", "150"])
    assert peers.lengths(found, "hnerv", 300) == [("150 epochs", 150)]
    assert peers.lengths(found, "siedd", 20_000) == [("full", 20_000)]
    assert peers.units_for(60, 0.5, 3) == 120 and peers.units_for(1, 5.0, 3) == 3
    for wrong in (["--seconds", "9", "--epochs", "2"], ["--only", "hnerv"], ["--parameters", "many"]):
        with pytest.raises(SystemExit):
            peers.parse(wrong)
    assert "needs a checkout: --hnerv DIR" in capsys.readouterr().err


def test_a_method_that_fails_does_not_cost_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(records, "RESULTS", tmp_path / "benchmarks" / "results")
    (tmp_path / "benchmarks").mkdir()
    np.save(tmp_path / "clip.npy", FRAMES)

    def fails(units: int, parameters: int) -> tuple[Found, float]:
        raise PeerError("no such thing")

    def works(units: int, parameters: int) -> tuple[Found, float]:
        return Found(FRAMES // 2, parameters, 90, "somehow", units / 2, 0.5, 10.0, {}), 1.0

    found = {"hnerv": (fails, "epochs", 300, 3), "ours": (works, "steps", 1000, 10)}
    monkeypatch.setattr(peers, "chosen", lambda *_: found)
    arguments = peers.parse(["--device", "cpu", "--only", "ours", "--frames", str(tmp_path / "clip.npy")])
    for seconds in ([5.0], [5.0, 50.0]):
        arguments.seconds = seconds
        peers.measure(arguments, rows := records.read_record("peers").get("rows", []))
    assert "left out: no such thing" in capsys.readouterr().out
    written = json.loads((tmp_path / "benchmarks" / "results" / "peers.json").read_text())["rows"]
    assert written == rows and len(rows) == 4  # two sizes, two lengths; measured again, a row is replaced
    assert {row["units"] for row in rows} == {"10 steps", "100 steps"}
