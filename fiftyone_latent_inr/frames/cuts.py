"""Scene cuts: at which frames a video jumps to another picture. Numpy alone.

A frame is predicted from the one before, as a video encoder does it: each block is looked for in the neighbourhood of
its place, and what is left over (inter) is held against the block's own contrast (intra). Motion, pans and noise leave
little over; after a cut the neighbourhood is as good as any other picture. That is how x264 places its key frames
(`scenecut`, L. Merritt and R. Vanam, "x264: A high performance H.264/AVC encoder", 2006), here on thumbnails of 32
pixels, so that it takes about a millisecond a frame and no more memory than some thumbnails.

    inter / intra of the frames' thumbnails -> a jump at k? -> a flash: the frame after it is the one before it again?
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

import numpy as np

from ..arrays import FloatArray, Frame, Frames, check_frames
from ..errors import InputError
from .resize import area_resize

Thumbnail = FloatArray  # (h, w, 3)

# How many frames a flash may last, and so how long it takes until a cut is certain.
MAX_FLASH = 3

_SIDE = 32  # of a thumbnail's longer side
_BLOCK = 4  # pixels of a thumbnail
_REACH = 3  # pixels of a thumbnail that a block may have moved: a tenth of the picture in one frame
# Levels (0 to 255) that a block may be off without a reason: noise, and what interpolating the shift leaves.
_NOISE = 4.0
# What a block can add at most, so that one object on plain ground is not a cut.
_MOST = 1.5
# Of the cuts in thirteen real clips none scores below 0.75, and no motion above 0.43.
_THRESHOLD = 0.57
# Light that comes and goes: the contrast may grow or shrink by this factor, and the mean move by this many levels.
_MOST_GAIN, _MOST_LIFT = 3.0, 64.0


class CutFinder:
    """Finds cuts while frames come in one by one; `find_cuts` is the short way for a whole video.

    Example:
        >>> finder = CutFinder()
        >>> frames = [np.full((8, 8, 3), level, np.uint8) for level in (0, 0, 200, 200)]
        >>> [cut for frame in frames for cut in finder.add(frame)] + list(finder.finish())
        [2]
    """

    def __init__(self) -> None:
        self._shape: tuple[int, ...] | None = None
        self._count = 0  # frames taken
        self._recent: deque[Thumbnail] = deque(maxlen=MAX_FLASH + 1)
        self._pending: list[int] = []

    def add(self, frame: Frame) -> tuple[int, ...]:
        """Takes the next frame.

        Args:
            frame: uint8 (H, W, 3) RGB, of the size of the first one.

        Returns:
            the cuts that have become certain, ascending; each is the index of the first frame of a scene, and comes
            `MAX_FLASH` frames after it, or with `finish`.

        Raises:
            InputError: another type, shape or size.
        """
        self._check(frame)
        now, index = _thumbnail(frame), self._count
        jumped = bool(self._recent) and _jumps(self._recent[-1], now)
        if not self._ends_flash(now) and jumped:
            self._pending.append(index)
        self._recent.append(now)
        self._count += 1
        certain = tuple(cut for cut in self._pending if cut <= index - MAX_FLASH)
        self._pending = self._pending[len(certain) :]
        return certain

    def finish(self) -> tuple[int, ...]:
        """The cuts among the last frames."""
        certain, self._pending = tuple(self._pending), []
        return certain

    def _ends_flash(self, now: Thumbnail) -> bool:
        """Whether the picture is back that was there before a pending cut; that cut and those after it go."""
        for cut in self._pending:
            length = self._count - cut
            before, *between = list(self._recent)[-length - 1 :]
            if all(_is_flash(before, lit) for lit in between) and not _jumps(before, now):
                self._pending = [other for other in self._pending if other < cut]
                return True
        return False

    def _check(self, frame: Frame) -> None:
        check_frames(frame, "frames to find cuts in", single=True)
        if frame.shape != (self._shape or frame.shape):
            raise InputError(
                f"frames to find cuts in must be of one size, not {frame.shape} after {self._shape}; resize them"
            )
        self._shape = frame.shape


def find_cuts(frames: Frames | Iterable[Frame]) -> tuple[int, ...]:
    """Where a new scene begins.

    Hard cuts are found, down to scenes of a single frame. Motion, pans, flashes and lost frames (up to `MAX_FLASH`),
    frames that are shown twice, fades and slow dissolves are no cuts: between their frames a video may well be
    interpolated. An empty frame that a scene fades in from or out to may count as a scene of its own, and so may the
    frames of a dissolve that takes only a few. What moves by more than a tenth of the picture from one frame to the
    next, all over it, cannot be told from a cut.

    Args:
        frames: uint8 (T, H, W, 3) RGB, or any iterable of T frames (H, W, 3), which are taken one by one.

    Returns:
        ascending indices k, 1 <= k < T: frame k is the first of a scene.

    Raises:
        InputError: another type or shape, or frames of several sizes.

    Example:
        >>> find_cuts(np.repeat(np.array([0, 200], np.uint8), 4).reshape(8, 1, 1, 1).repeat(3, -1))
        (4,)
    """
    finder = CutFinder()
    found = [cut for frame in frames for cut in finder.add(frame)]
    return (*found, *finder.finish())


def _jumps(before: Thumbnail, now: Thumbnail) -> bool:
    """Whether neither picture can come from the other one, moved, or in another light."""
    return not (_predicts(before, now) or _predicts(now, before))


def _predicts(one: Thumbnail, other: Thumbnail) -> bool:
    """Whether blocks of the first picture, moved a little, make up most of the second one."""
    contrast = _blocks(np.abs(other - _spread(_blocks(other))).mean(-1))
    for picture in _in_both_lights(one, other):
        left = np.full_like(contrast, np.inf)
        for moved in _shifts(picture):  # the nearest first: for most frames one is enough
            np.minimum(left, _blocks(np.abs(other - moved).mean(-1)), out=left)
            if float(np.minimum(left / (contrast + _NOISE), _MOST).mean()) < _THRESHOLD:
                return True
    return False


def _in_both_lights(one: Thumbnail, other: Thumbnail) -> Iterator[Thumbnail]:
    """The first picture as it is, and with the mean and the contrast of the second, if light may explain them."""
    yield one
    old, new = float(one.mean()), float(other.mean())
    gain = (float(other.mean(-1).std()) + 1) / (float(one.mean(-1).std()) + 1)
    if abs(new - old) <= _MOST_LIFT and 1 / _MOST_GAIN <= gain <= _MOST_GAIN:
        yield np.clip((one - old) * np.float32(gain) + np.float32(new), 0, 255)


def _shifts(picture: Thumbnail) -> Iterator[Thumbnail]:
    """The picture moved by up to `_REACH` pixels either way, its edges repeated, the smallest steps first."""
    height, width, _ = picture.shape
    padded = np.pad(picture, ((_REACH, _REACH), (_REACH, _REACH), (0, 0)), mode="edge")
    steps = range(-_REACH, _REACH + 1)
    for y, x in sorted(((y, x) for y in steps for x in steps), key=lambda step: step[0] ** 2 + step[1] ** 2):
        yield padded[_REACH + y : _REACH + y + height, _REACH + x : _REACH + x + width]


def _is_flash(before: Thumbnail, now: Thumbnail) -> bool:
    """Whether the light came on or went out over the picture before: lighter or darker all over, or nothing to see."""
    lighter = now.mean(-1) - before.mean(-1)
    one_way = max(float((lighter >= -_NOISE).mean()), float((lighter <= _NOISE).mean()))
    return one_way > 0.95 or float(now.mean(-1).std()) < _NOISE


def _thumbnail(frame: Frame) -> Thumbnail:
    """(H, W, 3) -> float32 (h, w, 3), the longer side `_SIDE`, both whole blocks, slightly blurred against noise."""
    height, width, _ = frame.shape
    longer = max(height, width)
    every = max(1, longer // 512)  # a large frame is thinned out first: an average needs no more
    size = [max(_BLOCK, round(_SIDE * side / longer / _BLOCK) * _BLOCK) for side in (height, width)]
    small = area_resize(frame[::every, ::every], (size[0], size[1])).astype(np.float32)
    padded = np.pad(small, ((1, 1), (1, 1), (0, 0)), mode="edge")
    tall = padded[:-2] + padded[1:-1] + padded[2:]
    return np.asarray((tall[:, :-2] + tall[:, 1:-1] + tall[:, 2:]) / np.float32(9))


def _blocks(plane: FloatArray) -> FloatArray:
    """(h, w) or (h, w, C) -> the mean of each block, (h / 4, w / 4) or (h / 4, w / 4, C)."""
    height, width = plane.shape[:2]
    parts = plane.reshape(height // _BLOCK, _BLOCK, width // _BLOCK, _BLOCK, *plane.shape[2:])
    return np.asarray(parts.mean(axis=(1, 3)))


def _spread(means: FloatArray) -> FloatArray:
    """The way back from `_blocks`: each mean over the whole of its block."""
    return means.repeat(_BLOCK, axis=0).repeat(_BLOCK, axis=1)
