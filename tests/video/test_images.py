"""Which files of a folder are a video's frames: order, sequences, numbers that are missing, what is known again."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import pytest

from fiftyone_latent_inr import InputError
from fiftyone_latent_inr.files import fingerprint
from fiftyone_latent_inr.video.images import ImageSequence, content_of, find_images


def folder(place: Path, *names: str) -> Path:
    """A folder of files that hold their names, made in no order."""
    place.mkdir(exist_ok=True)
    for name in random.Random(0).sample(names, len(names)):
        (place / name).write_text(name)
    return place


def found(path: str | Path, fps: float | None = None) -> ImageSequence:
    sequence = find_images(path, fps)
    assert sequence is not None
    return sequence


def names(path: str | Path) -> list[str]:
    return [file.name for file in found(path).files]


@pytest.mark.parametrize(
    "ordered",
    [
        ["1.png", "2.png", "10.png", "100.png"],
        ["0.jpg", "1.jpg", "2.jpg"],
        ["00000.jpg", "00001.jpg", "00002.JPG", "00003.jpeg"],
        ["frame_0008.png", "frame_0009.png", "frame_10.png"],
        ["img_9.PNG", "IMG_10.png", "img_11.png"],
        ["1305031102.175304.png", "1305031102.211214.png", "1305031103.000011.png"],
        ["cam-2024-01-02__CAM__1532402927612460.jpg", "cam-2024-01-02__CAM__1532402928112460.jpg"],
        ["only.webp"],
        ["é1.png", "é2.png"],
        ["%03d 1.png", "%03d 2.png"],
    ],
)
def test_numbers_count_by_their_value(tmp_path: Path, ordered: list[str]) -> None:
    assert names(folder(tmp_path / "frames", *ordered)) == ordered
    assert found(tmp_path / "frames").notes == ()


DECIMALS = {
    "as Python writes them": [f"t{k / 4}.png" for k in range(50)],
    "without zeros": [f"t{k / 4:g}.png" for k in range(50)],
    "of one length": [f"t{k / 2:.1f}.png" for k in range(24)],
    "twentieths": [f"{k / 20}.jpg" for k in range(45)],
    "hundredths": [f"{k / 100}.jpg" for k in range(11, 96)],
    "thirtieths": [f"{k / 30:.4g}s.png" for k in range(1, 100)],
    "rounded": [f"{k / 12:.2f}.png" for k in range(30)],
    "of a clock": [f"cam1-17328314{k}.{tail}.jpg" for k, tail in [(82, "9017"), (83, "0021"), (83, "1"), (83, "2011")]],
    "uneven": ["t0.1.png", "t0.25.png", "t0.7.png"],
    "capitals": ["T0.0.JPG", "t0.25.jpeg", "t0.5.jpg"],
}


@pytest.mark.parametrize("ordered", DECIMALS.values(), ids=DECIMALS)
def test_decimal_numbers_count_by_their_value(tmp_path: Path, ordered: list[str]) -> None:
    place = folder(tmp_path / "frames", *ordered)
    assert names(place) == ordered and found(place).notes == ()


def test_missing_decimals_are_said(tmp_path: Path) -> None:
    place = folder(tmp_path / "frames", *(f"t{k / 4}.png" for k in (0, 1, 2, 3, 6, 7, 8)))
    assert names(place)[3:5] == ["t0.75.png", "t1.5.png"]
    (note,) = found(place).notes
    assert "missing after t0.75.png:" in note


COUNTS = {
    "from one": [f"shot{a}.{k}.png" for a in (1, 2) for k in range(1, 13)],
    "by threes": [f"shot{a}.{k}.png" for a in (1, 2, 3) for k in (3, 6, 9, 12)],
    "odd ones": [f"{a}.{k}.png" for a in (1, 2) for k in range(1, 30, 2)],
    "of one shot": [f"shot1.{k}.png" for k in (8, 9, 11, 12)],
    "nanoseconds": ["14036.95555527.png", "14036.763555520.png", "14037.13555527.png"],
    "versions": [f"v1.2.{k}.png" for k in range(8, 13)],
}


@pytest.mark.parametrize("ordered", COUNTS.values(), ids=COUNTS)
def test_counts_behind_a_dot_are_no_decimals(tmp_path: Path, ordered: list[str]) -> None:
    assert names(folder(tmp_path / "frames", *ordered)) == ordered


def test_counts_of_one_length_behind_a_dot(tmp_path: Path) -> None:
    place = folder(tmp_path / "frames", *(f"shot{a}.{k:04d}.png" for a in (1, 2) for k in range(5)))
    assert "two places" in found(place).notes[0]
    place = folder(tmp_path / "masks", *(f"{k}{mask}.png" for k in range(4) for mask in ("", ".1")))
    with pytest.raises(InputError, match="several sequences"):
        find_images(place)


def test_what_is_no_image_is_left_out(tmp_path: Path) -> None:
    place = folder(tmp_path / "frames", "1.png", "2.png", ".DS_Store", "Thumbs.db", "._1.png", ".hidden.png", "1.json")
    (place / "3.png").mkdir()
    (place / "more").mkdir()
    folder(place / "more", "4.png")
    assert names(place) == ["1.png", "2.png"] and found(place).notes == ()


def test_links_count_even_where_they_lead_nowhere(tmp_path: Path) -> None:
    """One that leads nowhere is a frame that is missing, which the reader says."""
    place = folder(tmp_path / "frames", "1.png")
    (place / "2.png").symlink_to(place / "1.png")
    (place / "3.png").symlink_to(place / "nowhere.png")
    (place / "4.png").symlink_to("4.png")
    (place / "5.png").symlink_to(Path("1.png", "below"))
    (place / "6.png").symlink_to("x" * 300)
    (place / "more").symlink_to("more")
    everything = [f"{k}.png" for k in range(1, 7)]
    assert names(place) == everything and found(place).notes == ()
    (tmp_path / "link").symlink_to(place)
    assert names(tmp_path / "link") == everything and found(tmp_path / "link").name.endswith("link")


@pytest.mark.parametrize("words", [["no image", "a video, or a folder"], ["no image", "name one of the folders in it"]])
def test_folders_without_images(tmp_path: Path, words: list[str]) -> None:
    place = folder(tmp_path / "frames", "a.txt", "b.mp4")
    if "folders" in words[1]:
        folder(place / "one", "1.png")
    with pytest.raises(InputError) as error:
        find_images(place)
    assert all(word in str(error.value) for word in [str(place), *words]) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("there", "pattern", "chosen"),
    [
        (["left_1.png", "left_2.png", "right_1.png", "right_2.png"], "left_*.png", 2),
        (["flow_x_1.jpg", "flow_x_2.jpg", "flow_y_1.jpg", "flow_y_2.jpg", "img_1.jpg", "img_2.jpg"], "img_?.jpg", 2),
        (["1.jpg", "2.jpg", "1.png", "2.png"], "*.jpg", 2),
        (["1.jpg", "2.jpg", "1_mask.png", "2_mask.png"], "?.jpg", 2),
        (["1.png", "10.png", "1_mask.png", "10_mask.png"], "%d.png", 2),
        (["0001.png", "0002.png", "0001_mask.png", "0002_mask.png"], "%04d.png", 2),
        (["a.jpg", "a.png"], "*.png", 1),
        (["0[1].png", "0[2].png", "1[1].jpg", "1[2].jpg"], "0[*].png", 2),
    ],
)
def test_several_sequences_are_refused_and_one_is_named(
    tmp_path: Path, there: list[str], pattern: str, chosen: int
) -> None:
    place = folder(tmp_path / "frames", *there)
    with pytest.raises(InputError, match="several sequences of images") as error:
        find_images(place)
    assert str(place) in str(error.value) and "\n" not in str(error.value)
    assert len(names(place / pattern)) == chosen
    with pytest.raises(InputError, match="no image"):
        find_images(place / "nothing*.png")


@pytest.mark.parametrize("like", ["left_{}.png right_{}.png", "{}.png {}_mask.png", "{}.jpg {}.png", "A{}.JPG b{}.jpg"])
def test_the_pattern_that_is_proposed_works(tmp_path: Path, like: str) -> None:
    kinds = like.split()
    place = folder(tmp_path / "frames", *(kind.format(k) for kind in kinds for k in (9, 10, 11)))
    with pytest.raises(InputError) as error:
        find_images(place)
    proposed = str(error.value).split("such as ")[1].split(", or")[0]
    assert names(proposed) in [[kind.format(k) for k in (9, 10, 11)] for kind in kinds]


def test_a_stray_image_is_left_out_and_said(tmp_path: Path) -> None:
    place = folder(tmp_path / "frames", "1.png", "2.png", "3.png", "cover.jpg", "thumb.png")
    assert names(place) == ["1.png", "2.png", "3.png"]
    assert found(place).notes == ("left out, as they are named otherwise: cover.jpg, thumb.png",)


def test_names_without_numbers(tmp_path: Path) -> None:
    place = folder(tmp_path / "frames", "b.png", "c.png", "a.png")
    assert names(place) == ["a.png", "b.png", "c.png"] and "order of their names" in found(place).notes[0]


def test_missing_numbers_are_said(tmp_path: Path) -> None:
    place = folder(tmp_path / "frames", *(f"{k}.png" for k in (1, 2, 3, 7, 8, 9, 12)))
    (note,) = found(place).notes
    assert "missing after 3.png, 9.png:" in note and "evenly spaced" in note
    assert found(folder(tmp_path / "tenths", *(f"{k}.png" for k in range(0, 100, 10)))).notes == ()
    assert found(folder(tmp_path / "times", *(f"{k}.png" for k in (3, 14, 159, 2653, 58979)))).notes == ()


def test_names_that_count_in_two_places(tmp_path: Path) -> None:
    place = folder(tmp_path / "frames", *(f"cam{c}_{k}.png" for c in (1, 2) for k in range(3)))
    assert names(place)[2:4] == ["cam1_2.png", "cam2_0.png"]
    (note,) = found(place).notes
    assert "two places (cam1_0.png to cam2_2.png)" in note


def test_what_is_no_folder_is_nobodys_business_here(tmp_path: Path) -> None:
    place = folder(tmp_path, "1.png", "a*.png")
    for path in (place / "1.png", place / "none", place / "a*.png", "\0", "", place / "none" / "*.png"):
        assert find_images(path) is None
    for odd in (None, 5, object()):
        assert find_images(odd) is None  # type: ignore[arg-type]


def test_paths_of_all_kinds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder(tmp_path / "frames", "1.png")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for path in (
        *("frames", "frames/", "./frames", "~/frames", (tmp_path / "frames").as_uri()),
        *(Path("frames"), os.fsencode("frames")),
    ):
        assert found(path).name == str(tmp_path / "frames")  # type: ignore[arg-type]
    for pattern in ("frames/%d.png", "~/frames/*", f"file://{tmp_path}/frames/?.png"):
        assert names(pattern) == ["1.png"]


def test_the_rate_is_given_or_assumed_and_said(tmp_path: Path) -> None:
    place = folder(tmp_path / "frames", "1.png", "2.png")
    assert found(place).rate == 25.0 and "25 frames a second are assumed" in found(place).warnings[-1]
    assert found(place, 12.5).rate == 12.5 and found(place, 12.5).warnings == ()


def test_lists_of_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    place = tmp_path / "x"
    sequence = ImageSequence.of_files(["x/b.png", Path("x/a.jpg"), (place / "c.png").as_uri()])
    assert sequence.files == tuple(place / name for name in ("b.png", "a.jpg", "c.png"))
    assert sequence.name == str(place)
    with pytest.raises(InputError, match=r"b\.mp4.*fit_many"):
        ImageSequence.of_files(["a.mp4", "b.mp4"][::-1])
    with pytest.raises(InputError, match="no images"):
        ImageSequence.of_files([])


def test_content(tmp_path: Path) -> None:
    place = tmp_path / "frames"
    place.mkdir()
    large = bytes(range(256)) * 4096  # a megabyte: only parts of it are read
    for k in range(3):
        (place / f"{k}.ppm").write_bytes(large)
    before = content_of(place)
    assert len(before) == 12 and before == content_of(found(place)) == content_of(found(place, 10.0))
    shutil.copytree(place, tmp_path / "copy")
    (place / "notes.txt").write_text("of no account")
    os.utime(place / "1.ppm", (0, 0))
    assert content_of(place) == content_of(tmp_path / "copy") == before
    seen = {before}
    for at in (0, len(large) - 1):  # of a raw format the size stays
        (place / "1.ppm").write_bytes(large[:at] + b"!" + large[at + 1 :])
        seen.add(content_of(place))
    (place / "1.ppm").write_bytes(large)
    assert content_of(place) == before
    (place / "1.ppm").rename(place / "3.ppm")
    seen.add(content_of(place))
    (place / "3.ppm").unlink()
    seen.add(content_of(place))
    assert len(seen) == 5
    assert content_of(place / "0.ppm") == fingerprint(place / "0.ppm")
    gone = found(place)
    (place / "0.ppm").unlink()
    assert gone.fingerprint() not in seen
    (place / "2.ppm").unlink()
    with pytest.raises(InputError, match=r"none of the 2 images of .*frames can be read: .*0\.ppm: no such file"):
        content_of(gone)


def test_thousands_of_images_are_quickly_listed(tmp_path: Path) -> None:
    """Also where two numbers vary, as in time stamps: comparing each with each would take minutes."""
    place = tmp_path / "frames"
    place.mkdir()
    for k in range(5000):
        (place / f"{1305031102 + k // 3}.{(k * 175304) % 1000000:06d}.png").touch()
    assert len(names(place)) == 5000
    for k, file in enumerate(sorted(place.iterdir())):
        file.rename(place / f"{k / 8}.jpg")
    assert names(place)[-1] == "624.875.jpg"
