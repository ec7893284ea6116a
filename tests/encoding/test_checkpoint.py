"""What a long fit has finished: kept, found again, and thrown away where it is of something else."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest
from scenes import scenes

import fiftyone_latent_inr as linr
from fiftyone_latent_inr import InputError, codec
from fiftyone_latent_inr.encoding.checkpoint import (
    Checkpoint,
    FinishedGroup,
    Scan,
    discard,
    has_checkpoint,
    parts_of,
    remove_finished,
)
from fiftyone_latent_inr.encoding.plan import plan_groups
from fiftyone_latent_inr.errors import StorageError
from fiftyone_latent_inr.fitting import PRESETS, FitConfig
from fiftyone_latent_inr.held_folder import Folder, held
from fiftyone_latent_inr.latent_video.video import LatentVideo
from fiftyone_latent_inr.owners import BusyError

KEY = "0123456789"


def scan(embeddings: bool = True) -> Scan:
    plan = plan_groups(scenes((1, 6), (2, 9), (1, 6)), 8)
    rows = np.random.default_rng(0).normal(size=(21, 5)).astype(np.float16)
    times = np.cumsum(np.arange(21)) / 100
    return Scan(plan, (24, 32), 12.5, ("a frame was damaged", "ü"), rows if embeddings else None, times)


def finished(width: int = 4, seed: int = 0) -> FinishedGroup:
    rng = np.random.default_rng(seed)
    codes = rng.integers(-32767, 32767, (6, width)).astype(np.int16)
    return FinishedGroup(rng.bytes(1000 + seed), codes, {"psnr": 31.25 * 6, "ms_ssim": 5.5, "seconds": 0.1})


def same(one: FinishedGroup | None, other: FinishedGroup) -> bool:
    return (
        one is not None
        and (one.data, one.metrics) == (other.data, other.metrics)
        and (one.semantic.dtype, one.semantic.shape) == (other.semantic.dtype, other.semantic.shape)
        and np.array_equal(one.semantic, other.semantic)
    )


@pytest.mark.parametrize("embeddings", [True, False])
def test_a_scan_comes_back(embeddings: bool, tmp_path: Path) -> None:
    given = scan(embeddings)
    assert [span.parent for span in given.plan.spans] == [None, None, 0]
    Checkpoint(tmp_path, KEY).keep_scan(given)
    found = Checkpoint(tmp_path, KEY).scan()
    assert found is not None
    assert (found.plan.spans, found.plan.cuts) == (given.plan.spans, given.plan.cuts)
    for name in ("prints", "frames"):
        for one, other in zip(getattr(found.plan, name), getattr(given.plan, name), strict=True):
            np.testing.assert_array_equal(one, other)
            assert one.dtype == other.dtype
    assert (found.size, found.fps, found.warnings) == (given.size, given.fps, given.warnings)
    np.testing.assert_array_equal(found.times, given.times)
    assert found.pixel_aspect == 1
    Checkpoint(tmp_path, KEY).keep_scan(replace(given, pixel_aspect=Fraction(64, 45)))
    found = Checkpoint(tmp_path, KEY).scan()
    assert found is not None and found.pixel_aspect == Fraction(64, 45)
    if given.embeddings is None:
        assert found.embeddings is None
    else:
        assert found.embeddings is not None and found.embeddings.dtype == np.float16
        np.testing.assert_array_equal(found.embeddings, given.embeddings)


@pytest.mark.parametrize("width", [4, 0])
def test_groups_come_back(width: int, tmp_path: Path) -> None:
    one, other = finished(width), finished(width, 1)
    checkpoint = Checkpoint(tmp_path / "new" / "folder", KEY)
    checkpoint.keep_scan(scan())
    checkpoint.keep_group(0, one)
    checkpoint.keep_group(12, other)
    again = Checkpoint(tmp_path / "new" / "folder", KEY)
    assert same(again.group(0), one) and same(again.group(12), other) and again.group(1) is None
    again.keep_group(0, other)
    assert same(checkpoint.group(0), other)


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="there is no /proc")
def test_a_folder_that_can_never_be_made_is_an_error() -> None:
    with pytest.raises(StorageError, match="/proc/none/parts: the folder cannot be written"), held("/proc/none/parts"):
        pytest.fail("must not be entered")


def test_without_a_folder_groups_are_in_memory() -> None:
    checkpoint = Checkpoint(None, KEY)
    checkpoint.keep_scan(scan())
    checkpoint.keep_group(3, finished())
    assert same(checkpoint.group(3), finished()) and checkpoint.group(0) is None and checkpoint.scan() is None
    assert Checkpoint(None, KEY).group(3) is None


def filled(folder: Folder, key: str = KEY) -> Checkpoint:
    checkpoint = Checkpoint(folder, key)
    checkpoint.keep_scan(scan())
    checkpoint.keep_group(0, finished())
    checkpoint.keep_group(1, finished(seed=1))
    return checkpoint


def test_another_key_throws_away_what_was_kept_and_nothing_else(tmp_path: Path) -> None:
    filled(tmp_path)
    (tmp_path / "holiday.linr").write_bytes(b"mine")
    (tmp_path / "group-photo.jpg").write_bytes(b"mine")
    other = Checkpoint(tmp_path, "another")
    assert other.scan() is None and other.group(0) is None and other.group(1) is None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["group-photo.jpg", "holiday.linr"]
    filled(tmp_path, "another")
    assert Checkpoint(tmp_path, "another").group(1) is not None


def test_groups_without_a_plan_are_thrown_away(tmp_path: Path) -> None:
    """They may be of anything."""
    filled(tmp_path)
    (tmp_path / "plan.json").unlink()
    assert Checkpoint(tmp_path, KEY).group(0) is None


@pytest.mark.parametrize("damage", ["truncated", "a byte", "empty", "text", "gone", "a folder"])
def test_a_damaged_group_was_not_finished(damage: str, tmp_path: Path) -> None:
    filled(tmp_path)
    path = tmp_path / "group-000001.part"
    data = path.read_bytes()
    if damage == "truncated":
        path.write_bytes(data[:-30])
    elif damage == "a byte":
        path.write_bytes(data[:500] + bytes([data[500] ^ 1]) + data[501:])
    elif damage in ("empty", "text"):
        path.write_text("" if damage == "empty" else "not a group" * 50)
    else:
        path.unlink()
        if damage == "a folder":
            path.mkdir()
    checkpoint = Checkpoint(tmp_path, KEY)
    assert checkpoint.group(1) is None and same(checkpoint.group(0), finished()) and checkpoint.scan() is not None


def test_no_byte_of_a_group_may_change(tmp_path: Path) -> None:
    checkpoint = filled(tmp_path)
    path = tmp_path / "group-000000.part"
    data = path.read_bytes()
    for k in range(0, len(data), 7):
        path.write_bytes(data[:k] + bytes([data[k] ^ 0x40]) + data[k + 1 :])
        assert checkpoint.group(0) is None, k


@pytest.mark.parametrize("text", ["", '{"key": "another", "spans": []}'])
def test_a_plan_of_nothing_counts_as_nothing(text: str, tmp_path: Path) -> None:
    filled(tmp_path)
    (tmp_path / "plan.json").write_text(text)
    checkpoint = Checkpoint(tmp_path, KEY)
    assert checkpoint.scan() is None and checkpoint.group(0) is None


GARBAGE = ["{", "[]", "3", '"key"', "null", '{"key": 3}', "{}", "\x00\x01", '{"my": "plan"}', "[" * 9000, "a pipe"]


@pytest.mark.parametrize("text", GARBAGE)
def test_a_plan_that_is_none_of_a_checkpoint_is_somebodys(text: str, tmp_path: Path) -> None:
    (tmp_path / "arrays.npz").write_bytes(b"mine, too")
    (tmp_path / "group-000000.part").write_bytes(b"mine, too")
    if text == "a pipe":
        os.mkfifo(tmp_path / "plan.json")
    else:
        (tmp_path / "plan.json").write_text(text)
    before = [(path.name, path.is_file() and path.read_bytes()) for path in sorted(tmp_path.iterdir())]
    with pytest.raises(InputError, match=f"^{tmp_path}: somebody's arrays.npz, group-000000.part, plan.json would be"):
        run(tmp_path)
    discard(tmp_path)
    remove_finished(tmp_path.with_name(tmp_path.name.removesuffix(".parts")))
    assert before == [(path.name, path.is_file() and path.read_bytes()) for path in sorted(tmp_path.iterdir())]


def test_a_plan_too_large_is_not_read(tmp_path: Path) -> None:
    with open(tmp_path / "plan.json", "wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(InputError, match=r"somebody's plan\.json"):
        Checkpoint(tmp_path, KEY)


def changed(folder: Path, **change: object) -> None:
    """Writes other things in a plan, as earlier versions did: without a digest."""
    path = folder / "plan.json"
    document = json.loads(path.read_text()) | change
    del document["digest"]
    path.write_text(json.dumps(document))


SPANS: list[Any] = [3, [], [[1]], [[0, 6], [7, 9], [16, 5]], [[0, 7], [7, 8], [15, 6]], [[0, 6], [6, 9], [14, 7]]]
SPANS += [[[0, "6"], [6, 9], [15, 6]], [[0, 6], [6, 9], [15, -6]], [[0, 6, 2, 1], [6, 9], [15, 6]], [[0, 21]]]
SPANS += [[[0, 6], [6, 9], [15, 6, parent, 1]] for parent in (2, 3, -1, "0", 0.0)] + [[[0, 6], [6, 9], [15, 6, 0, 0]]]
CUTS = [None, "ab", [9, 3], [3, 3], [-1], [21], [3.0], ["3"]]
FACTS: list[dict[str, Any]] = [{"size": size} for size in ([1], [0, 8], ["a", 8], [8, 1e9], [1 << 40, 8], [8.5, 8])]
FACTS += [{"fps": fps} for fps in (float("nan"), float("inf"), "25", 0, -1, None)]
FACTS += [{"warnings": 0}, {"warnings": "text"}, {"warnings": [3]}, {"pixel_aspect": "x"}]


def test_a_plan_that_makes_no_sense_counts_as_nothing(tmp_path: Path) -> None:
    filled(tmp_path)
    whole = (tmp_path / "plan.json").read_text()
    changed(tmp_path)
    assert Checkpoint(tmp_path, KEY).scan() is not None
    for change in [*({"spans": spans} for spans in SPANS), *({"cuts": cuts} for cuts in CUTS), *FACTS]:
        (tmp_path / "plan.json").write_text(whole)
        changed(tmp_path, **change)
        assert Checkpoint(tmp_path, KEY).scan() is None, change


def test_a_plan_that_was_changed_does_not_say_what_it_said(tmp_path: Path) -> None:
    filled(tmp_path)
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"fps": 13.5}))
    assert Checkpoint(tmp_path, KEY).scan() is None


def test_arrays_that_are_not_those_of_the_plan(tmp_path: Path) -> None:
    filled(tmp_path)
    with np.load(tmp_path / "arrays.npz") as file:
        arrays = dict(file)
    odd = {"counts": [[5, 9, 7], [-1, 16, 6], [21]], "frames": [arrays["frames"] * 2, arrays["frames"] + 0.0]}
    odd |= {"prints": [arrays["prints"][:, :7], arrays["prints"] + 0.0], "times": [np.zeros(3), arrays["times"][::-1]]}
    odd["embeddings"] = [arrays["embeddings"][:5], arrays["embeddings"] * np.float16("nan"), [["a"]] * 21]
    for name, each in odd.items():
        for one in each:
            np.savez(tmp_path / "arrays.npz", **arrays | {name: np.array(one)})
            assert Checkpoint(tmp_path, KEY).scan() is None, name


@pytest.mark.parametrize("shape", ["(1000000000000,)", "(" * 3000, "(-1,)"])
def test_arrays_that_say_to_be_longer_than_their_file(shape: str, tmp_path: Path) -> None:
    filled(tmp_path)
    header = f"{{'descr': '<i8', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    with ZipFile(tmp_path / "arrays.npz") as file:
        members = {name: file.read(name) for name in file.namelist()}
    members["counts.npy"] = b"\x93NUMPY\1\0" + len(header).to_bytes(2, "little") + header
    with ZipFile(tmp_path / "arrays.npz", "w") as file:
        for name, data in members.items():
            file.writestr(name, data)
    assert Checkpoint(tmp_path, KEY).scan() is None


def test_arrays_that_are_a_pipe(tmp_path: Path) -> None:
    filled(tmp_path)
    (tmp_path / "arrays.npz").unlink()
    os.mkfifo(tmp_path / "arrays.npz")
    assert Checkpoint(tmp_path, KEY).scan() is None


def test_a_link_in_place_of_a_files_groups_is_not_followed(tmp_path: Path) -> None:
    file, mine = tmp_path / "x.linr", tmp_path / "mine"
    filled(mine)
    parts_of(file).symlink_to(mine)
    for _ in range(2):
        remove_finished(file)
        assert has_checkpoint(mine) and parts_of(file).is_symlink()
        file.write_bytes(b"finished")
    with pytest.raises(InputError, match=r"x\.linr\.parts: it is a link"), held(parts_of(file), follow=False):
        pytest.fail("must not be entered")
    with held(parts_of(file)) as named:  # as by a user
        assert Checkpoint(named, KEY).scan() is not None


def test_a_folder_of_somebodys_keeps_no_other_from_work(tmp_path: Path) -> None:
    parts = parts_of(tmp_path / "x.linr")
    filled(parts)
    for text in ("[" * 4096, json.dumps({"host": "a", "place": "a", "started": "", "process": 1, "since": 1e300})):
        (parts / "owner.json").write_text(text)
        remove_finished(tmp_path / "x.linr")
        discard(parts)
        assert (parts / "owner.json").read_text() == text and has_checkpoint(parts)


@pytest.mark.parametrize("damage", ["truncated", "a byte", "empty", "text", "gone"])
def test_damaged_arrays_count_as_nothing(damage: str, tmp_path: Path) -> None:
    filled(tmp_path)
    path = tmp_path / "arrays.npz"
    data = path.read_bytes()
    changed = {"truncated": data[: len(data) // 2], "empty": b"", "text": b"not arrays" * 9}
    changed["a byte"] = data[:3000] + bytes([data[3000] ^ 1]) + data[3001:]
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(changed[damage])
    assert Checkpoint(tmp_path, KEY).scan() is None


def test_discarding_leaves_what_is_not_its_own(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoint"
    assert not has_checkpoint(folder)
    filled(folder)
    assert has_checkpoint(folder)
    (folder / "notes.txt").write_text("mine")
    discard(folder)
    assert [path.name for path in folder.iterdir()] == ["notes.txt"] and not has_checkpoint(folder)
    (folder / "notes.txt").unlink()
    filled(folder)
    discard(folder)
    assert not folder.exists()
    discard(folder)  # there is nothing to do


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        Checkpoint(tmp_path / "file" / "folder", KEY).keep_scan(scan())


def test_a_folder_is_made_once_there_is_something_to_keep(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path / "parts", KEY)
    assert checkpoint.scan() is None and checkpoint.group(0) is None and not (tmp_path / "parts").exists()
    filled(tmp_path / "parts")
    Checkpoint(tmp_path / "parts", "another")
    assert not (tmp_path / "parts").exists()


# --- fits that keep one

FRAMES = scenes((1, 6), (2, 6))
SHORTEST = replace(PRESETS["fast"], steps=20, steps_growth=0.0, points_per_step=512, group_frames=8)


def run(folder: Path, config: FitConfig = SHORTEST) -> LatentVideo:
    return linr.fit(FRAMES, config=config, prior="none", device="cpu", progress=False, checkpoint=folder)


def test_a_metric_that_not_all_groups_have_is_left_out(tmp_path: Path) -> None:
    config = replace(SHORTEST, rate_weight=0.0, steps=2)
    whole = run(tmp_path, config)
    assert whole.num_groups == 2 and "psnr_unquantised" in whole.metrics
    kept = Checkpoint(tmp_path, json.loads((tmp_path / "plan.json").read_text())["key"])
    first = kept.group(0)
    assert first is not None
    del first.metrics["psnr_unquantised"]
    kept.keep_group(0, first)
    again = run(tmp_path, config)
    assert "psnr_unquantised" not in again.metrics and again.metrics["psnr"] == whole.metrics["psnr"]


@pytest.mark.parametrize("index", [0, 1])
def test_a_finished_group_that_somebody_removes_is_named(
    tmp_path: Path, index: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first is what others start from."""
    keep = Checkpoint.keep_group

    def removed(self: Checkpoint, number: int, finished: Any) -> None:
        keep(self, number, finished)
        if number == index:
            (tmp_path / f"group-{number:06d}.part").unlink()

    monkeypatch.setattr(Checkpoint, "keep_group", removed)
    with pytest.raises(linr.InputError, match=f"{tmp_path}/group-{index:06d}.part: this finished group is gone"):
        run(tmp_path)
    monkeypatch.undo()
    assert run(tmp_path).num_frames == len(FRAMES)


