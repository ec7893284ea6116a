"""LatentVideo: drawing at any time and size, and reading files from strangers."""

from __future__ import annotations

import json
import os
import pickle
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from linr_files import GOLDEN, CountingSource, networks

import fiftyone_latent_inr as linr
from fiftyone_latent_inr import codec
from fiftyone_latent_inr.latent_video import sections
from fiftyone_latent_inr.latent_video import video as latent_video
from fiftyone_latent_inr.latent_video.video import LatentVideo, from_bytes
from fiftyone_latent_inr.latent_video.write import to_bytes
from fiftyone_latent_inr.model import Architecture, LatentINR, Level
from fiftyone_latent_inr.model.tensors import tensor_specs


@pytest.fixture(scope="module")
def video() -> linr.LatentVideo:
    return from_bytes(to_bytes(networks(), bits=8, fps=25.0, preset="fast", metadata={"note": "ü"}))


def test_sixteen_bits_keep_the_drawing() -> None:
    model = networks()
    kept = from_bytes(to_bytes(model, bits=16, fps=25.0, preset="fast")).model()
    points = torch.rand(40, 2) * 2 - 1
    drawn = model.render(model.latents, points)
    torch.testing.assert_close(kept.render(kept.latents, points), drawn, atol=2e-3, rtol=0)


def test_any_time_any_size(video: linr.LatentVideo) -> None:
    assert video.render(device="cpu").shape == (6, 24, 33, 3)
    drawn = video.render([0, 2.5, 5], size=(41, 17), device="cpu")
    assert drawn.shape == (3, 41, 17, 3) and drawn.dtype == np.uint8
    assert video.render([], device="cpu").shape == (0, 24, 33, 3)


def test_random_access_gives_the_same_frames(video: linr.LatentVideo) -> None:
    every = video.render(device="cpu").astype(int)
    for t in (5, 0, 3):
        assert np.abs(video.render([t], device="cpu")[0] - every[t]).max() <= 1  # a batch may round otherwise
    between = video.render([2.5], device="cpu")[0].astype(int)
    assert np.abs(between - every[2]).max() > 0 and np.abs(between - every[3]).max() > 0


def test_large_drawings_are_made_in_parts(video: linr.LatentVideo) -> None:
    large = video.render([1], size=(240, 330), device="cpu")[0].astype(int)
    assert 240 * 330 > 4 * 16_384
    # block centres of a ten times denser drawing lie about where the small one's pixels do
    small = video.render([1], size=(80, 110), device="cpu")[0].astype(int)
    assert np.abs(large[1::3, 1::3] - small).max() <= 2


def test_save_and_load(video: linr.LatentVideo, tmp_path: Path) -> None:
    video.save(tmp_path / "ü 立.linr")
    loaded = linr.load(tmp_path / "ü 立.linr")
    assert loaded.data == video.data and loaded.metadata == {"note": "ü"} and loaded.fps == 25.0
    assert np.array_equal(loaded.render([4], device="cpu"), video.render([4], device="cpu"))
    assert loaded.embeddings is not None and loaded.embeddings.shape == (6, 16)


def test_files_are_copied_in_parts(video: linr.LatentVideo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latent_video, "_COPIED", 1000)
    source = CountingSource(video.data)
    LatentVideo(source).save(tmp_path / "copy.linr")
    assert (tmp_path / "copy.linr").read_bytes() == video.data
    assert max(count for _, count in source.reads) <= 1000 < len(video.data)


BAD_TIMES = [[6], [-0.1], [np.nan], [[1, 2]], ["x"], [1, np.inf]]
BAD_TIMES += [1, 1.0, np.nan, slice(2), (t for t in range(2)), "12", ["1"], [True], [1j], [10**400], {1}, [None]]


@pytest.mark.parametrize("times", BAD_TIMES, ids=lambda times: type(times).__name__)
def test_bad_times(video: linr.LatentVideo, times: Any) -> None:
    for call in (video.render, video.iter_render):
        with pytest.raises(linr.InputError, match="times"):
            call(times, device="cpu")
    if times != [6]:  # when the last frame ends
        with pytest.raises(linr.InputError, match=r"times.* 0 to 6") as refused:
            video.seconds(times)
        assert "\n" not in str(refused.value)


def test_seconds_end_with_the_video(video: linr.LatentVideo) -> None:
    for beyond in ([6.1], [1e300], {}, None):
        with pytest.raises(linr.InputError, match="times"):
            video.seconds(beyond)  # type: ignore[arg-type]
    assert video.seconds(torch.tensor([3])).tolist() == [3 / video.fps] and video.seconds([]).size == 0


