"""Files that are damaged, exchanged or gone are noticed, and what the messages say is what then works."""

import functools
import logging
import os
import re
import shutil
import struct
from dataclasses import replace
from pathlib import Path

import media
import numpy as np
import pytest

from fiftyone_latent_inr import BitstreamError, InputError, codec, files, load, reconstruct, video
from fiftyone_latent_inr.datasets.stored_files import CHECKSUMS, HEADER, Wanted, check_fitted
from fiftyone_latent_inr.encoding import fit as fits

QUIET = {"progress": False, "device": "cpu"}


@pytest.fixture
def plain(fit, tiny):
    """`fit_dataset` without a teacher and with few steps: the quickest."""
    quick = replace(tiny, steps=10, points_per_step=64, group_frames=4)
    return lambda samples, **options: fit(samples, teacher=None, config=quick, **options)


@pytest.fixture(scope="module")
def fitted_once(tmp_path_factory):
    """A folder with the fitted files of two clips, as `plain` makes them."""
    return tmp_path_factory.mktemp("fitted-once")


@pytest.fixture
def two(make_dataset, clips, plain, fitted_once, tmp_path):
    """Two fitted clips; the files are the test's own, and fitted once for all tests."""
    dataset = make_dataset([clips["red circle"], clips["blue square"]])
    shutil.copytree(fitted_once, tmp_path / "linr")
    plain(dataset)
    shutil.copytree(tmp_path / "linr", fitted_once, dirs_exist_ok=True)
    return dataset


def paths_of(dataset):
    return [Path(path) for path in dataset.values("latent_inr_path")]


def cut(path):
    os.truncate(path, 500)