# --- whose the folder is


def without_keys(folder: Path) -> None:
    """Makes a checkpoint one of an earlier version, in which only the plan says of what it is."""
    plan = json.loads((folder / "plan.json").read_text())
    del plan["keyed"], plan["digest"]
    (folder / "plan.json").write_text(json.dumps(plan))
    with np.load(folder / "arrays.npz") as arrays:
        np.savez(folder / "old.npz", **{name: arrays[name] for name in arrays.files if name != "key"})
    (folder / "old.npz").replace(folder / "arrays.npz")
    for path in folder.glob("*.part"):
        source = codec.FileSource(path)
        document, entries = codec.parse(source)
        sections = [codec.Section(codec.GROUP, 6, 0, codec.read_section(source, entry)) for entry in entries]
        del document["key"], document["parent"]
        path.write_bytes(codec.assemble(document, sections))


def test_a_checkpoint_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    filled(tmp_path)
    without_keys(tmp_path)
    old = Checkpoint(tmp_path, KEY)
    assert old.scan() is not None and same(old.group(0), finished()) and same(old.group(1), finished(seed=1))
    old.keep_group(1, finished(seed=2))
    assert same(Checkpoint(tmp_path, KEY).group(0), finished()) and same(old.group(1), finished(seed=2))


@pytest.mark.parametrize("keyed", [True, False])
def test_a_file_of_another_fit_is_as_if_it_were_not_there(keyed: bool, tmp_path: Path) -> None:
    """Of a key that is not the plan's, or of none beside a plan whose files have one."""
    filled(tmp_path / "mine")
    filled(tmp_path / "other", "another")
    if not keyed:
        without_keys(tmp_path / "other")
    for name in ("group-000001.part", "arrays.npz"):
        (tmp_path / "other" / name).replace(tmp_path / "mine" / name)
    mine = Checkpoint(tmp_path / "mine", KEY)
    assert mine.group(1) is None and mine.scan() is None and same(mine.group(0), finished())