@pytest.mark.parametrize("group", [5, 1, -1, "x", None, 1.5, True])
def test_groups_that_are_not_there(video: linr.LatentVideo, group: Any) -> None:
    with pytest.raises(linr.InputError, match="group must be a whole number from 0 to 0"):
        video.model(group=group)


@pytest.mark.parametrize("device", ["nonsense", object(), ""])
def test_devices_of_networks(video: linr.LatentVideo, device: Any) -> None:
    with pytest.raises(linr.InputError, match="device"):
        video.model(device)


@pytest.mark.parametrize("size", [(0, 5), (5,), (10**6, 5), "ab", (None, 2), 0, (), 9, torch.tensor([9, 9])])
def test_bad_sizes(video: linr.LatentVideo, size: Any) -> None:
    for call in (video.render, video.iter_render):
        with pytest.raises(linr.InputError, match="size"):
            call(size=size, device="cpu")


@pytest.mark.parametrize("times", [np.array([1, 2.5]), torch.tensor([1, 2.5], requires_grad=True), (1, Fraction(5, 2))])
def test_times_and_sizes_of_other_types(video: linr.LatentVideo, times: Any) -> None:
    drawn = video.render(times, size=np.array([9, 11]), device="cpu")  # type: ignore[arg-type]
    assert np.array_equal(drawn, video.render([1, 2.5], size=(9, 11), device="cpu"))


def test_missing_and_foreign_files(tmp_path: Path) -> None:
    with pytest.raises(linr.InputError, match=r"gone\.linr"):
        linr.load(tmp_path / "gone.linr")
    (tmp_path / "text.linr").write_text("not a video")
    with pytest.raises(linr.BitstreamError, match=r"text\.linr"):
        linr.load(tmp_path / "text.linr")


def _without(key: str) -> Callable[[dict[str, Any]], None]:
    return lambda header: header.pop(key)


@pytest.mark.parametrize(
    "spoil",
    [
        *(_without(key) for key in ("models", "fps", "metrics", "metadata", "preset", "teacher")),
        lambda h: h.update(fps=-1),
        lambda h: h.update(fps="fast"),
        lambda h: h.update(pixel_aspect=[4, 0]),
        lambda h: h.update(pixel_aspect=[1, 1000]),
        lambda h: h.update(pixel_aspect="4:3"),
        lambda h: h.update(fps=10**400),
        lambda h: h.update(teacher=["small"]),
        lambda h: h.update(metrics={"psnr": "high"}),
        lambda h: h.update(metrics=[1]),
        lambda h: h.update(metadata=3),
        lambda h: h.update(models=[]),
        lambda h: h.update(models=[1]),
        lambda h: h["models"][0].update(num_frames=7),
        lambda h: h["models"][0].update(num_frames=10**9),
        lambda h: h["models"][0].update(semantic_dim=0, embedding_dim=0),
        lambda h: h["models"][0]["levels"][0].update(rows=10**9),
        lambda h: h["models"][0]["levels"][0].update(rows=10**4, cols=10**3),
        lambda h: h["models"][0].update(levels={"a": 1}),
    ],
)
def test_headers_that_lie_are_refused(spoil: Callable[[dict[str, Any]], None]) -> None:
    source = codec.MemorySource(to_bytes(networks(), fps=25.0, preset="fast"))
    header, entries = codec.parse(source)
    spoil(header)
    parts = [codec.Section(e.kind, e.count, e.model, codec.read_section(source, e)) for e in entries]
    text = json.dumps(header)
    with pytest.raises((linr.BitstreamError, ValueError)) as caught:
        from_bytes(codec.assemble(json.loads(text), parts))
    assert isinstance(caught.value, linr.BitstreamError) or "digits" in str(caught.value)


def test_given_steps_are_stored() -> None:
    model = networks()
    steps = {s.name: codec.round_step_sizes(np.full(max(s.step_shape), 0.03)) for s in tensor_specs(model.config)}
    found = from_bytes(to_bytes(model, step_sizes=steps, fps=25.0, preset="fast")).tensors
    step = np.float32(codec.round_step_sizes(0.03))
    true = model.field.grids[1].detach().numpy().reshape(found["grids.1"].shape)
    assert np.array_equal(found["grids.1"], (np.rint(true / step) * step).astype(np.float32))