def half_zeros(path):
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 3] + bytes(len(data) - len(data) // 3))


def foreign(path):
    path.write_bytes(b"not this " * 200)


def header(path):
    data = bytearray(path.read_bytes())
    data[40] ^= 1
    path.write_bytes(data)


def section(path):
    """One bit of what is coded."""
    data = bytearray(path.read_bytes())
    data[-20] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("damage", [cut, half_zeros, foreign, header, Path.unlink])
def test_damage_is_noticed(two, plain, damage, caplog):
    first, second = two.values("id")
    path = paths_of(two)[0]
    damage(path)
    assert [f.sample_id for f in reconstruct(two, **QUIET).failed] == [first]
    with caplog.at_level(logging.WARNING, "fiftyone_latent_inr"):
        summary = plain(two)
    assert summary.fitted == [first] and summary.skipped == [second] and not summary.failed
    assert load(path).num_frames == 6
    assert sum("fitted again" in line for line in caplog.messages) == (damage is not Path.unlink)
    assert plain(two).skipped == [first, second]
    assert reconstruct(two, **QUIET).drawn == [first]


def test_damage_behind_the_header_is_noticed_once_drawing_has_failed(two, plain):
    """Reading all of each file at every call would take minutes where there are thousands."""
    first, second = two.values("id")
    section(paths_of(two)[0])
    assert len(plain(two).skipped) == 2
    (failure,) = reconstruct(two, **QUIET).failed
    assert failure.sample_id == first and failure.reason.endswith("; fit this sample again")
    assert plain(two).fitted == [first]
    assert reconstruct(two, **QUIET).drawn == [first] and plain(two).skipped == [first, second]


def test_damage_anywhere_is_noticed_when_that_is_asked_for(two, plain):
    first, second = two.values("id")
    path = paths_of(two)[0]
    section(path)
    assert len(plain(two).skipped) == 2
    summary = plain(two, check="all")
    assert summary.fitted == [first] and summary.skipped == [second]
    assert plain(two, check="all").skipped == [first, second]
    with pytest.raises(InputError, match="unknown check 'some'"):
        plain(two, check="some")


@pytest.mark.parametrize("place", ["header", "index", "section", "end"])
def test_any_bit_of_a_file_is_looked_at(two, place):
    """Header and index by the quick look, and the rest by the slow one; zeros at the end by the quick one, too."""
    path = paths_of(two)[0]
    wanted, source = wanted_of(path), load(path).metadata["fingerprint"]
    _, entries = codec.parse(codec.FileSource(path))
    start, whole = entries[0].offset, path.read_bytes()
    check_fitted(str(path), source, wanted, HEADER)
    ranges = {"header": range(6, 60, 7), "index": range(start - 21, start, 4), "section": range(start, len(whole), 499)}
    for where in ranges.get(place, [0]):
        data = bytearray(whole)
        if place == "end":
            data[-100:] = bytes(100)
        else:
            data[where] ^= 1
        path.write_bytes(data)
        with pytest.raises(BitstreamError, match=re.escape(str(path))):
            check_fitted(str(path), source, wanted, CHECKSUMS if place == "section" else HEADER)
    path.write_bytes(whole)


@pytest.mark.parametrize(
    "other",
    [
        {"teacher_id": "x", "embedding_dim": 8},
        {"size": (9, 9)},
        {"max_frames": 2},
        {"config": "x"},
        {"settings": "x"},
    ],
    ids=lambda one: next(iter(one)),
)
def test_a_file_that_is_not_what_its_name_says(two, other):
    path = paths_of(two)[0]
    source = load(path).metadata["fingerprint"]
    with pytest.raises(BitstreamError, match="than"):
        check_fitted(str(path), source, replace(wanted_of(path), **other))
    with pytest.raises(BitstreamError, match="of another video"):
        check_fitted(str(path), "0" * 12, wanted_of(path))


def wanted_of(path):
    notes = load(path).metadata
    return Wanted(notes["settings"], notes["config"])


def test_damage_that_checksums_do_not_show_is_noticed_once_drawing_has_failed(two, plain):
    first, _ = two.values("id")
    path = paths_of(two)[0]
    document, entries = codec.parse(codec.FileSource(path))
    junk = [codec.Section(e.kind, e.count, e.model, bytes(e.size), e.parent) for e in entries]
    path.write_bytes(codec.assemble(document, junk))
    (failure,) = reconstruct(two, **QUIET).failed
    assert failure.reason.endswith("; fit this sample again"), failure.reason
    assert plain(two).fitted == [first] and reconstruct(two, **QUIET).drawn == [first]


def test_files_that_were_exchanged(two, plain):
    one, other = paths_of(two)
    shutil.move(one, f"{one}.tmp")
    shutil.move(other, one)
    shutil.move(f"{one}.tmp", other)
    failed = reconstruct(two, **QUIET).failed
    assert len(failed) == 2 and all("of another video than its name says; fit this" in f.reason for f in failed)
    assert len(plain(two).fitted) == 2 and len(reconstruct(two, **QUIET).drawn) == 2


@pytest.mark.parametrize("moment", ["before its turn", "meanwhile"])
def test_a_video_that_changes_during_the_run(make_dataset, clips, plain, monkeypatch, tmp_path, moment):
    """What it was changed to is not stored under the name of what it was."""
    paths = [shutil.copy(clips[name], tmp_path) for name in ("red circle", "blue square")]
    dataset, real = make_dataset(paths), fits.fit

    @functools.wraps(real)
    def fit(source, **options):
        video = real(source, **options)
        if paths.index(source) == (moment == "meanwhile"):
            shutil.copy(clips["green star"], paths[1])
        return video

    monkeypatch.setattr(fits, "fit", fit)
    summary = plain(dataset)
    (failure,) = summary.failed
    assert failure.filepath == paths[1] and failure.reason.endswith("has changed since this run began; run it again")
    assert len(summary.fitted) == 1 and not list((tmp_path / "linr").glob("*.parts"))
    monkeypatch.undo()
    shutil.copy(clips["blue square"], paths[1])
    assert len(plain(dataset).fitted) == 1


def test_a_video_that_is_written_to_during_the_run(make_dataset, clips, plain, monkeypatch, tmp_path):
    """The parts that tell a large file from others need not be those that are written: the time of it is looked at."""
    path, real = shutil.copy(clips["red circle"], tmp_path), fits.fit
    dataset = make_dataset([path])

    @functools.wraps(real)
    def fit(source, **options):
        video = real(source, **options)
        os.utime(source, (1, 1))
        return video

    monkeypatch.setattr(fits, "fit", fit)
    assert plain(dataset).failed[0].reason.endswith("has changed since this run began; run it again")
    monkeypatch.undo()
    assert len(plain(dataset).fitted) == 1


def test_files_of_other_settings(two, plain):
    one, _ = paths_of(two)
    plain(two.limit(1), seed=1)
    shutil.copy(two.first().latent_inr_path, one)
    two.set_values("latent_inr_path", {two.first().id: str(one)}, key_field="id")
    assert plain(two).fitted == two.values("id")[:1]


def test_a_file_of_a_later_release_is_kept(two, plain):
    first, _ = two.values("id")
    path = paths_of(two)[0]
    data = bytearray(path.read_bytes())
    data[4:8] = struct.pack("<HH", 99, 99)
    path.write_bytes(data)
    (failure,) = reconstruct(two, **QUIET).failed
    assert failure.reason.endswith("update fiftyone_latent_inr")
    two.set_values("latent_inr_path", {first: None}, key_field="id")
    for _ in range(2):  # neither taken up nor overwritten, whether the sample knows of it or not
        (failure,) = plain(two).failed
        assert "overwrite=True" in failure.reason and path.read_bytes() == data
        two.set_values("latent_inr_path", {first: str(path)}, key_field="id")
    assert first in plain(two, overwrite=True).fitted


def test_a_folder_of_that_name(two, plain):
    first, second = two.values("id")
    path = paths_of(two)[0]
    path.unlink()
    (path / "inside").mkdir(parents=True)
    summary = plain(two)
    assert summary.skipped == [second] and "is a folder" in summary.failed[0].reason
    shutil.rmtree(path)
    assert plain(two).fitted == [first]


def test_an_unreadable_file(two, plain, monkeypatch):
    """Root may read anything, so the refusal is made here."""
    path, real = paths_of(two)[0], open

    def refuse(name, mode="r", *rest, **more):
        if str(name) == str(path) and "r" in mode and path.stat().st_mtime_ns == before:
            raise PermissionError(13, "Permission denied")
        return real(name, mode, *rest, **more)

    path.chmod(0o600)
    before = path.stat().st_mtime_ns
    monkeypatch.setattr(files, "open", refuse, raising=False)
    assert plain(two).fitted == two.values("id")[:1]


@pytest.mark.parametrize("damage", [cut, Path.unlink])
def test_drawings_that_are_gone_or_cut_are_drawn_again(two, damage):
    reconstruct(two, **QUIET)
    first, second = two.values("id")
    path = Path(two.first().latent_inr_recon)
    size = path.stat().st_size
    damage(path)
    summary = reconstruct(two, **QUIET)
    assert summary.drawn == [first] and summary.skipped == [second] and path.stat().st_size == size


def test_drawings_that_are_exchanged_or_damaged_inside_are_drawn_again(two):
    reconstruct(two, **QUIET)
    first, second = two.values("id")
    path, other = (Path(one) for one in two.values("latent_inr_recon"))
    for damage in (lambda: shutil.copyfile(other, path), lambda: section(path)):
        whole = path.read_bytes()
        damage()
        summary = reconstruct(two, **QUIET)
        assert summary.drawn == [first] and summary.skipped == [second] and path.read_bytes() == whole
    assert reconstruct(two, **QUIET).skipped == [first, second]


@pytest.mark.parametrize("linked", [False, True])
def test_a_folder_in_place_of_a_drawing(two, tmp_path, linked):
    reconstruct(two, **QUIET)
    first, second = two.values("id")
    drawn = [Path(path) for path in two.values("latent_inr_recon")]
    for path in drawn:
        path.unlink()
    folder = tmp_path / "folder" if linked else drawn[0]
    folder.mkdir()
    if linked:
        drawn[0].symlink_to(folder)
    summary = reconstruct(two, **QUIET)
    assert summary.drawn == [second] and [failure.sample_id for failure in summary.failed] == [first]
    assert summary.failed[0].reason.endswith("it is a folder, where the drawing is to be written; remove it")


def test_damaged_parts_of_a_long_video(make_dataset, plain, tmp_path):
    """What is left of a fit that was stopped is taken up where it is whole, and fitted again where not."""
    clip = tmp_path / "long.mp4"
    video.write(clip, np.concatenate([media.moving_square(4, 32, 32, k) for k in range(3)]), 10.0)
    dataset = make_dataset([clip])

    def stop(fraction, label):
        if len(list((tmp_path / "linr").glob("*.parts/group-*.part"))) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        plain(dataset, progress=stop)
    (parts,) = (tmp_path / "linr").glob("*.parts")
    for part in sorted(parts.glob("group-*.part"))[:1]:
        cut(part)
    (parts / "arrays.npz").write_bytes(b"PK not a zip")
    assert len(plain(dataset).fitted) == 1 and not parts.exists()
    load(dataset.first().latent_inr_path).check()


def test_a_file_where_the_parts_are_to_be(make_dataset, plain, two, tmp_path):
    path = paths_of(two)[0]
    path.unlink()
    Path(f"{path}.parts").write_text("")
    summary = plain(two)
    assert len(summary.fitted) == 1 or "cannot be written" in summary.failed[0].reason