def test_one_fit_at_a_time_holds_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    with held(folder) as mine:
        Checkpoint(mine, KEY).keep_scan(scan())
        for refused in (held(folder), held(str(folder))):
            with pytest.raises(BusyError, match=r"parts: a fit is going on here \(process \d+ on .* since"), refused:
                pytest.fail("must not be entered")
        with pytest.raises(BusyError):
            run(folder)
        discard(folder)  # as whoever has finished the same does
        Checkpoint(folder, "another")
        assert has_checkpoint(folder) and mine.path == folder
        with held(mine) as again:
            assert again is mine
    assert sorted(path.name for path in folder.iterdir()) == ["arrays.npz", "plan.json"]
    discard(folder)
    assert not folder.exists()


def test_a_folder_is_left_as_it_was_found(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    for name in ("mine", "new"):
        with held(tmp_path / name):
            assert (tmp_path / name).is_dir()
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    with held(tmp_path / "mine") as folder:
        discard(folder)
    assert not (tmp_path / "mine").exists()


def test_whoever_waits_for_a_folder_that_goes_gets_a_new_one(tmp_path: Path) -> None:
    folder, lines, entered = tmp_path / "parts", [], threading.Event()

    def wait() -> None:
        with held(folder, "wait", lines.append) as other:
            Checkpoint(other, KEY).keep_scan(scan())
            entered.set()

    waiting = threading.Thread(target=wait)
    with held(folder) as mine:
        filled(mine)
        waiting.start()
        assert not entered.wait(0.7)
        discard(mine)
    waiting.join()
    assert has_checkpoint(folder) and len(lines) == 1 and lines[0].endswith("; waiting")


def test_a_folder_that_is_removed_is_not_made_again(tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    with held(folder) as mine:
        checkpoint = filled(mine)
        shutil.rmtree(folder)
        for keep in (lambda: checkpoint.keep_scan(scan()), lambda: checkpoint.keep_group(2, finished())):
            with pytest.raises(InputError, match="parts: the folder was removed while this run worked in it"):
                keep()
    assert not folder.exists()


def test_groups_that_outlived_their_finished_file_are_removed(tmp_path: Path) -> None:
    """Killed between the file and the removal of what it was made of; or stopped while it is fitted once more."""
    file, parts = tmp_path / "x.linr", tmp_path / "x.linr.parts"
    filled(parts)
    (parts / ".linr-01234567-89abcdef.tmp").touch()
    remove_finished(file)
    assert has_checkpoint(parts)  # there is no file yet
    file.write_bytes(b"finished")
    with held(parts):
        remove_finished(file)
        assert has_checkpoint(parts)
    os.utime(parts / "group-000001.part", (time.time() + 60, time.time() + 60))
    remove_finished(file)
    assert has_checkpoint(parts)
    os.utime(parts / "group-000001.part")
    os.utime(file)
    remove_finished(file)
    assert not parts.exists() and file.read_bytes() == b"finished"
    filled(parts)
    (parts / "plan.json").unlink()
    file.unlink()
    remove_finished(file)
    assert not parts.exists()


FITTING = """
import sys
from dataclasses import replace
import fiftyone_latent_inr as linr
from fiftyone_latent_inr.fitting import PRESETS
sys.path.insert(0, sys.argv[3])
from scenes import scenes
config = replace(PRESETS["fast"], steps=20, steps_growth=0.0, points_per_step=512, group_frames=8)
options = {"config": config, "prior": "none", "device": "cpu", "progress": False, "seed": int(sys.argv[2])}
print(flush=True)
sys.stdin.readline()
linr.fit(scenes((1, 6), (2, 6)), checkpoint=sys.argv[1], if_busy="wait", **options).save(f"{sys.argv[1]}-{sys.argv[2]}")
"""


@pytest.mark.slow
def test_two_processes_of_other_seeds_in_one_folder_do_not_mix(tmp_path: Path) -> None:
    """Ten times, begun at once: each file is what its seed gives alone."""
    helpers = str(Path(__file__).parents[1] / "helpers")
    alone = [linr.fit(FRAMES, config=SHORTEST, prior="none", device="cpu", progress=False, seed=k) for k in (0, 1)]
    for number in range(10):
        folder = tmp_path / str(number)
        with ExitStack() as stack:
            commands = [[sys.executable, "-c", FITTING, str(folder), str(k), helpers] for k in (0, 1)]
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
            processes = [stack.enter_context(subprocess.Popen(command, **pipes)) for command in commands]
            for process in processes:
                assert process.stdout is not None and process.stdout.readline()
            for process in processes:
                assert process.stdin is not None
                process.stdin.write(b"\n")
                process.stdin.flush()
            assert [process.wait() for process in processes] == [0, 0]
        for seed, video in enumerate(alone):
            found = linr.load(tmp_path / f"{number}-{seed}")
            assert all(np.array_equal(found.tensors[name], tensor) for name, tensor in video.tensors.items())
