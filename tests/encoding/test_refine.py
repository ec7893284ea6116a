"""`refine_video`: never worse, the old file whole whatever happens, and embeddings that stay."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import Any

import media
import numpy as np
import pytest

import fiftyone_latent_inr as linr
from fiftyone_latent_inr.encoding import refine
from fiftyone_latent_inr.encoding.checkpoint import parts_of
from fiftyone_latent_inr.encoding.refine import is_better, refine_video
from fiftyone_latent_inr.encoding.refinement import Refinement
from fiftyone_latent_inr.fitting import PRESETS, FitConfig

BEGUN = replace(PRESETS["fast"], steps=20, steps_growth=0.0, points_per_step=1024, prior=None)
MORE = replace(BEGUN, steps=40)
# what such a fit makes of a video cannot be better: one step, at a rate at which bytes count for nearly all
WORSE = replace(BEGUN, steps=1, rate_weight=1.0, learning_rate=1.0)
QUIET = {"device": "cpu", "progress": False}


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    return media.moving_square(num=8, height=36, width=48)


@pytest.fixture(scope="module")
def begun(frames: np.ndarray) -> linr.LatentVideo:
    return linr.fit(frames, config=BEGUN, teacher="small", metadata={"note": "mine"}, **QUIET)


@pytest.fixture(scope="module")
def refined(frames: np.ndarray, begun: linr.LatentVideo) -> linr.LatentVideo:
    return refine_video(begun, source=frames, config=MORE, **QUIET)


@pytest.fixture(scope="module")
def long_frames() -> np.ndarray:
    one = media.moving_square(num=8, height=36, width=48)
    return np.concatenate([one, 255 - one, one[::-1]])


@pytest.fixture(scope="module")
def long(long_frames: np.ndarray) -> linr.LatentVideo:
    video = linr.fit(long_frames, config=replace(BEGUN, group_frames=8), teacher="small", **QUIET)
    assert video.num_groups > 1 and any(group.parent is not None for group in video.stored.groups)
    return video


def test_it_is_better_and_its_embeddings_are_those_of_before(
    frames: np.ndarray, begun: linr.LatentVideo, refined: linr.LatentVideo
) -> None:
    assert refined is not begun and refined.metrics["psnr"] > begun.metrics["psnr"] + 1
    assert is_better(refined, begun.metrics["psnr"], begun.metrics["bytes"])
    assert begun.embeddings is not None and refined.embeddings is not None
    assert refined.embeddings.tobytes() == begun.embeddings.tobytes()
    assert (refined.teacher_id, refined.fps, refined.cuts) == (begun.teacher_id, begun.fps, begun.cuts)
    assert refined.metrics["alignment"] == begun.metrics["alignment"]
    assert refined.metadata["note"] == "mine" and refined.metadata["refined"]["times"] == 1
    errors = [np.mean((one.render(device="cpu").astype(float) - frames) ** 2) for one in (refined, begun)]
    assert errors[0] < errors[1]


def test_a_seed_gives_the_same_bytes(frames: np.ndarray, begun: linr.LatentVideo) -> None:
    config = replace(MORE, steps=20)
    one, two, other = (refine_video(begun, source=frames, config=config, seed=seed, **QUIET) for seed in (1, 1, 2))
    assert one is not begun and other is not begun
    assert one.latents.tobytes() == two.latents.tobytes() != other.latents.tobytes()


def test_twice_refined_is_never_worse(frames: np.ndarray, begun: linr.LatentVideo, refined: linr.LatentVideo) -> None:
    twice = refine_video(refined, source=frames, config=MORE, **QUIET)
    before = refined.metrics["psnr"], refined.metrics["bytes"]
    assert twice is refined or is_better(twice, *before)
    if twice is not refined:
        assert twice.metadata["refined"]["times"] == 2


def test_its_own_bytes_are_aimed_at_where_nothing_else_is_asked_for(
    frames: np.ndarray, begun: linr.LatentVideo, monkeypatch: pytest.MonkeyPatch
) -> None:
    aims: dict[str, FitConfig] = {}

    def instead(footage: object, refinement: Refinement, report: object) -> linr.LatentVideo:
        aims[name] = refinement.aim_of(0)
        return begun

    monkeypatch.setattr(refine, "fit_groups", instead)
    asked: dict[str, dict[str, Any]] = {
        "nothing": {},
        "preset": {"preset": "fast"},
        "quality": {"quality": 60},
        "a moment": {"minutes": 1e-6},
        "days": {"minutes": 9000},
    }
    for name, options in asked.items():  # noqa: B007 - `instead` reads it
        refine_video(begun, source=frames, **options, **QUIET)
    fast = PRESETS["fast"]
    assert aims["preset"] == fast and aims["quality"] == fast.at(60)
    assert aims["nothing"].bpp == pytest.approx(begun.metrics["bpp"], rel=0.02)
    assert aims["nothing"].steps == fast.steps and aims["a moment"].steps == 1 and aims["days"].steps > fast.steps
    assert aims["a moment"].learning_rate < fast.learning_rate == aims["days"].learning_rate


def test_what_is_worse_is_not_kept(frames: np.ndarray, begun: linr.LatentVideo, tmp_path: Path) -> None:
    path, lines = tmp_path / "clip.linr", []
    begun.save(path)
    data, written = path.read_bytes(), path.stat().st_mtime_ns
    found = refine_video(path, source=frames, config=WORSE, device="cpu", progress=lambda e: lines.append(e.message))
    assert found.data == data == path.read_bytes() and path.stat().st_mtime_ns == written
    assert any("stays as it is" in line for line in lines if line) and os.listdir(tmp_path) == ["clip.linr"]


@pytest.mark.parametrize(
    ("psnr", "size", "better"),
    [(31, 100, True), (30, 99, True), (30, 100, False), (29.9, 50, False), (33.02, 200, True), (33, 200, False)],
)
def test_the_rule(psnr: float, size: float, better: bool, begun: linr.LatentVideo) -> None:
    class Video:
        metrics = {"psnr": psnr, "bytes": size}

    assert is_better(Video(), 30, 100) is better  # type: ignore[arg-type]


def test_a_file_is_replaced_and_its_source_is_found_beside_it(frames: np.ndarray, tmp_path: Path) -> None:
    clip, path = tmp_path / "clip.mp4", tmp_path / "clip.linr"
    media.encode(clip, frames)
    from fiftyone_latent_inr.video.images import content_of

    notes = {"source": clip.name, "fingerprint": content_of(clip)}
    linr.fit(clip, config=BEGUN, metadata=notes, **QUIET).save(path)
    before = linr.load(path).metrics
    found = refine_video(path, config=MORE, **QUIET)
    after = linr.load(path)
    assert after.data == found.data and after.metrics["psnr"] > before["psnr"] and after.metadata["source"] == clip.name
    assert sorted(os.listdir(tmp_path)) == ["clip.linr", "clip.mp4"]
    media.encode(clip, 255 - frames)
    with pytest.raises(linr.InputError, match=r"clip\.mp4 is not, or no longer, the video that .*clip\.linr"):
        refine_video(path, config=MORE, **QUIET)
    clip.unlink()
    with pytest.raises(linr.InputError, match=r"say which video it was fitted to.*clip\.mp4 is not there"):
        refine_video(path, config=MORE, **QUIET)
    assert path.read_bytes() == found.data


def test_other_sources_and_arguments_are_refused(frames: np.ndarray, begun: linr.LatentVideo) -> None:
    for other, words in ((255 - frames, "is not the video"), (frames[:5], "has 5 frames"), (None, "source=")):
        with pytest.raises(linr.InputError, match=words):
            refine_video(begun, source=other, config=MORE, **QUIET)
    for options, words in (
        ({"preset": "balanced"}, "other networks than 'balanced'"),
        ({"preset": "turbo"}, "unknown preset"),
        ({"minutes": 0}, "minutes"),
        ({"quality": 101}, "quality"),
    ):
        with pytest.raises(linr.InputError, match=words):
            refine_video(begun, source=frames, **options, **QUIET)  # type: ignore[arg-type]


def test_a_video_of_several_groups_keeps_them(long_frames: np.ndarray, long: linr.LatentVideo) -> None:
    config = replace(MORE, group_frames=8, steps=30)
    found = refine_video(long, source=long_frames, config=config, **QUIET)
    assert found is not long and found.metrics["psnr"] > long.metrics["psnr"]
    assert [(g.first, g.parent) for g in found.stored.groups] == [(g.first, g.parent) for g in long.stored.groups]
    assert found.embeddings is not None and long.embeddings is not None
    assert found.embeddings.tobytes() == long.embeddings.tobytes()


def test_a_refinement_that_is_stopped_goes_on(long_frames: np.ndarray, long: linr.LatentVideo, tmp_path: Path) -> None:
    path, config = tmp_path / "long.linr", replace(MORE, group_frames=8, steps=12)
    long.save(path)
    data = path.read_bytes()

    class StopError(Exception):
        pass

    def stop(event: linr.FitProgress) -> None:
        if event.stage == "fit" and event.step > 12:  # in the second group
            raise StopError

    with pytest.raises(StopError):
        refine_video(path, source=long_frames, config=config, device="cpu", progress=stop)
    assert path.read_bytes() == data and (parts_of(path) / "group-000000.part").exists()
    lines: list[str | None] = []
    found = refine_video(
        path, source=long_frames, config=config, device="cpu", progress=lambda e: lines.append(e.message)
    )
    assert "going on with a refinement that was stopped" in lines and os.listdir(tmp_path) == ["long.linr"]
    whole = refine_video(long, source=long_frames, config=config, **QUIET)
    assert found.latents.tobytes() == whole.latents.tobytes()


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
def test_killed_at_any_time_the_file_is_whole(frames: np.ndarray, begun: linr.LatentVideo, tmp_path: Path) -> None:
    path = tmp_path / "clip.linr"
    begun.save(path)
    np.save(tmp_path / "frames.npy", frames)
    code = """
        import sys, numpy as np
        from dataclasses import replace
        from fiftyone_latent_inr.encoding.refine import refine_video
        from fiftyone_latent_inr.fitting import PRESETS
        config = replace(PRESETS["fast"], steps=100000, steps_growth=0.0, points_per_step=1024)
        say = lambda event: print(event.stage, flush=True)
        refine_video(sys.argv[1], source=np.load(sys.argv[2]), config=config, device="cpu", progress=say)
    """
    command = [sys.executable, "-c", textwrap.dedent(code), str(path), str(tmp_path / "frames.npy")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as process:
        assert process.stdout is not None
        assert any(line.startswith("fit") for line in process.stdout)
        process.send_signal(signal.SIGKILL)
    assert path.read_bytes() == begun.data
    assert refine_video(path, source=frames, config=MORE, **QUIET).metrics["psnr"] > 0
    assert linr.load(path).metrics["psnr"] > begun.metrics["psnr"]


def test_what_was_made_without_steps_is_fitted_anew(frames: np.ndarray) -> None:
    """No dead end: neither message names a preset that would not do."""
    made = linr.fit(frames, preset="instant", **QUIET)
    with pytest.raises(linr.InputError, match=r"'instant' takes no steps.*fit the video anew, with preset='fast'"):
        refine_video(made, source=frames, **QUIET)
    with pytest.raises(linr.InputError, match=r"other networks than 'fast' makes.*; fit it anew"):
        refine_video(made, source=frames, preset="fast", **QUIET)