def test_metrics_and_counts(video: linr.LatentVideo) -> None:
    data = to_bytes(networks(), fps=25.0, preset="fast", metrics={"psnr": 30.123456789, "seconds": 2.0})
    metrics = from_bytes(data).metrics
    assert metrics["psnr"] == pytest.approx(30.123456789, abs=1e-6) and metrics["bytes"] == len(data)
    assert metrics["bpp"] == 8 * len(data) / (6 * 24 * 33)
    assert video.num_parameters == sum(tensor.size for tensor in video.tensors.values())
    assert video.latents.shape == (6, video.latent_dim)


def test_copies_of_a_video(video: linr.LatentVideo) -> None:
    again = pickle.loads(pickle.dumps(video))
    assert again.data == video.data and "33x24" in repr(video)


# --- reading in parts


def test_only_what_is_needed_is_read() -> None:
    data = to_bytes([networks(seed=k) for k in range(3)], fps=25.0, preset="fast")
    source = CountingSource(data)
    video = LatentVideo(source)
    head = source.total
    groups = video._stored.groups
    assert head < 300 and source.total < groups[0].entry.offset
    assert video.metrics["bytes"] == len(data) and (video.num_frames, video.num_groups) == (18, 3)
    assert video.embeddings is not None and video.embeddings.shape == (18, 16)
    assert source.total == groups[0].entry.offset  # header, index and the semantic section
    video.render([7], device="cpu")
    assert source.total == groups[0].entry.offset + groups[1].entry.size
    video.render([6, 11, 8.5], device="cpu")
    assert source.total == groups[0].entry.offset + groups[1].entry.size  # kept


def test_embeddings_of_a_long_file_come_at_once(tmp_path: Path) -> None:
    """The gate: embeddings of 300 frames in under 50 ms and a fifth of the bytes, the header in 5 ms."""
    architecture = Architecture(levels=(Level(12, 8, 2), Level(4, 4), Level(1, 1)), latent_dim=32, semantic_dim=32)
    torch.manual_seed(0)
    model = LatentINR(architecture.for_video(300, 90, 160, 64))
    model.align_to(torch.nn.functional.normalize(torch.randn(300, 64), dim=1))
    with torch.no_grad():
        for grid in model.field.grids:
            grid.normal_(std=0.3)
    data = to_bytes(model, bits=6, fps=25.0, preset="fast", teacher="small")
    (tmp_path / "long.linr").write_bytes(data)
    assert linr.load(tmp_path / "long.linr").embeddings is not None
    source = CountingSource(data)
    assert LatentVideo(source).embeddings is not None
    assert source.total < 0.2 * len(data)
    embedding = min(timed(lambda: linr.load(tmp_path / "long.linr").embeddings) for _ in range(5))
    header = min(timed(lambda: linr.load(tmp_path / "long.linr").metrics) for _ in range(5))
    assert embedding < 0.05 and header < 0.005


