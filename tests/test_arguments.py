"""Arguments are checked before any work; what is refused is told in one line that names it and what is wanted."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import fiftyone_latent_inr as linr
from fiftyone_latent_inr import arguments, video
from fiftyone_latent_inr.arrays import as_frames
from fiftyone_latent_inr.datasets.drawings.drawing import Drawing
from fiftyone_latent_inr.errors import InputError
from fiftyone_latent_inr.fitting import PRESETS, resolve
from fiftyone_latent_inr.video.footage import Footage

FRAMES = np.arange(2 * 6 * 8 * 3, dtype=np.uint8).reshape(2, 6, 8, 3)
NAN = float("nan")
NUMBERS = ["25", None, True, NAN, float("inf"), 0, -1, [25], 1j, np.array([25.0]), np.bool_(True)]
SIZES = [
    "90x160",
    90,
    (8.0, 8.0),
    (8, 0),
    (-1, 8),
    (8,),
    (8, 8, 8),
    (True, 8),
    ("8", "8"),
    (8, 10**9),
    np.eye(2),
    b"88",
]
WHOLES = [2.0, "3", True, 0, -1, NAN, [3], Fraction(3), np.float64(3)]
SEEDS = [None, "0", 0.0, True, -1, 2**63, NAN]
FLAGS = ["no", 1, None, 0.0, []]
NOTES: list[Any] = [
    "text",
    [("a", 1)],
    {"a": NAN},
    {"a": np.float32("inf")},
    {"a": {"b": [1, object()]}},
    {1: "a"},
    {"a": {None: 1}},
    {"a": Path("x")},
    {"a": b"x"},
    {"a": {1, 2}},
    {"a": 1j},
    {"a": np.array([1, NAN])},
    {"a": np.array(["x", None], object), "b": object},
    {"a": 10**400},
    {"a": "x" * (1 << 21)},
]
deep: list[Any] = []
deep.append(deep)
NOTES.append({"a": deep})


def cases(name: str, values: list[Any]) -> list[tuple[str, Any]]:
    return [(name, value) for value in values]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *cases("fps", [value for value in NUMBERS if value is not None]),
        *cases("size", SIZES),
        *cases("max_frames", WHOLES),
        *cases("seed", SEEDS),
        *cases("residual", FLAGS),
        *cases("metadata", NOTES),
        *cases("progress", ["yes", 1.0, []]),
        *cases("preset", [None, 3, [], "Balanced", ""]),
        *cases("quality", ["50", True, NAN, -1, 101, [50]]),
        *cases("bpp", ["1", True, NAN, 0, 25, [1]]),
        *cases("teacher", [5, True, [], FRAMES]),
        *cases("prior", [5, True, [], b"fast-prior"]),
        *cases("device", ["toaster", 1.5, [], ""]),
        *cases("checkpoint", [5, True, []]),
    ],
    ids=lambda value: repr(value)[:24] if not isinstance(value, str) else value[:24],
)
def test_a_fit_refuses_wrong_arguments_before_any_work(name: str, value: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def scanned(*arguments: object) -> None:
        raise AssertionError("work began")

    monkeypatch.setattr("fiftyone_latent_inr.encoding.fit.scan", scanned)
    options = {"progress": False, "device": "cpu", "prior": "none", name: value}
    with pytest.raises(InputError) as caught:
        linr.fit(FRAMES, **options)
    text = str(caught.value)
    assert ("folder" if name == "checkpoint" else name) in text and len(text) < 400 and "\n" not in text


def test_the_nearest_name_is_told() -> None:
    with pytest.raises(InputError, match="unknown preset 'Balancd'; did you mean 'balanced'"):
        linr.fit(FRAMES, preset="Balancd")


@pytest.mark.parametrize("preset", ["Fast", "", 5])
def test_a_preset_is_checked_where_a_configuration_takes_its_place(preset: Any) -> None:
    with pytest.raises(InputError, match="unknown preset"):
        resolve(preset, PRESETS["fast"])
    assert resolve(None, PRESETS["fast"]) == resolve("best", PRESETS["fast"]) == PRESETS["fast"]


@pytest.mark.parametrize("fps", [25, Fraction(30000, 1001), np.float32(12.5), np.int16(30), Decimal("23.976"), 1e-3])
def test_a_rate_may_be_any_number(fps: Any) -> None:
    assert Footage(FRAMES, fps=fps).fps == float(fps)


@pytest.mark.parametrize("size", [(4, 5), [4, 5], np.array([4, 5]), (np.int64(4), np.uint8(5))])
def test_a_size_may_be_any_pair_of_whole_numbers(size: Any) -> None:
    footage = Footage(FRAMES, size=size, max_frames=np.int32(1))  # type: ignore[arg-type]
    assert footage.size == (4, 5) and [frame.shape for frame in footage.frames()] == [(4, 5, 3)]


def test_notes_that_no_file_could_hold_are_refused_before_the_first_step() -> None:
    many: list[Any] = []
    many += [many] * 10  # itself, 10 times, at each depth
    notes = {
        "itself": {"a": many},
        "huge": {"a": "a" * 2_000_000},
        "a huge array": {"a": np.zeros((1 << 30), np.uint8)},
        "repeats itself": {"a": "a" * 900_000},
        "lists": {"a": [[] for _ in range(200_000)]},
    }

    def begun(event: Any) -> None:
        assert event.message or not event.step, "a step was taken"

    for one in notes.values():
        with pytest.raises(InputError, match=r"^metadata(\[|[^\n]* (bytes|lists) )"):
            linr.fit(FRAMES, preset="fast", metadata=one, device="cpu", progress=begun)


class OwnTeacher:
    """A user's own; what it says and gives may be anything."""

    name, id, embedding_dim = "own", "own@1", 8

    def __init__(self, given: Any = None, **facts: Any) -> None:
        self.given = given
        for name, value in facts.items():
            setattr(self, name, value)

    def embed_frames(self, frames: Any) -> Any:
        return np.full((len(frames), 8), 8**-0.5, np.float32) if self.given is None else self.given


