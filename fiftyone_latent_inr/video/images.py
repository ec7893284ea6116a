"""A video that is kept as pictures: which files of a folder are its frames, in which order, at which rate."""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from ..errors import InputError
from ..files import as_path, fingerprint, reason
from .timing import DEFAULT_FPS

# Those whose levels are those of a screen, one picture a file.
IMAGE_SUFFIXES = {".bmp", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".pam", ".pbm", ".pgm", ".png"}
IMAGE_SUFFIXES |= {".pnm", ".ppm", ".qoi", ".tga", ".tif", ".tiff", ".webp"}

_NUMBER = re.compile(r"([0-9]+)")
_DOTTED = re.compile(r"([0-9]+(?:\.[0-9]+)*)")  # a number, maybe a decimal one, or a version
_DECIMAL = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_WILD = re.compile(r"[*?]|%\d*d")  # what makes a name a pattern, as for a shell and as for FFmpeg
# What is read of an image to know it again: raw formats keep their size whatever they show.
_BLOCK, _BLOCKS = 16 * 1024, 4
_MOST_NAMED = 3  # files in a message


@dataclass(frozen=True)
class ImageSequence:
    """Image files that are the frames of one video.

    Attributes:
        name: what it is called in messages: the folder, as a rule.
        files: one for each frame, in their order.
        fps: frames a second; None where nobody said, so that 25 is taken and said.
        notes: lines for people on what was not as it should be.
    """

    name: str
    files: tuple[Path, ...]
    fps: float | None = None
    notes: tuple[str, ...] = ()

    @classmethod
    def of_files(cls, files: Sequence[str | os.PathLike[str]], fps: float | None = None) -> ImageSequence:
        """Images in the order that they are given in.

        Raises:
            InputError: one is no path, or not named like an image, or there is none.
        """
        paths = tuple(as_path(file, "image") for file in files)
        if not paths:
            raise InputError("there are no images in the list")
        other = next((path for path in paths if path.suffix.lower() not in IMAGE_SUFFIXES), None)
        if other is not None:
            raise InputError(
                f"a list of files is one video of images, and {other} is none; several videos are for fit_many"
            )
        return cls(str(paths[0].parent), paths, fps)

    @property
    def rate(self) -> float:
        """Frames a second."""
        return DEFAULT_FPS if self.fps is None else self.fps

    @property
    def warnings(self) -> tuple[str, ...]:
        """The notes, and that the rate is assumed if it is."""
        if self.fps is not None:
            return self.notes
        assumed = f"images do not say their rate: {DEFAULT_FPS:g} frames a second are assumed (fps says another)"
        return (*self.notes, assumed)

    def fingerprint(self) -> str:
        """12 hexadecimal digits that change with the names, their order, sizes and sampled contents.

        A file that cannot be read counts as one: it is left out when the frames are read, too.

        Raises:
            InputError: none can be read.
        """
        digest, failed = hashlib.blake2b(digest_size=6), []
        for path in self.files:
            digest.update(os.fsencode(path.name) + b"\0")
            try:
                digest.update(_sampled(path))
            except OSError as error:
                failed.append(f"cannot read {path}: {reason(error)}")
        if len(failed) == len(self.files):
            raise InputError(f"none of the {len(failed)} images of {self.name} can be read: {failed[0]}")
        return digest.hexdigest()


def find_images(path: str | os.PathLike[str], fps: float | None = None) -> ImageSequence | None:
    """The images that a path names: those of a folder, or those whose names are like a pattern.

    Hidden files, other kinds of files and folders in the folder are left out. The order is that of the numbers in the
    names: `2.png` comes before `10.png`.

    Args:
        path: a folder, such as `frames`, or a pattern for one of several sequences in it: `frames/left_%d.png`, where
            `%d` stands for a number, `*` for anything and `?` for one character.
        fps: frames a second, if they are known.

    Returns:
        The sequence, or None where the path names neither, but a file or nothing.

    Raises:
        InputError: there is no image there, or there are several sequences.
    """
    try:
        place = as_path(path, "video")
    except InputError:  # no path: said by whoever wants a file
        return None
    try:
        if place.is_dir():
            return _sequence(place, place, "*", fps)
        if _WILD.search(place.name) and place.parent.is_dir() and not os.path.lexists(place):
            return _sequence(place, place.parent, place.name, fps)
    except OSError as error:
        raise InputError(f"cannot read {place}: {reason(error)}") from error
    return None


