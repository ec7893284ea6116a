"""Fits of long videos: groups of frames, one after another, that a stopped fit goes on with."""

from __future__ import annotations

import json
import shutil
import weakref
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import media
import numpy as np
import pytest
from scenes import scene, scenes

import fiftyone_latent_inr as linr
from fiftyone_latent_inr import codec
from fiftyone_latent_inr.encoding import fit as encode
from fiftyone_latent_inr.encoding.checkpoint import Checkpoint
from fiftyone_latent_inr.fitting import PRESETS, FitConfig
from fiftyone_latent_inr.frames.metrics import ms_ssim, psnr
from fiftyone_latent_inr.latent_video.video import LatentVideo
from fiftyone_latent_inr.semantics.teachers import Teacher
from fiftyone_latent_inr.video.footage import Footage

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


def test_what_comes_later_does_not_change_what_came_before(frames: np.ndarray) -> None:
    part, longer = (content(run(frames[:count]))[1] for count in (17, 24))
    assert part == longer[: len(part)] and len(longer) == len(part) + 1


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


def test_groups_that_come_back_are_stored_as_the_difference(frames: np.ndarray) -> None:
    groups = run(frames, QUICK, prior="none")._stored.groups  # which makes those before them smaller, too
    assert [group.parent for group in groups] == [None, None, 0, 1]
    sizes = [group.entry.size for group in groups]
    assert max(sizes[2:]) < 0.75 * min(sizes[:2])


def test_without_depth_no_group_has_a_parent(frames: np.ndarray) -> None:
    video = run(frames, replace(SHORTEST, max_depth=0))
    assert video.embeddings is None and "alignment" not in video.metrics
    assert [group.parent for group in video._stored.groups] == [None] * 4


def test_times_between_groups_and_within(fitted: LatentVideo) -> None:
    drawn = fitted.render(device="cpu")
    before, early, late, after, within = fitted.render([16, 16.4, 16.5, 17, 12.5], device="cpu")
    assert (np.abs(np.stack([before, after]).astype(int) - drawn[16:18]) <= 1).all()
    assert np.array_equal(early, before) and np.array_equal(late, after)  # there is a cut
    assert not np.array_equal(within, drawn[12]) and not np.array_equal(within, drawn[13])


def test_between_groups_of_one_scene_there_is_no_jump() -> None:
    video = run(scene(1, 19, 0.2), SHORTEST)
    last = video._stored.groups[0].config.num_frames - 1
    assert video.num_groups == 2 and video.cuts == ()
    before, middle, after = video.render([last, last + 0.5, last + 1], device="cpu").astype(int)
    jump = np.abs(after - before).mean()
    assert jump > 0
    assert np.abs(middle - before).mean() == pytest.approx(jump / 2, rel=0.3)
    assert np.abs(middle - after).mean() == pytest.approx(jump / 2, rel=0.3)


def test_without_a_rate_numbers_have_the_bits_that_are_asked_for(frames: np.ndarray) -> None:
    sizes = []
    for bits in (5, 10):
        video = run(frames, replace(SHORTEST, rate_weight=0.0, bits=bits))
        assert [group.parent for group in video._stored.groups] == [None, None, 0, 1]
        assert video.metrics["psnr"] == pytest.approx(psnr(frames, video.render(device="cpu")), abs=1e-3)
        sizes.append(video.metrics["bytes"])
    assert sizes[1] > 1.4 * sizes[0]


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


def test_the_size_that_is_asked_for() -> None:
    fine = replace(TINY, levels=QUICK.architecture.levels[3:], layers=2)
    config = replace(SHORTEST, architecture=fine, steps=400, between=0.0, rate_start=0.1)  # .9 bits left to itself
    video = run(np.concatenate([scene(seed, 5, 0.3, 48, 64) for seed in (1, 2)]), config, bpp=1.5)
    assert video.num_groups == 2 and video.metrics["bpp"] == pytest.approx(1.5, rel=0.2)


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