@pytest.mark.parametrize("fact", [{"name": len}, {"id": b"x"}, {"id": "x" * 9999}, {"embedding_dim": 8.0}], ids=str)
def test_a_teacher_of_the_users_own_says_what_a_file_can_hold(fact: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="the teacher's "):
        linr.fit(FRAMES, preset="fast", prior="none", teacher=OwnTeacher(**fact), device="cpu", progress=False)


@pytest.mark.parametrize(
    "given",
    [np.ones((2, 5), "f4"), np.ones((1, 8), "f4"), np.full((2, 8), NAN), [[1] * 8] * 2, np.ones(8), "x"],
    ids=str,
)
def test_a_teacher_of_the_users_own_gives_embeddings(given: Any) -> None:
    with pytest.raises(InputError, match=r"the teacher's embed_frames gives .* where "):
        linr.fit(FRAMES, preset="fast", prior="none", teacher=OwnTeacher(given), device="cpu", progress=False)


def test_notes_of_numpy_become_pythons() -> None:
    given = {
        "a": np.float64(1),
        "b": [np.int8(2), (3, None)],
        "c": {"d": np.bool_(True)},
        "e": np.eye(2),
        "f": "é\udce9",
    }
    plain = arguments.notes("metadata", given)
    assert plain == {"a": 1.0, "b": [2, [3, None]], "c": {"d": True}, "e": [[1.0, 0.0], [0.0, 1.0]], "f": "é\udce9"}
    assert type(plain["b"][0]) is int and type(plain["c"]["d"]) is bool
    assert arguments.notes("metadata", None) == {}