def named(files: Sequence[str]) -> str:
    """The first names of files, and how many more there are."""
    more = len(files) - _MOST_NAMED
    return ", ".join(files[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def content_of(source: str | os.PathLike[str] | ImageSequence) -> str:
    """12 hexadecimal digits that change with the content of a video: a file, or images; see `files.fingerprint`.

    Raises:
        InputError: it is gone, or cannot be read.
    """
    found = source if isinstance(source, ImageSequence) else find_images(source)
    if found is not None:
        return found.fingerprint()
    assert not isinstance(source, ImageSequence)
    return fingerprint(source)


def bytes_of(source: str | os.PathLike[str] | ImageSequence) -> int:
    """Bytes of a video's file, or of its images; 0 where it is gone."""
    files = source.files if isinstance(source, ImageSequence) else [as_path(source, "video")]
    return sum(file.stat().st_size for file in files if file.is_file())


def state_of(source: str | os.PathLike[str] | ImageSequence) -> tuple[tuple[str, int, int, int], ...]:
    """What changes when a file, or one of images, is written or replaced, whatever part of it: seen without reading.

    Returns:
        path, inode, bytes and nanoseconds of the last change of each file.

    Raises:
        InputError: one is gone.
    """
    found = source if isinstance(source, ImageSequence) else find_images(source)
    states = []
    files = found.files if found is not None else () if isinstance(source, ImageSequence) else (source,)
    for file in files:
        place = as_path(file, "video")
        try:
            state = os.stat(place)
        except OSError as error:
            raise InputError(f"cannot read {place}: {reason(error)}") from error
        states.append((str(place), state.st_ino, state.st_size, state.st_mtime_ns))
    return tuple(states)


def _sampled(path: Path) -> bytes:
    """A file's size and parts of it: nothing of a pipe, which would keep its reader waiting."""
    size = path.stat().st_size
    parts = [f"{size}\0".encode()]
    if path.is_file():
        with open(path, "rb") as file:
            for k in range(_BLOCKS):
                file.seek(max(0, size - _BLOCK) * k // (_BLOCKS - 1))
                parts.append(file.read(_BLOCK))
    return b"".join(parts)


def _sequence(place: Path, folder: Path, pattern: str, fps: float | None) -> ImageSequence:
    regex = re.sub(r"%\d*d", "[0-9]+", re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."))
    like = re.compile(regex, re.DOTALL | re.IGNORECASE)
    with os.scandir(folder) as entries:
        there = [(entry.name, _is_folder(entry)) for entry in entries if not entry.name.startswith(".")]
    names = sorted((n for n, is_dir in there if not is_dir and _is_image(n) and like.fullmatch(n)), key=_natural)
    if not names:
        hint = "name one of the folders in it" if any(d for _, d in there) else "give a video, or a folder of images"
        raise InputError(f"cannot read {place}: there is no image in this folder that could be a frame; {hint}")
    timed, notes = _by_decimals(names)
    if timed:
        names = timed
    else:
        names, notes = _one_of_several(place, folder, names)
        notes += _counting(names)
    return ImageSequence(str(place), tuple(folder / name for name in names), fps, tuple(notes))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link in a circle, or into a folder that may not be read: the reader leaves it out and says so
        return False


def _is_image(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES


def _natural(name: str) -> tuple[list[str | int], str]:
    """Key of an order in which numbers count by their value; texts and numbers alternate in it."""
    parts = _NUMBER.split(name.casefold())
    return [int(part) if k % 2 else part for k, part in enumerate(parts)], name


def _template(name: str) -> str:
    """What the names of one sequence have in common."""
    return _NUMBER.sub("#", _alike(name))


def _alike(name: str) -> str:
    """The name without what differs within a sequence: small and capital letters, ways to write a kind."""
    stem, suffix = os.path.splitext(name.casefold())
    return stem + {".jpeg": ".jpg", ".jpe": ".jpg", ".tiff": ".tif"}.get(suffix, suffix)


def _one_of_several(place: Path, folder: Path, names: list[str]) -> tuple[list[str], list[str]]:
    """The names that are one sequence, and lines about the others.

    Raises:
        InputError: there are several sequences: frames and masks, or left and right.
    """
    counts = Counter(map(_template, names))
    if len(counts) == 1:
        return names, []
    (main, count), (_, second) = counts.most_common(2)
    if second == 1 and 2 * count > len(names) and count > 1:
        others = [name for name in names if _template(name) != main]
        return [n for n in names if _template(n) == main], [f"left out, as they are named otherwise: {named(others)}"]
    stems = {os.path.splitext(name)[0].casefold() for name in names}
    if len(stems) == len(names) and 3 * len(counts) > 2 * len(names):
        return names, ["the images are not numbered alike: they are taken in the order of their names"]
    found = ", ".join(f"{number} like {like.replace('#', '1')}" for like, number in counts.most_common(_MOST_NAMED))
    example = _NUMBER.sub("%d", next(name for name in names if _template(name) == main))
    example = example if "%d" in example else f"*{os.path.splitext(example)[1]}"
    raise InputError(
        f"{place} holds several sequences of images ({found}); name one by a pattern, such as {folder / example}, or "
        "give each a folder of its own"
    )


def _by_decimals(names: list[str]) -> tuple[list[str], list[str]]:
    """The names by the one decimal number in which they differ, and lines about them; none where it is no such number.

    `t0.5.png` after `t0.25.png`, but `shot1.25.png` after `shot1.5.png`: counts reach numbers that end in 0, and
    are evenly spaced as counts.
    """
    rows = [_DOTTED.split(os.path.splitext(_alike(name))[0]) for name in names]
    kinds = {os.path.splitext(_alike(name))[1] for name in names}
    varying = [column for column in zip(*rows, strict=False) if len(set(column)) > 1]
    if len(set(map(len, rows))) > 1 or len(kinds) > 1 or len(varying) != 1:
        return [], []
    if not all(map(_DECIMAL.fullmatch, varying[0])) or not any("." in text for text in varying[0]):
        return [], []
    wholes, tails = zip(*(text.partition(".")[::2] for text in varying[0]), strict=True)
    shortest, longest = min(map(len, tails)), max(map(len, tails))
    values = sorted(zip(map(Fraction, varying[0]), names, strict=True))
    steps = [after[0] - before[0] for before, after in pairwise(values)]
    evenness = _evenness(steps, Fraction(1, 10**longest))
    if shortest in (0, longest):  # whole numbers are there, too, or the order is that of counts
        is_decimal = evenness == 1
    else:
        longer = [tail for tail in tails if len(tail) > shortest]
        counts = sorted((int(whole), int(tail)) for whole, tail in zip(wholes, tails, strict=True))
        as_counts = [Fraction(b[1] - a[1]) for a, b in pairwise(counts) if a[0] == b[0]]
        is_padded = any(tail.startswith("0") for tail in longer)  # as no count is
        is_decimal = not any(tail.endswith("0") for tail in longer)
        is_decimal &= is_padded or evenness >= _evenness(as_counts, Fraction(0))
    if not is_decimal:
        return [], []
    ordered = [name for _, name in values]
    wide = _middle(steps) * 3 / 2
    gaps = [k for k, step in enumerate(steps) if step > wide]
    return ordered, _missing(ordered, gaps) if 2 * evenness > 1 else []


def _middle(steps: list[Fraction]) -> Fraction:
    return sorted(steps)[(len(steps) - 1) // 2]


def _evenness(steps: list[Fraction], unit: Fraction) -> Fraction:
    """The share of steps that are like the middle one, up to a tenth of it or the last digit; 0 of none."""
    if not steps:
        return Fraction(0)
    middle = _middle(steps)
    return Fraction(sum(abs(step - middle) <= max(middle / 10, unit) for step in steps), len(steps))


def _missing(names: list[str], gaps: list[int]) -> list[str]:
    if not gaps:
        return []
    return [f"numbers are missing after {named([names[k] for k in gaps])}: frames are taken as evenly spaced"]


def _counting(names: list[str]) -> list[str]:
    """Lines about numbers that are missing, or that count in two places."""
    numbers = [[int(part) for part in _NUMBER.findall(name)] for name in names]
    if len({len(row) for row in numbers}) != 1:
        return []
    columns = [column for column in zip(*numbers, strict=True) if len(set(column)) > 1]
    if len(columns) == 1:
        steps = [after - before for before, after in pairwise(columns[0])]
        step, count = Counter(steps).most_common(1)[0]
        gaps = [k for k, one in enumerate(steps) if one > step]
        if 2 * count > len(steps):  # else they are times, not numbers
            return _missing(names, gaps)
    elif columns:
        parts: dict[tuple[int, ...], set[int]] = {}
        for *head, last in zip(*columns, strict=True):
            parts.setdefault(tuple(head), set()).add(last)
        first, *others = parts.values()
        if others and len(first) > 1 and all(one == first for one in others):
            return [f"the names count in two places ({names[0]} to {names[-1]}): they are taken one after the other"]
    return []