@pytest.mark.parametrize(("stop", "done"), [(2, 0), (3, 40), (6, 100)])
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


@pytest.fixture(scope="module")
def checkpoint(frames: np.ndarray, teacher: Teacher, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that a fit leaves when it is done."""
    folder = tmp_path_factory.mktemp("checkpoint") / "parts"
    run(frames, STEADY, teacher=teacher, checkpoint=folder)
    assert len(list(folder.iterdir())) == 6
    return folder


@pytest.mark.parametrize(
    ("damaged", "steps"), [(None, 0), ("group-000001.part", 2), ("group-000002.part", 1), ("arrays.npz", 0)]
)
def test_only_what_is_damaged_is_done_again(
    damaged: str | None,
    steps: int,
    frames: np.ndarray,
    steady: tuple[LatentVideo, Watch],
    checkpoint: Path,
    teacher: Teacher,
    tmp_path: Path,
) -> None:
    folder = shutil.copytree(checkpoint, tmp_path / "parts")
    if damaged is not None:
        path = folder / damaged
        path.write_bytes(path.read_bytes()[:-9])
    watch = Watch()
    video = run(frames, STEADY, teacher=teacher, progress=watch, checkpoint=folder)
    assert content(video) == content(steady[0]) and len(watch.steps) == steps
    # the plan is made again if need be
    assert any(event.stage == "decode" and event.message and "going on" in event.message for event in watch.events) == (
        damaged != "arrays.npz"
    )


def test_a_group_whose_parent_was_fitted_again_is_fitted_again(
    frames: np.ndarray, steady: tuple[LatentVideo, Watch], checkpoint: Path, teacher: Teacher, tmp_path: Path
) -> None:
    """It is stored as the residual, and a card, or another processor, does not give the same parent twice."""
    folder = shutil.copytree(checkpoint, tmp_path / "parts")
    kept = Checkpoint(folder, json.loads((folder / "plan.json").read_text())["key"])
    groups = [kept.group(index) for index in range(3)]
    assert all(groups)
    (child,) = [one for one in groups if one is not None and one.parent]
    assert child.parent in [one.digest for one in groups if one is not None]
    kept.keep_group(groups.index(child), replace(child, parent="that of another"))
    watch = Watch()
    video = run(frames, STEADY, teacher=teacher, progress=watch, checkpoint=folder)
    assert content(video) == content(steady[0]) and len(watch.steps) == 1


def test_notes_may_be_others_and_the_seconds_are_those_of_the_fit(
    frames: np.ndarray, checkpoint: Path, teacher: Teacher
) -> None:
    one, other = (
        run(frames, STEADY, teacher=teacher, checkpoint=checkpoint, metadata={"note": note}) for note in ("a", "b")
    )
    assert (one.metadata["note"], other.metadata["note"]) == ("a", "b")
    assert one.metrics["seconds"] == other.metrics["seconds"] and content(one)[1] == content(other)[1]


OTHER = scenes((1, 5), (2, 5)), replace(SHORTEST, steps=2, points_per_step=64)


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that another fit leaves."""
    folder = tmp_path_factory.mktemp("other")
    run(*OTHER, checkpoint=folder)
    return folder


@pytest.mark.parametrize("what", ["seed", "settings", "quality", "teacher", "size", "frames", "fps", "max_frames"])
def test_a_checkpoint_of_something_else_is_not_used(what: str, other: Path, tmp_path: Path, teacher: Teacher) -> None:
    frames, config = OTHER
    shutil.copytree(other, tmp_path, dirs_exist_ok=True)
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
        alive: list[weakref.ref[np.ndarray]] = []
        for frame in super().frames():
            own = frame.copy()
            alive = [ref for ref in alive if ref() is not None] + [weakref.ref(own)]
            Counting.most = max(Counting.most, len(alive))
            yield own
            del own


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