@pytest.mark.parametrize(
    "value",
    [
        FRAMES.tolist(),
        [FRAMES[0], FRAMES[1, :3]],
        [[1], [1, 2]],
        ["a.mp4", "b.mp4"],
        FRAMES.astype(np.float32),
        FRAMES.astype(object),
        FRAMES.astype(np.int8),
        FRAMES[0],
        FRAMES[..., 0],
        FRAMES.transpose(0, 3, 1, 2),
        np.concatenate([FRAMES, FRAMES[..., :1]], -1),
        FRAMES[:0],
        FRAMES[:, :, :0],
        torch.ones(2, 6, 8, 3, requires_grad=True),
        torch.zeros(2, 6, 8, 3).to("meta"),
        (frame for frame in FRAMES),
        None,
        5,
        {"a": FRAMES},
        b"clip.mp4",
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_frames_is_refused(value: Any) -> None:
    with pytest.raises(InputError) as caught:
        as_frames(value)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 200


def read_only(frames: np.ndarray) -> np.ndarray:
    frames = frames.copy()
    frames.flags.writeable = False
    return frames


@pytest.mark.parametrize(
    "make",
    [
        read_only,
        np.asfortranarray,
        lambda frames: frames[::-1][::-1],
        lambda frames: np.repeat(frames, 2, axis=2)[:, :, ::2],
        list,
        tuple,
        torch.from_numpy,
    ],
)
def test_frames_may_lie_anywhere(make: Callable[[np.ndarray], Any], tmp_path: Path) -> None:
    mapped = np.memmap(tmp_path / "x", np.uint8, "w+", shape=FRAMES.shape)
    mapped[:] = FRAMES
    for frames in (make(FRAMES.copy()), mapped):
        footage = Footage(frames, size=(3, 4))
        assert footage.key() == Footage(FRAMES).key()
        assert np.array_equal(list(footage.frames()), list(Footage(FRAMES, size=(3, 4)).frames()))


@pytest.mark.parametrize(
    ("call", "name", "values"),
    [
        (lambda path, o: linr.fit_many([path], progress=False, **o), "size", SIZES[:3]),
        (lambda path, o: linr.fit_many([path], progress=False, **o), "max_frames", WHOLES[:3]),
        (lambda path, o: linr.fit_many([path], progress=False, **o), "seed", SEEDS[:3]),
        (lambda path, o: linr.fit_many([path], progress=False, **o), "together", WHOLES[:5]),
        (lambda path, o: linr.fit_many(progress=False, **o), "sources", ["a.mp4", Path("a.mp4"), FRAMES, 5, None]),
        (lambda path, o: linr.fit_rates(path, progress=False, **o), "qualities", ["50", [], 50, None]),
        (lambda path, o: video.read(path, **o), "size", SIZES),
        (lambda path, o: video.read(path, **o), "max_frames", WHOLES),
        (lambda path, o: video.read(path, **o), "max_bytes", WHOLES),
        (lambda path, o: list(video.iter_frames(path, **o)), "size", SIZES[:3]),
        (lambda path, o: video.write(path.with_name("x.mp4"), FRAMES, **o), "fps", NUMBERS),
        (lambda path, o: video.write(path.with_name("x.mp4"), FRAMES, 5, **o), "crf", ["12", None, NAN, -1, 52, True]),
        (lambda path, o: video.write(path.with_name("x.mp4"), FRAMES, 5, **o), "audio_start", ["1", None, NAN]),
        (lambda path, o: Drawing(**o), "scale", ["2", None, True, NAN, 0, 17, 1.00001, 0.99999]),
        (lambda path, o: Drawing(**o), "factor", ["2", None, True, NAN, 0.5, 65, 1.00001]),
        (lambda path, o: Drawing(**o), "audio", FLAGS),
        (lambda path, o: Drawing(**o), "motion", FLAGS),
    ],
)
def test_other_calls_refuse_wrong_arguments(
    call: Callable[..., Any], name: str, values: list[Any], tmp_path: Path
) -> None:
    path = tmp_path / "clip.mp4"
    video.write(path, FRAMES, 5)
    for value in values:
        with pytest.raises(InputError, match=name):
            call(path, {name: value})
    assert [file.name for file in tmp_path.iterdir()] == ["clip.mp4"]


def test_all_bounds_are_told() -> None:
    for check, words in (
        (partial(arguments.number, "x", "a", 0), "x must be a number of at least 0, not 'a'"),
        (partial(arguments.number, "x", 0, 0, above=True), "x must be a number above 0, not 0"),
        (partial(arguments.number, "x", 3, 0, 2, above=True), "x must be a number above 0, at most 2, not 3"),
        (partial(arguments.number, "x", 3, 1, 2), "x must be a number from 1 to 2, not 3"),
        (partial(arguments.whole, "x", 1.5, 1), "x must be a whole number of at least 1, not 1.5"),
        (partial(arguments.whole, "x", 9, 1, 2), "x must be a whole number from 1 to 2, not 9"),
    ):
        with pytest.raises(InputError) as caught:
            check()
        assert str(caught.value) == words
