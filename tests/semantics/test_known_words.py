"""Words that the small teacher learned from: the file against the captions' generators, and what is said of others."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

from fiftyone_latent_inr.resources import hub_models_dir
from fiftyone_latent_inr.semantics import known_words
from fiftyone_latent_inr.semantics.known_words import FILE, LOGGER, KnownWords, read_known_words
from fiftyone_latent_inr.semantics.teachers import Teacher, load_teacher
from fiftyone_latent_inr.small_world.clips import captions
from fiftyone_latent_inr.small_world.world import COLOURS, SHAPES, random_specs
from training.small_teacher.known_words import known_words as learned

SMALL = hub_models_dir() / "small-teacher"


@pytest.fixture(scope="module")
def known() -> KnownWords:
    found = read_known_words(SMALL)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def small() -> Teacher:
    return load_teacher("small", device="cpu")


def test_the_file_holds_the_words_of_the_trainings_captions() -> None:
    """Other captions of the same generator have the same words, each of which comes dozens of times."""
    assert json.loads((SMALL / FILE).read_text()) == learned(seed=5, count=12_000)


def test_the_copy_of_the_zoo_source_is_one() -> None:
    copy = hub_models_dir() / "known_words.py"
    assert copy.read_bytes() == Path(known_words.__file__).read_bytes()


def test_nothing_is_said_of_the_worlds_own_captions(known: KnownWords) -> None:
    for spec in random_specs(300, seed=3, two_shapes=0.5):
        for text in captions(spec):
            assert known.warning([text]) is None and known.singular(text) == text
    for word in (*COLOURS, *SHAPES):
        assert known.warning([word]) is None, word


def test_every_word_that_names_something_has_a_vector(known: KnownWords) -> None:
    """Tokens that training never met are rows of zeros in the file."""
    import open_clip

    tokenizer = open_clip.tokenizer.SimpleTokenizer(context_length=24)
    with safe_open(SMALL / "open_clip_model.safetensors", framework="pt") as file:
        table = file.get_tensor("token_embedding.weight").float()
    met = table.abs().sum(1) > 0
    assert all(bool(met[tokenizer.encode(word)].all()) for word in known.names | known.others)
    assert not bool(met[tokenizer.encode("rabbit")].any())


@pytest.mark.parametrize(
    ("text", "unknown", "empty"),
    [
        ("a rabbit", ["rabbit"], True),
        ("a red rabbit", ["rabbit"], False),
        ("a boy playing basketball", ["boy", "playing", "basketball"], True),
        ("A Red CIRCLE and two blue squares", ["two"], False),
        ("the plus signs", [], None),
        ("show me all of my red circles, please", [], None),
        ("a small moving thing", [], True),  # of captions, but nothing that a frame shows
        ("a bluish circle's edge", ["bluish", "edge"], False),
        ("glass", ["glass"], True),
        ("красный круг", ["красный", "круг"], True),
        ("\N{RABBIT FACE}", [], True),
        ("the", [], True),
    ],
)
def test_words_that_no_caption_had_are_named(
    known: KnownWords, text: str, unknown: list[str], empty: bool | None
) -> None:
    warning = known.warning([text])
    assert known.unknown([text]) == unknown
    if empty is None:
        assert warning is None
        return
    assert warning is not None and "\n" not in warning and "ViT-B-32/laion2b_s34b_b79k" in warning
    assert all(repr(word) in warning for word in unknown)
    assert ("means nothing" in warning) is empty and ("the other words" in warning) is not empty


def test_a_warning_stays_a_line_whatever_is_asked(known: KnownWords) -> None:
    warning = known.warning(["\x1b[31mzebra\nforged line", "word" * 5000, *(f"w{k}x" for k in range(50))])
    assert warning is not None and warning.isprintable() and len(warning) < 700 and "and 48 more" in warning


def test_plurals_are_read_as_the_word_that_was_learned(
    small: Teacher, known: KnownWords, caplog: pytest.LogCaptureFixture
) -> None:
    assert known.singular("Red circles and two CROSSES") == "red circle and two cross"
    plural, single, nothing = small.embed_text(["squares", "square", "rabbits"])
    np.testing.assert_array_equal(plural, single)
    assert float(plural @ nothing) < 0.9
    assert len(caplog.records) == 1 and "'rabbits'" in caplog.text


def test_a_teacher_warns_of_texts_and_only_of_those_that_it_does_not_know(
    small: Teacher, caplog: pytest.LogCaptureFixture
) -> None:
    small.embed_text(["a red circle on a white background", "blue stars"])
    assert caplog.records == []
    small.embed_text(["a rabbit"])
    assert [(r.name, r.levelno) for r in caplog.records] == [(LOGGER, logging.WARNING)]


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"[]", b"{", b"\xff", b'{"name": 3}', b"[" * 100_000, b" " * (1 << 20) + b"{}"),
        b'{"names": ["a"], "others": [], "name": "x"}',
        json.dumps({"name": "x", "about": "a\x1bb", "names": [], "others": []}).encode(),
        json.dumps({"name": "x", "about": "y", "names": [3], "others": []}).encode(),
    ],
    ids=range(10),
)
def test_a_file_of_another_kind_says_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    assert read_known_words(tmp_path) is None


def test_a_folder_without_the_file_knows_any_word(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = shutil.copytree(SMALL, tmp_path / "own", ignore=shutil.ignore_patterns(FILE))
    load_teacher(folder, device="cpu").embed_text(["a rabbit"])
    assert read_known_words(folder) is None and caplog.records == []
