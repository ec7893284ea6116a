"""`fit`: from a file or frames to a stored video that says of itself what it is."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import media
import numpy as np
import pytest
import torch

import fiftyone_latent_inr as linr
from fiftyone_latent_inr.cli.main import main
from fiftyone_latent_inr.encoding.estimate import estimate_seconds
from fiftyone_latent_inr.fitting import PRESETS
from fiftyone_latent_inr.frames.metrics import ms_ssim, psnr
from fiftyone_latent_inr.video.decode import read, write

QUICK = replace(PRESETS["fast"], steps=120, steps_growth=0.0, points_per_step=2048)


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    return media.moving_square(num=8, height=36, width=48)


@pytest.fixture(scope="module")
def fitted(frames: np.ndarray) -> linr.LatentVideo:
    return linr.fit(frames, config=QUICK, teacher="small", device="cpu", progress=False, fps=12.5)


def test_metrics_are_those_of_the_stored_file(frames: np.ndarray, fitted: linr.LatentVideo, tmp_path: Path) -> None:
    fitted.save(tmp_path / "clip.linr")
    loaded = linr.load(tmp_path / "clip.linr")
    drawn = loaded.render(device="cpu")
    assert fitted.metrics["psnr"] == pytest.approx(psnr(frames, drawn), abs=1e-3)
    assert fitted.metrics["ms_ssim"] == pytest.approx(ms_ssim(frames, drawn), abs=1e-4)
    size = (tmp_path / "clip.linr").stat().st_size
    assert loaded.metrics["bytes"] == size
    assert loaded.metrics["bpp"] == pytest.approx(8 * size / (8 * 36 * 48))
    assert loaded.metrics == fitted.metrics and loaded.metadata == fitted.metadata


def test_it_fits_and_storing_costs_little(fitted: linr.LatentVideo) -> None:
    assert fitted.metrics["psnr"] > 25
    assert "psnr_unquantised" not in fitted.metrics  # the fit itself is rounded
    assert (fitted.num_frames, fitted.size, fitted.fps) == (8, (36, 48), 12.5)


def test_its_embeddings_are_the_teachers(frames: np.ndarray, fitted: linr.LatentVideo) -> None:
    teacher = linr.load_teacher("small", device="cpu")
    targets = teacher.embed_frames(frames)
    assert fitted.teacher == "small" and fitted.teacher_id == teacher.id
    assert fitted.embeddings is not None and fitted.embedding is not None
    assert fitted.embeddings.shape == targets.shape and fitted.embeddings.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(fitted.embeddings, axis=1), 1, atol=1e-5)
    assert (fitted.embeddings * targets).sum(1).min() > 0.99
    assert fitted.metrics["alignment"] > 0.95
    np.testing.assert_allclose(np.linalg.norm(fitted.embedding), 1, atol=1e-5)


def test_a_seed_gives_the_same_bytes(frames: np.ndarray) -> None:
    config = replace(QUICK, steps=10)
    one, same, other = (linr.fit(frames, config=config, seed=seed, device="cpu", progress=False) for seed in (1, 1, 2))
    assert one.latents.tobytes() == same.latents.tobytes()
    assert all(np.array_equal(one.tensors[name], same.tensors[name]) for name in one.tensors)
    assert one.latents.tobytes() != other.latents.tobytes()


def test_rates_of_one_fit_took_equally_long(frames: np.ndarray) -> None:
    videos = linr.fit_rates(frames, qualities=[40, 60], config=QUICK, device="cpu", progress=False)
    assert len({video.metrics["seconds"] for video in videos}) == 1 and videos[0].metrics != videos[1].metrics


def test_without_a_teacher_there_are_no_embeddings(frames: np.ndarray) -> None:
    alone = linr.fit(frames, config=replace(QUICK, steps=5), device="cpu", progress=False)
    assert alone.embeddings is None and alone.embedding is None and alone.teacher is None


@pytest.mark.parametrize("shape", [(1, 36, 48), (3, 17, 5), (2, 1, 1), (5, 143, 175)])
def test_odd_shapes_and_single_frames(shape: tuple[int, int, int]) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    video = linr.fit(frames, config=replace(QUICK, steps=5), teacher="small", device="cpu", progress=False)
    assert video.render(device="cpu").shape == (*shape, 3)
    assert video.embeddings is not None and np.isfinite(video.embeddings).all()


@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_flat_clip_fits(level: int) -> None:
    """Nothing to learn but a colour: gradients vanish, and nothing may divide by them."""
    frames = np.full((6, 30, 40, 3), level, np.uint8)
    video = linr.fit(frames, config=QUICK, teacher="small", device="cpu", progress=False)
    assert video.metrics["psnr"] > 40
    assert all(np.isfinite(tensor).all() for tensor in video.tensors.values())


def test_files_sizes_and_first_frames(tmp_path: Path) -> None:
    path = tmp_path / "ein Würfel 立方体.mp4"
    media.encode(path, media.moving_square(num=12, height=64, width=96))
    video = linr.fit(path, config=replace(QUICK, steps=5), size=(32, 48), max_frames=5, device="cpu", progress=False)
    assert (video.num_frames, video.size) == (5, (32, 48))


def test_progress_tells_stages_device_and_warnings(tmp_path: Path) -> None:
    path = tmp_path / "broken.mp4"
    media.damaged_halfway(path)
    events: list[linr.FitProgress] = []
    video = linr.fit(path, config=replace(QUICK, steps=40), teacher="small", device="cpu", progress=events.append)
    stages = list(dict.fromkeys(event.stage for event in events))
    assert stages == ["decode", "embed", "motion", "fit", "measure"]
    assert [event.stage for event in events].index("embed") > max(k for k, e in enumerate(events) if e.message)
    messages = [event.message for event in events if event.message]
    assert "fitting on cpu" in messages[0] and len(messages) > 1
    assert video.metadata["warnings"] == messages[1:]
    assert all(a.seconds <= b.seconds for a, b in pairwise(events))


def test_the_bar_goes_to_standard_error(frames: np.ndarray, capsys: pytest.CaptureFixture[str]) -> None:
    linr.fit(frames, config=replace(QUICK, steps=20), device="cpu")
    output = capsys.readouterr()
    assert output.out == "" and "fitting on cpu" in output.err and "dB" in output.err


def test_torch_threads_come_back(frames: np.ndarray) -> None:
    before = torch.get_num_threads()
    linr.fit(frames, config=replace(QUICK, steps=2), device="cpu", progress=False)
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"preset": "turbo"}, "unknown preset 'turbo'"),
        ({"device": "toaster"}, "device 'toaster' cannot be used"),
        ({"device": "cuda:77"}, "device 'cuda:77' cannot be used"),
        ({"max_frames": 0}, "max_frames"),
        ({"fps": 0.0}, "fps"),
        ({"size": (0, 10)}, "size"),
        ({"teacher": "no/such"}, "no/such"),
    ],
)
def test_bad_arguments(frames: np.ndarray, options: dict[str, object], words: str) -> None:
    with pytest.raises(linr.InputError, match=words):
        linr.fit(frames, progress=False, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "array", [np.zeros((4, 4, 3), np.uint8), np.zeros((2, 4, 4, 3)), np.zeros((0, 4, 4, 3), np.uint8)]
)
def test_bad_frames(array: np.ndarray) -> None:
    with pytest.raises(linr.InputError, match="frames must be uint8"):
        linr.fit(array, progress=False)


def test_estimates_grow_with_the_work() -> None:
    fast, balanced = (estimate_seconds(preset, 16, 90, 160, "cpu") for preset in ("fast", "balanced"))
    assert 0 < fast < balanced < estimate_seconds("balanced", 64, 180, 320, "cpu")


def test_frames_in_between_are_better_for_having_been_learned() -> None:
    """A texture that moves by two pixels a frame; every second frame is kept from the fit."""
    y, x = np.mgrid[0:32, 0:48].astype(float)
    waves = [127 + 90 * np.sin((x - 2 * t) / 3) * np.cos((y - t) / 4) for t in range(13)]
    video = np.repeat(np.round(waves).astype(np.uint8)[..., None], 3, -1)
    kept, held = video[::2], video[1::2]
    config = replace(QUICK, steps=250)
    reached = []
    for share in (0.0, 0.5):
        fitted = linr.fit(kept, config=replace(config, between=share), device="cpu", progress=False)
        assert fitted.cuts == ()
        reached.append(psnr(held, fitted.render(np.arange(6) + 0.5, device="cpu")))
    blend = np.round((kept[:-1].astype(float) + kept[1:]) / 2).astype(np.uint8)
    assert reached[1] > reached[0] + 1.5 and reached[1] > psnr(held, blend) + 1


def test_a_cut_is_stored_and_nothing_is_drawn_across_it(tmp_path: Path) -> None:
    one, other = media.moving_square(num=5, height=32, width=48), media.moving_square(num=4, height=32, width=48)
    both = np.concatenate([one, 255 - other[:, ::-1, ::-1]])
    linr.fit(both, config=replace(QUICK, between=0.5), device="cpu", progress=False).save(tmp_path / "cut.linr")
    video = linr.load(tmp_path / "cut.linr")
    assert video.cuts == (5,)
    last, before, after, first = video.render([4, 4.4, 4.5, 5], device="cpu")
    assert np.array_equal(before, last) and np.array_equal(after, first)
    assert psnr(both[4:5], before[None]) > 20 and psnr(both[5:6], after[None]) > 20


@pytest.mark.parametrize("kind", ["paper", "paper with sines", "patches"])
def test_other_architectures_are_stored_drawn_and_found_like_any(frames: np.ndarray, kind: str, tmp_path: Path) -> None:
    if kind == "patches":
        architecture = replace(QUICK.architecture, patch=4)
    elif kind == "paper":
        architecture = PRESETS["paper"].architecture
    else:
        architecture = replace(PRESETS["paper"].architecture, encoding="fourier", frequencies=5, levels=())
    config = replace(QUICK, architecture=architecture, steps=80, points_per_step=1024)
    linr.fit(frames, config=config, teacher="small", device="cpu", progress=False).save(tmp_path / "clip.linr")
    video = linr.load(tmp_path / "clip.linr")
    drawn = video.render(device="cpu")
    flat = np.broadcast_to(frames.mean((0, 1, 2)).round().astype(np.uint8), frames.shape)
    assert video.metrics["psnr"] > psnr(frames, flat) + 1
    assert video.metrics["psnr"] == pytest.approx(psnr(frames, drawn), abs=1e-3)
    between, larger = video.render([2.5], device="cpu")[0], video.render([2], size=(72, 96), device="cpu")[0]
    assert between.shape == (36, 48, 3) and not np.array_equal(between, drawn[2])
    means = larger.reshape(36, 2, 48, 2, 3).mean((1, 3))  # a larger drawing averages to the small one
    assert np.abs(means - drawn[2]).mean() < 2
    targets = linr.load_teacher("small", device="cpu").embed_frames(frames)
    assert video.embeddings is not None and (video.embeddings * targets).sum(1).min() > 0.99


def test_the_preset_of_the_paper(frames: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PRESETS, "paper", replace(PRESETS["paper"], steps=10))
    video = linr.fit(frames[:2], preset="paper", device="cpu", progress=False)
    assert video.preset == "paper" and video.model("cpu").config.modulation == "sigmoid"
    assert estimate_seconds("paper", 16, 90, 160, "cpu") > 0


def test_uneven_frames_are_drawn_at_their_own_times(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frames, times = media.moving_square(8, 32, 48), np.array([0, 0.5, 1.0, 1.1, 1.2, 1.3, 1.4, 1.5])
    write(tmp_path / "a.mp4", frames, 5, times=times)
    video = linr.fit(tmp_path / "a.mp4", config=replace(QUICK, steps=2), device="cpu", progress=False)
    assert video.fps == pytest.approx(5) and video.times is not None and np.allclose(video.times, times, atol=1e-3)
    (many,) = linr.fit_many([tmp_path / "a.mp4"], config=replace(QUICK, steps=2), device="cpu", progress=False)
    assert isinstance(many, linr.LatentVideo) and many.times is not None and np.allclose(many.times, times, atol=1e-3)
    video.save(tmp_path / "a.linr")
    for options, expected in (([], times), (["--frames", "1:5"], times[1:5] - 0.5)):
        assert main(["decode", str(tmp_path / "a.linr"), str(tmp_path / "out.mp4"), "--quiet", *options]) == 0
        drawn = read(tmp_path / "out.mp4")
        assert drawn.times is not None and np.allclose(drawn.times, expected, atol=2e-3)
    twice = ["decode", str(tmp_path / "a.linr"), str(tmp_path / "out.mp4"), "--quiet", "--fps-factor", "2"]
    assert main(twice) == 0
    drawn = read(tmp_path / "out.mp4")
    assert len(drawn.array) == 16 and drawn.times is not None
    assert np.allclose(drawn.times[::2], times, atol=2e-3)
    capsys.readouterr()