def timed(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def test_several_groups_of_frames() -> None:
    models = [networks(frames, seed=frames) for frames in (6, 5, 7)]
    video = from_bytes(to_bytes(models, bits=12, fps=25.0, preset="fast"))
    alone = [from_bytes(to_bytes(model, bits=12, fps=25.0, preset="fast")) for model in models]
    assert video.num_groups == 3 and video.num_frames == 18
    together = video.render(device="cpu").astype(int)
    apart = np.concatenate([one.render(device="cpu") for one in alone]).astype(int)
    assert np.abs(together - apart).max() <= 2  # semantic latents have steps in common
    order = [17, 0, 6, 5, 10.5, 11]
    assert np.array_equal(video.render(order[:2], device="cpu"), together[[17, 0]])
    drawn = video.render(order, device="cpu").astype(int)
    assert np.abs(drawn[[0, 1, 2, 3, 5]] - together[[17, 0, 6, 5, 11]]).max() <= 1
    # what lies between two groups lies between their frames
    low, high = np.minimum(together[10], together[11]), np.maximum(together[10], together[11])
    assert (low - 3 <= drawn[4]).mean() > 0.99 and (drawn[4] <= high + 3).mean() > 0.99
    assert video.latents.shape == (18, video.latent_dim) and "1.grids.0" in video.tensors
    assert video.num_parameters == sum(tensor.size for tensor in video.tensors.values())


def test_groups_of_other_videos_are_refused() -> None:
    with pytest.raises(linr.InputError, match="semantic_dim"):
        to_bytes([networks(), networks(teacher=False)], fps=25.0, preset="fast")


def test_a_file_of_next_to_nothing_may_be_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Readers allow for so many numbers a byte; a large video of nothing is padded, and can be read."""
    model = networks(2, teacher=False)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    plain = to_bytes(model, fps=25.0, preset="fast")
    monkeypatch.setattr(sections, "_FREE_WORK", 9000)
    monkeypatch.setattr(sections, "_FREE_BYTES", 0)
    with pytest.raises(linr.BitstreamError, match="more numbers"):
        from_bytes(plain)
    padded = to_bytes(model, fps=25.0, preset="fast")
    assert len(padded) > 1.5 * len(plain) and not from_bytes(padded).render([1], device="cpu").any()


def test_every_section_has_a_bound_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Groups are decoded one at a time: what one holds in many bytes allows another nothing."""
    models = [networks(seed=k) for k in range(3)]
    data = to_bytes(models, fps=25.0, preset="fast")
    header, entries = codec.parse(codec.MemorySource(data))
    tensors = from_bytes(data).tensors
    counts = [0, 0, 0, 0]
    for name, tensor in tensors.items():
        counts[int(name[0]) + 1 if name[0].isdigit() else 0] += tensor.size
    works = [count + sections._WORK_PER_SECTION for count in counts]
    monkeypatch.setattr(sections, "_FREE_BYTES", 0)
    monkeypatch.setattr(sections, "_FREE_WORK", max(works))
    assert from_bytes(data).render([5], device="cpu").any()  # three times the free work
    monkeypatch.setattr(sections, "_FREE_WORK", 0)
    needed = [-(-work // 12) for work in works]

    def filled(sizes: list[int]) -> bytes:
        parts = [codec.Section(e.kind, e.count, e.model, bytes(n)) for e, n in zip(entries, sizes, strict=True)]
        return codec.assemble(header, parts)

    assert from_bytes(filled(needed)).num_groups == 3
    for k in range(4):
        sizes = [9000 * (j != k) + n for j, n in enumerate(needed)]
        sizes[k] -= 1
        with pytest.raises(linr.BitstreamError, match="more numbers"):
            from_bytes(filled(sizes))
    monkeypatch.setattr(sections, "_WORK_PER_BYTE", 1)
    padded = codec.parse(codec.MemorySource(to_bytes(models, fps=25.0, preset="fast")))[1]
    assert [0 <= e.size - work < 8 for e, work in zip(padded, works, strict=True)] == [True] * 4


def test_version_2_counted_all_sections_together(monkeypatch: pytest.MonkeyPatch) -> None:
    data = GOLDEN.read_bytes()
    wanted = from_bytes(data).render([3], device="cpu")
    works = [sections.group_work(from_bytes(data).config), sections.semantic_work(from_bytes(data).config, 40)]
    monkeypatch.setattr(sections, "_FREE_BYTES", 0)
    monkeypatch.setattr(sections, "_FREE_WORK", max(works) - 12 * len(data))
    assert np.array_equal(from_bytes(data).render([3], device="cpu"), wanted)
    monkeypatch.setattr(sections, "_FREE_WORK", max(works) - 12 * len(data) - 1)
    with pytest.raises(linr.BitstreamError, match="more numbers"):
        from_bytes(data)


def test_damage_is_found_when_it_is_met(tmp_path: Path) -> None:
    path = tmp_path / "damaged.linr"
    data = to_bytes([networks(seed=k) for k in range(2)], fps=25.0, preset="fast")
    path.write_bytes(data[:-3] + b"xyz")
    video = linr.load(path)
    assert video.embeddings is not None and video.render([3], device="cpu").any()
    for act in (lambda: video.render([6], device="cpu"), video.check, lambda: dict(video.tensors)):
        with pytest.raises(linr.BitstreamError, match=r"damaged\.linr.*frames 6 to 11"):
            act()
    path.write_bytes(data)
    linr.load(path).check()


def test_files_that_are_replaced_or_vanish(tmp_path: Path) -> None:
    path = tmp_path / "clip.linr"
    from_bytes(to_bytes(networks(), fps=25.0, preset="fast")).save(path)
    video = linr.load(path)
    from_bytes(to_bytes(networks(seed=1), fps=25.0, preset="fast")).save(path)
    with pytest.raises(linr.BitstreamError, match=r"clip\.linr.*replaced"):
        video.render([0], device="cpu")
    for call in (lambda: video.save(tmp_path / "copy.linr"), lambda: pickle.dumps(video), lambda: video.data):
        with pytest.raises(linr.BitstreamError, match=r"clip\.linr: the file was replaced"):
            call()
    path.unlink()
    with pytest.raises(linr.BitstreamError, match=r"clip\.linr.*gone"):
        _ = video.embeddings


def test_a_loaded_video_can_be_saved_over_itself(tmp_path: Path) -> None:
    path = tmp_path / "clip.linr"
    from_bytes(to_bytes(networks(), fps=25.0, preset="fast")).save(path)
    before = path.read_bytes()
    video = linr.load(path)
    os.link(path, tmp_path / "other name.linr")
    for same in (path, f"{tmp_path}/./clip.linr", tmp_path / "other name.linr"):
        video.save(same)
        assert path.read_bytes() == before
        video.render([0], device="cpu")
    path.unlink()
    path.write_bytes(before)
    with pytest.raises(linr.BitstreamError, match="replaced"):
        video.save(path)


def test_threads_share_a_video(video: linr.LatentVideo) -> None:
    fresh = from_bytes(video.data)
    with ThreadPoolExecutor(4) as pool:
        drawn = list(pool.map(lambda t: fresh.render([t], device="cpu"), [0, 3, 5, 0]))
    assert np.array_equal(drawn[0], drawn[3])


def test_older_files_are_refused_with_advice(tmp_path: Path) -> None:
    (tmp_path / "old.linr").write_bytes(b"LINR\x01\x00\x00\x00" + bytes(40))
    with pytest.raises(linr.BitstreamError, match=r"old\.linr.*version 1.*encode the video again"):
        linr.load(tmp_path / "old.linr")


def test_pixels_that_are_not_square(video: linr.LatentVideo) -> None:
    assert video.pixel_aspect == 1
    facts: dict[str, Any] = {"bits": 8, "fps": 25.0, "preset": "fast", "metadata": {"note": "ü"}}
    assert to_bytes(networks(), pixel_aspect=Fraction(1), **facts) == video.data
    assert from_bytes(to_bytes(networks(), pixel_aspect=Fraction(64, 45), **facts)).pixel_aspect == Fraction(64, 45)


@pytest.mark.parametrize("cuts", [[0], [6], [3, 3], [4, 2], [1.5], [True], "3", {"3": 1}])
def test_cuts_that_cannot_be_are_refused(video: linr.LatentVideo, cuts: object) -> None:
    header, entries = codec.parse(codec.MemorySource(video.data))
    assert "cuts" not in header and video.cuts == ()
    sections = [
        codec.Section(e.kind, e.count, e.model, codec.read_section(codec.MemorySource(video.data), e)) for e in entries
    ]
    assert from_bytes(codec.assemble({**header, "cuts": [2, 3]}, sections)).cuts == (2, 3)
    with pytest.raises(linr.BitstreamError, match="cuts"):
        from_bytes(codec.assemble({**header, "cuts": cuts}, sections))


# Times of frames that are not evenly spaced

TIMES = [0, 0.5, 1.0, 1.1, 1.2, 1.3]


def test_times_travel_in_the_header_of_uneven_videos_alone(video: linr.LatentVideo) -> None:
    assert video.times is None and "times" not in codec.parse(codec.MemorySource(video.data))[0]
    assert video.seconds([0, 2.5, 6]).tolist() == [0, 0.1, 0.24]
    uneven = from_bytes(to_bytes(networks(), fps=4.0, preset="fast", times=np.array(TIMES)))
    assert uneven.times is not None and np.allclose(uneven.times, TIMES, atol=1e-6)
    assert np.allclose(uneven.seconds([0, 0.5, 2, 5, 5.5, 6]), [0, 0.25, 1.0, 1.3, 1.4, 1.5])
    assert np.allclose(pickle.loads(pickle.dumps(uneven)).times, TIMES)


@pytest.mark.parametrize(
    "times", [None, [4, 100], [6, 100], [5, 0], [5], [2, 5, 2, 5], [5, 1 << 60], "5", [5.0, 1], [True, 5]]
)
def test_times_that_cannot_be_are_refused(video: linr.LatentVideo, times: object) -> None:
    source = codec.MemorySource(video.data)
    header, entries = codec.parse(source)
    parts = [codec.Section(e.kind, e.count, e.model, codec.read_section(source, e), e.parent) for e in entries]
    assert from_bytes(codec.assemble({**header, "times": [5, 100]}, parts)).times is not None
    with pytest.raises(linr.BitstreamError, match="times"):
        from_bytes(codec.assemble({**header, "times": times}, parts))
