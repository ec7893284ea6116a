"""Fits of long videos: groups of frames, one after another, that a stopped fit goes on with."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import media
import numpy as np
import pytest
import torch
from scenes import scene, scenes

import fiftyone_latent_inr as linr
from fiftyone_latent_inr import codec, encode, long_fit
from fiftyone_latent_inr.fitting import PRESETS, FitConfig
from fiftyone_latent_inr.footage import Footage
from fiftyone_latent_inr.latent_video import LatentVideo
from fiftyone_latent_inr.metrics import ms_ssim, psnr
from fiftyone_latent_inr.semantics.teachers import Teacher

QUICK = replace(PRESETS["fast"], steps=60, steps_growth=0.0, points_per_step=768, group_frames=8)
TINY = replace(QUICK.architecture, planes=1, levels=QUICK.architecture.levels[:3])
SHORTEST = replace(QUICK, architecture=TINY, steps=20, points_per_step=512)


def run(source: Any, config: FitConfig = SHORTEST, **options: Any) -> LatentVideo:
    return linr.fit(source, config=config, device="cpu", **{"progress": False, **options})


@pytest.fixture(scope="module")
def teacher() -> Teacher:
    return linr.load_teacher("small", device="cpu")


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    """Two scenes, and both of them once more."""
    return scenes((1, 6, 0.3), (2, 5, 0.3), (1, 6, 0.3), (2, 7, 0.3))


@pytest.fixture(scope="module")
def fitted(frames: np.ndarray, teacher: Teacher) -> LatentVideo:
    return run(frames, QUICK, teacher=teacher, fps=12.5)


@pytest.fixture(scope="module")
def whole(frames: np.ndarray, teacher: Teacher) -> LatentVideo:
    """A fit that nothing stopped."""
    return run(frames, teacher=teacher)


def content(video: LatentVideo) -> tuple[dict[str, Any], list[bytes]]:
    """All of a file but for the seconds that its fit took."""
    source = codec.MemorySource(video.data)
    header, entries = codec.parse(source)
    assert header["metrics"].pop("seconds") > 0
    return header, [codec.read_section(source, entry) for entry in entries]


# --- what is stored


def test_scenes_become_groups(frames: np.ndarray, fitted: LatentVideo) -> None:
    assert (fitted.num_frames, fitted.num_groups, fitted.size, fitted.fps) == (24, 4, (24, 32), 12.5)
    assert fitted.cuts == (6, 11, 17)
    assert [group.config.num_frames for group in fitted._stored.groups] == [6, 5, 6, 7]
    assert fitted.preset == "fast" and fitted.metadata["config"] == QUICK.digest()


def test_the_metrics_are_those_of_the_file(frames: np.ndarray, fitted: LatentVideo, tmp_path: Path) -> None:
    fitted.save(tmp_path / "long.linr")
    loaded = linr.load(tmp_path / "long.linr")
    drawn = loaded.render(device="cpu")
    assert fitted.metrics["psnr"] == pytest.approx(psnr(frames, drawn), abs=1e-3)
    assert fitted.metrics["psnr"] > 26
    assert fitted.metrics["ms_ssim"] == pytest.approx(ms_ssim(frames, drawn), abs=1e-4)
    errors = [((a.astype(float) - b) ** 2).mean() for a, b in zip(frames, drawn, strict=True)]
    assert np.mean(10 * np.log10(255**2 / np.array(errors))) == pytest.approx(fitted.metrics["psnr"], abs=1e-3)
    size = (tmp_path / "long.linr").stat().st_size
    assert loaded.metrics["bytes"] == size and loaded.metrics["bpp"] == pytest.approx(8 * size / frames[..., 0].size)
    assert loaded.metrics == fitted.metrics and np.array_equal(drawn, fitted.render(device="cpu"))


def test_embeddings_are_the_teachers(frames: np.ndarray, fitted: LatentVideo, teacher: Teacher) -> None:
    targets = teacher.embed_frames(frames)
    assert fitted.teacher_id == teacher.id
    assert fitted.embeddings is not None and fitted.embeddings.shape == targets.shape
    assert (fitted.embeddings * targets).sum(1).min() > 0.99
    centred = [(e - e.mean(0)) for e in (fitted.embeddings.astype(float), targets.astype(float))]
    one, other = (e / np.linalg.norm(e, axis=1, keepdims=True) for e in centred)
    assert fitted.metrics["alignment"] == pytest.approx((one * other).sum(1).mean(), abs=1e-3)
    assert fitted.metrics["alignment"] > 0.9


def test_groups_that_come_back_are_stored_as_the_difference(fitted: LatentVideo) -> None:
    groups = fitted._stored.groups
    assert [group.parent for group in groups] == [None, None, 0, 1]
    sizes = [group.entry.size for group in groups]
    assert max(sizes[2:]) < 0.75 * min(sizes[:2])


def test_without_likeness_no_group_has_a_parent(frames: np.ndarray) -> None:
    video = run(frames, replace(SHORTEST, similar=None))
    assert video.embeddings is None and "alignment" not in video.metrics
    assert [group.parent for group in video._stored.groups] == [None] * 4


def test_times_between_groups_and_within(fitted: LatentVideo) -> None:
    drawn = fitted.render(device="cpu")
    between = fitted.render([16, 16.5, 17, 12.5], device="cpu")
    np.testing.assert_array_equal(between[1], between[0])
    assert (np.abs(between[:3:2].astype(int) - drawn[16:18]) <= 1).all()
    assert not np.array_equal(between[3], drawn[12]) and not np.array_equal(between[3], drawn[13])


def test_a_seed_gives_the_same_file(frames: np.ndarray, whole: LatentVideo, teacher: Teacher) -> None:
    assert content(run(frames, teacher=teacher)) == content(whole)
    other = content(run(frames, teacher=teacher, seed=1))
    assert all(a != b for a, b in zip(other[1][1:], content(whole)[1][1:], strict=True))


def test_a_file_is_cut_as_its_frames_are(
    frames: np.ndarray, whole: LatentVideo, tmp_path: Path, teacher: Teacher
) -> None:
    path = tmp_path / "clip.mkv"
    media.encode(path, frames, codec="ffv1", pix_fmt="bgr0", fps=30)
    assert content(run(path, teacher=teacher)) == content(whole)
    half = run(path, size=(12, 16), max_frames=20)
    assert (half.num_frames, half.size, half.fps) == (20, (12, 16), 30)


def test_a_last_group_of_one_frame(teacher: Teacher) -> None:
    video = run(scenes((1, 7), (2, 1)), replace(SHORTEST, group_frames=4), teacher=teacher)
    assert [group.config.num_frames for group in video._stored.groups] == [7, 1]
    assert video.render([7], device="cpu").shape == (1, 24, 32, 3) and np.isfinite(video.metrics["alignment"])


def test_the_size_that_is_asked_for(frames: np.ndarray) -> None:
    config = replace(SHORTEST, steps=300, between=0.0)
    assert run(frames[:11], config, bpp=5.0).metrics["bpp"] == pytest.approx(5.0, rel=0.2)


def test_several_qualities(frames: np.ndarray) -> None:
    config = replace(SHORTEST, steps=100, between=0.0)
    rates = linr.fit_rates(frames[:11], qualities=[10, 60], config=config, device="cpu", progress=False)
    low, high = (video.metrics for video in rates)
    assert high["bytes"] > 1.3 * low["bytes"] and high["psnr"] > low["psnr"] + 1
    assert [video.num_groups for video in rates] == [2, 2]
    assert content(rates[1]) == content(run(frames[:11], config, quality=60))


# --- going on


class StoppedError(Exception):
    """What a user does."""


class Watch:
    """A progress callback that keeps count, and stops the fit at an event of stage `fit`."""

    def __init__(self, stop: int | None = None) -> None:
        self.events: list[linr.FitProgress] = []
        self._stop = stop

    def __call__(self, event: linr.FitProgress) -> None:
        self.events.append(event)
        if len(self.steps) == self._stop:
            raise StoppedError

    @property
    def steps(self) -> list[int]:
        return [event.step for event in self.events if event.stage == "fit"]


# A group without a parent takes 40 steps, one with a parent 20; there is an event each 20 steps.
STEADY = replace(SHORTEST, steps=40, warm_steps=0.5)


@pytest.fixture(scope="module")
def steady(frames: np.ndarray, teacher: Teacher) -> tuple[LatentVideo, Watch]:
    watch = Watch()
    return run(frames, STEADY, teacher=teacher, progress=watch), watch


def test_progress_is_that_of_the_whole_video(steady: tuple[LatentVideo, Watch]) -> None:
    events = [event for event in steady[1].events if event.stage == "fit"]
    assert [event.step for event in events] == [20, 40, 60, 80, 100, 120]
    assert {event.total_steps for event in events} == {120}
    left = [event.seconds_left for event in events]
    assert left[-1] == 0 and all(one is not None and one > 0 for one in left[:-1])


@pytest.mark.parametrize(("stop", "done"), [(1, 0), (2, 0), (3, 40), (5, 80), (6, 100)])
def test_a_stopped_fit_goes_on(
    stop: int, done: int, frames: np.ndarray, steady: tuple[LatentVideo, Watch], tmp_path: Path, teacher: Teacher
) -> None:
    with pytest.raises(StoppedError):
        run(frames, STEADY, teacher=teacher, progress=Watch(stop), checkpoint=tmp_path)
    watch = Watch()
    video = run(frames, STEADY, teacher=teacher, progress=watch, checkpoint=tmp_path)
    assert content(video) == content(steady[0])
    assert watch.steps == [step for step in steady[1].steps if step > done]
    assert {event.total_steps for event in watch.events if event.stage == "fit"} == {120}
    assert any("going on" in (event.message or "") for event in watch.events)
    assert not any(event.stage in ("scan", "embed") for event in watch.events)


def test_a_fit_may_be_stopped_again_and_again(
    frames: np.ndarray, steady: tuple[LatentVideo, Watch], tmp_path: Path, teacher: Teacher
) -> None:
    for _ in range(9):
        try:
            video = run(frames, STEADY, teacher=teacher, progress=Watch(3), checkpoint=tmp_path)
            break
        except StoppedError:
            pass
    assert content(video) == content(steady[0])


def test_a_finished_fit_is_not_done_again(
    frames: np.ndarray, steady: tuple[LatentVideo, Watch], tmp_path: Path, teacher: Teacher
) -> None:
    one = run(frames, STEADY, teacher=teacher, checkpoint=tmp_path)
    watch = Watch()
    again = run(frames, STEADY, teacher=teacher, progress=watch, checkpoint=tmp_path, metadata={"note": "new"})
    assert watch.steps == [] and again.metadata["note"] == "new"
    assert content(one) == content(steady[0]) and content(again)[1] == content(one)[1]
    assert again.metrics["seconds"] == one.metrics["seconds"]  # those of the fit, not of putting it together


@pytest.mark.parametrize(("name", "steps"), [("group-000001.part", 40), ("group-000002.part", 20)])
def test_a_damaged_group_is_fitted_again(
    name: str, steps: int, frames: np.ndarray, steady: tuple[LatentVideo, Watch], tmp_path: Path, teacher: Teacher
) -> None:
    run(frames, STEADY, teacher=teacher, checkpoint=tmp_path)
    path = tmp_path / name
    path.write_bytes(path.read_bytes()[:-9])
    watch = Watch()
    assert content(run(frames, STEADY, teacher=teacher, progress=watch, checkpoint=tmp_path)) == content(steady[0])
    assert len(watch.steps) == steps // 20


def test_a_plan_that_is_lost_is_made_again(
    frames: np.ndarray, steady: tuple[LatentVideo, Watch], tmp_path: Path, teacher: Teacher
) -> None:
    run(frames, STEADY, teacher=teacher, checkpoint=tmp_path)
    (tmp_path / "arrays.npz").write_bytes(b"")
    watch = Watch()
    assert content(run(frames, STEADY, teacher=teacher, progress=watch, checkpoint=tmp_path)) == content(steady[0])
    assert watch.steps == []  # the plan is the same, and so the groups are


@pytest.mark.parametrize("what", ["seed", "settings", "quality", "teacher", "size", "frames", "fps", "max_frames"])
def test_a_checkpoint_of_something_else_is_not_used(what: str, tmp_path: Path, teacher: Teacher) -> None:
    frames, config = scenes((1, 5), (2, 5)), replace(SHORTEST, steps=2, points_per_step=64)
    run(frames, config, checkpoint=tmp_path)
    kept = (tmp_path / "group-000000.part").read_bytes()
    options: dict[str, dict[str, Any]] = {
        "seed": {"seed": 1},
        "settings": {"config": replace(config, learning_rate=0.02)},
        "quality": {"quality": 60},
        "teacher": {"teacher": teacher},
        "size": {"size": (12, 16)},
        "frames": {"source": frames[:, ::-1]},
        "fps": {"fps": 5},
        "max_frames": {"max_frames": 9},
    }
    given = {"source": frames, "config": config, "device": "cpu", "progress": False, **options[what]}
    wanted = linr.fit(**given)
    found = linr.fit(**given, checkpoint=tmp_path)
    assert content(found) == content(wanted)
    assert (tmp_path / "group-000000.part").read_bytes() != kept


# --- memory


class Counting(Footage):
    """Footage that knows how many of its frames are alive."""

    most = 0

    def frames(self) -> Iterator[np.ndarray]:
        alive: weakref.WeakSet[Any] = weakref.WeakSet()
        count = 0

        def gone() -> None:
            nonlocal count
            count -= 1

        for frame in super().frames():
            own = frame.copy()
            del frame
            count += 1
            weakref.finalize(own, gone)
            Counting.most = max(Counting.most, count)
            yield own
            del own
        del alive


def test_frames_are_never_all_in_memory(monkeypatch: pytest.MonkeyPatch, teacher: Teacher) -> None:
    monkeypatch.setattr(encode, "Footage", Counting)
    monkeypatch.setattr(Counting, "most", 0)
    video = run(scene(1, 130), replace(SHORTEST, steps=2, points_per_step=64), teacher=teacher)
    assert video.num_frames == 130 and video.num_groups > 7
    assert 16 <= Counting.most <= 36  # a batch for the teacher, or a group


class Changing(Footage):
    """Footage that is another one when it is read for the second time."""

    read = 0
    later: np.ndarray

    def frames(self) -> Iterator[np.ndarray]:
        Changing.read += 1
        yield from super().frames() if Changing.read == 1 else Changing.later


@pytest.mark.parametrize("what", ["fewer", "larger"])
def test_frames_that_became_others_are_refused(what: str, frames: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encode, "Footage", Changing)
    monkeypatch.setattr(Changing, "read", 0)
    later = frames[:-1] if what == "fewer" else frames.repeat(2, axis=1)
    monkeypatch.setattr(Changing, "later", later, raising=False)
    with pytest.raises(linr.InputError, match="changed while being fitted"):
        run(frames, replace(SHORTEST, steps=2, points_per_step=64))
    assert Changing.read == 2


def out_of_memory(monkeypatch: pytest.MonkeyPatch, where: Any, times: int) -> list[int]:
    """Lets fits fail so many times; gives the points of every try."""
    tried: list[int] = []
    real = where.fit_frames

    def fit_frames(pixels: torch.Tensor, config: FitConfig, **options: Any) -> Any:
        tried.append(config.points_per_step)
        if len(tried) <= times:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(pixels, config, **options)

    monkeypatch.setattr(where, "fit_frames", fit_frames)
    return tried


@pytest.mark.parametrize("module", [long_fit, encode])
def test_a_card_with_too_little_memory_gets_smaller_steps(module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = out_of_memory(monkeypatch, module, times=1)
    config = replace(SHORTEST, steps=2, points_per_step=4096)
    video = run(scenes((1, 6), (2, 6)) if module is long_fit else scene(1, 6), config)
    assert tried[:2] == [4096, 2048] and video.num_groups == (2 if module is long_fit else 1)


@pytest.mark.parametrize("module", [long_fit, encode])
def test_a_card_that_is_too_small_is_said_to_be(module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = out_of_memory(monkeypatch, module, times=99)
    config = replace(SHORTEST, points_per_step=8192)
    with pytest.raises(linr.InputError, match=r"memory is too small.*smaller size.*CPU"):
        run(scenes((1, 6), (2, 6)) if module is long_fit else scene(1, 6), config)
    assert tried == [8192, 4096, 2048]
