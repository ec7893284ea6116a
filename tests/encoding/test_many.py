"""`fit_many`: what `fit` gives, for many videos at once; what cannot be fitted costs the others nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import media
import numpy as np
import pytest
import torch

import fiftyone_latent_inr as linr
from fiftyone_latent_inr.encoding import many as many_fit
from fiftyone_latent_inr.fitting import PRESETS

QUICK = replace(PRESETS["fast"], steps=60, steps_growth=0.0, points_per_step=1024)


def clips(count: int = 3) -> list[np.ndarray]:
    return [media.moving_square(num=6, height=24, width=32, seed=k) for k in range(count)]


def long_clip(seed: int) -> np.ndarray:
    """Several groups of different lengths under `GROUPS`, one of which resembles another."""
    frames = media.moving_square(num=11 + seed, height=24, width=32, seed=seed)
    return np.concatenate([frames, 255 - frames[:7], frames[:6]])


GROUPS = replace(QUICK, steps=30, group_frames=4, similar=15.0)


def run(sources: list[Any], config: Any = QUICK, **options: Any) -> list[linr.LatentVideo]:
    found = linr.fit_many(sources, config=config, device="cpu", progress=False, **options)
    assert all(isinstance(one, linr.LatentVideo) for one in found), found
    return [one for one in found if isinstance(one, linr.LatentVideo)]


def same(one: linr.LatentVideo, other: linr.LatentVideo) -> bool:
    """Whether two files say the same, but for how long their fits took."""
    times = np.arange(one.num_frames)
    drawn = np.array_equal(one.render(times, device="cpu"), other.render(times, device="cpu"))
    return drawn and one.metadata == other.metadata and one.cuts == other.cuts


def test_one_at_a_time_it_is_fit() -> None:
    for frames, video in zip(clips(2), run(clips(2), teacher="small"), strict=True):
        assert same(video, linr.fit(frames, config=QUICK, teacher="small", device="cpu", progress=False))


def test_together_they_are_about_the_same(tmp_path: Any) -> None:
    config = replace(QUICK, steps=150)
    videos = run(clips(), config, teacher="small", together=3)
    single = [linr.fit(one, config=config, teacher="small", device="cpu", progress=False) for one in clips()]
    # rounding is amplified where gradients are next to nothing: two such fits are as far apart as with two seeds
    for name, error in (("psnr", {"abs": 1.5}), ("bytes", {"rel": 0.05}), ("alignment", {"abs": 0.02})):
        found, wanted = (np.mean([video.metrics[name] for video in some]) for some in (videos, single))
        assert found == pytest.approx(wanted, **error), name
    videos[1].save(tmp_path / "clip.linr")
    assert np.array_equal(linr.load(tmp_path / "clip.linr").render(device="cpu"), videos[1].render(device="cpu"))


def test_groups_of_long_videos_are_fitted_across_videos(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    fit_together = many_fit.fit_together

    def counted(tasks: Any, *rest: Any) -> Any:
        sizes.append((len(tasks), tasks[0].start is not None))
        return fit_together(tasks, *rest)

    monkeypatch.setattr(many_fit, "fit_together", counted)
    sources = [long_clip(0), long_clip(1), clips(1)[0][:4]]
    videos = run(sources, GROUPS, teacher="small", together=16)
    assert [video.num_frames for video in videos] == [len(one) for one in sources]
    assert max(size for size, _ in sizes) > 2, "groups of both videos in one batch"
    assert any(starts for _, starts in sizes), "some start from others"
    for frames, video in zip(sources[:2], videos, strict=False):
        alone = linr.fit(frames, config=GROUPS, teacher="small", device="cpu", progress=False)
        assert video.metrics["psnr"] == pytest.approx(alone.metrics["psnr"], abs=2)
        assert video.cuts == alone.cuts and video.metadata == alone.metadata


def test_what_cannot_be_fitted_says_so_in_its_place() -> None:
    good = clips(2)
    found = linr.fit_many(
        [good[0], "no such file.mp4", good[1].astype(np.float32), good[1]],
        config=replace(QUICK, steps=5),
        device="cpu",
        progress=False,
        together=2,
    )
    assert [type(one) for one in found] == [linr.LatentVideo, linr.InputError, linr.InputError, linr.LatentVideo]
    assert "no such file.mp4" in str(found[1]) and "uint8" in str(found[2])


def test_where_memory_runs_out_fewer_are_fitted_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    fit_together = many_fit.fit_together

    def full(tasks: Any, *rest: Any) -> Any:
        sizes.append(len(tasks))
        if len(tasks) > 1:
            raise torch.cuda.OutOfMemoryError
        return fit_together(tasks, *rest)

    monkeypatch.setattr(many_fit, "fit_together", full)
    assert len(run(clips(4), replace(QUICK, steps=5), together=4)) == 4
    assert sizes == [4, 2, 1, 1, 1, 1]


def test_where_one_does_not_fit_either_it_alone_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    fit_together = many_fit.fit_together

    def full(tasks: Any, *rest: Any) -> Any:
        if tasks[0].frames[0, 0, 0, 0] == 7:
            raise torch.cuda.OutOfMemoryError
        return fit_together(tasks, *rest)

    monkeypatch.setattr(many_fit, "fit_together", full)
    good, bad = clips(1)[0], np.full((3, 24, 32, 3), 7, np.uint8)
    good[0, 0, 0, 0] = 8
    found = linr.fit_many([bad, good], config=replace(QUICK, steps=5), device="cpu", progress=False)
    assert isinstance(found[0], linr.InputError) and "memory" in str(found[0])
    assert isinstance(found[1], linr.LatentVideo)


def test_videos_too_long_to_be_held_are_fitted_as_fit_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fiftyone_latent_inr.encoding.many._MOST_BYTES", 15_000)
    short, long = clips(2)
    config = replace(QUICK, steps=5)
    videos = run([long, short[:4]], config)
    assert same(videos[0], linr.fit(long, config=config, device="cpu", progress=False))
    assert [video.num_frames for video in videos] == [6, 4]


@pytest.mark.parametrize("together", [1, 3])
def test_groups_start_from_a_prior_unless_from_others(together: int) -> None:
    config = replace(GROUPS, steps=4)
    sources = [*clips(2), long_clip(2)]
    videos, cold = (run(sources, config, together=together, prior=prior) for prior in ("fast-prior", "none"))
    known = linr.load_prior("fast-prior").id
    assert [video.metadata["started_from"] for video in videos] == [known] * 3
    assert all("started_from" not in video.metadata for video in cold)
    for ours, theirs in zip(videos, cold, strict=True):
        assert ours.metrics["psnr"] > theirs.metrics["psnr"] + 1
    if together == 1:
        for source, video in zip(sources, videos, strict=True):
            assert same(video, linr.fit(source, config=config, device="cpu", progress=False))


def test_progress_grows_to_all_videos() -> None:
    events: list[linr.FitProgress] = []
    config = replace(QUICK, steps=25)
    linr.fit_many(clips(3), config=config, device="cpu", progress=events.append, together=2)
    steps = [event.step for event in events if event.stage == "fit"]
    assert steps == sorted(steps) and steps[-1] == 3000 and {e.total_steps for e in events if e.step} == {3000}


def test_bad_arguments() -> None:
    with pytest.raises(linr.InputError, match="together"):
        linr.fit_many(clips(1), together=0)
    with pytest.raises(linr.InputError, match="unknown preset"):
        linr.fit_many(clips(1), preset="quick")
    assert linr.fit_many([], device="cpu", progress=False) == []


@pytest.mark.gpu
def test_a_gpu_fits_many_videos_at_once() -> None:
    if not torch.cuda.is_available():
        pytest.skip("there is no CUDA device")
    config = replace(QUICK, steps=300)
    found = linr.fit_many([*clips(4), long_clip(0)], config=config, teacher="small", device="cuda", progress=False)
    for frames, video in zip(clips(4), found, strict=False):
        assert isinstance(video, linr.LatentVideo)
        alone = linr.fit(frames, config=config, teacher="small", device="cuda", progress=False)
        assert video.metrics["psnr"] > alone.metrics["psnr"] - 1.5


def test_an_error_of_the_callback_ends_the_run() -> None:
    """It is no video's fault, whatever kind it is of."""

    class CancelledError(linr.InputError):
        pass

    def cancel(event: linr.FitProgress) -> None:
        if event.stage == "fit":
            raise CancelledError("enough")

    with pytest.raises(CancelledError):
        linr.fit_many(clips(3), config=replace(QUICK, steps=40), device="cpu", progress=cancel, together=2)
