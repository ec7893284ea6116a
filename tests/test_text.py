"""Text of strangers: what a terminal would not show is escaped, other text stays as it is, and length is bounded."""

from __future__ import annotations

import json
import pickle
import sys
import unicodedata

import pytest

from fiftyone_latent_inr.arguments import shown
from fiftyone_latent_inr.errors import BitstreamError, InputError, LatentINRError
from fiftyone_latent_inr.progress import FitProgress
from fiftyone_latent_inr.text import LONGEST, brief, json_text, log_line, one_line

FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
ENGLAND = "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"
# Signs that Unicode counts among its controls of format, though they are seen.
SEEN = {*range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD}
SEEN |= {*range(0x13430, 0x13440), *range(0x1BCA0, 0x1BCA4)}


def test_every_control_is_escaped_and_nothing_else() -> None:
    for number in range(sys.maxunicode + 1):
        character = chr(number)
        if unicodedata.category(character) == "Cn":  # what later versions of Unicode may say of it
            continue
        control = unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp") and number not in SEEN
        assert (one_line(f"a{character}b") != f"a{character}b") == control, hex(number)


@pytest.mark.parametrize(
    "name",
    [
        *("動画 – größer.mp4", "סרט ישן.mp4", "فيلم.mp4", "می\u200cخواهم.mp4", "क्\u200dष.mp4", "ｶ゛.mp4"),
        *("e\u0301.mp4", f"{FAMILY}.mp4", f"{ENGLAND}.mp4", "❤\ufe0f\u200d\U0001f525.mp4", "葛\U000e0100.mp4"),
        *(r"C:\clips\new.mp4", "100% %s.mp4", "a  b 'c' \"d\".mp4"),
    ],
)  # fmt: skip
def test_names_of_any_script_stay_as_they_are(name: str) -> None:
    assert one_line(name) == log_line(name) == str(InputError(name)) == name
    assert json_text(json.dumps(name, ensure_ascii=False)) == json.dumps(name, ensure_ascii=False)


def test_joiners_that_join_nothing_are_shown() -> None:
    assert one_line("clip\u200d.mp4 \u200c") == r"clip\u200d.mp4 \u200c"
    assert one_line(f"{FAMILY[:2]}\u200d") == rf"{FAMILY[0]}" + "\u200d" + r"\u200d"
    assert one_line("\udce9\u200d\u180e\u200d") == r"\udce9\u200d\u180e\u200d"


def test_json_is_escaped_in_its_own_way() -> None:
    data = {"a\x9b\u202e\n": ["\udce9\x1b", "\x7f\U000e0041", f"動{FAMILY}"], "b": 1}
    text = json_text(json.dumps(data, indent=2, ensure_ascii=False))
    assert json.loads(text) == data and f"動{FAMILY}" in text
    assert all(one_line(line) == line for line in text.splitlines()) and len(text.splitlines()) == 8


@pytest.mark.parametrize("kind", [LatentINRError, InputError, BitstreamError])
def test_errors_are_one_line_of_bounded_length(kind: type[LatentINRError]) -> None:
    error = kind("clip.mp4: " + "\x1b[2J" * 300_000 + "\nmend it\u202e")
    for text in (str(error), str(pickle.loads(pickle.dumps(error))), str(kind(error)), error.args[0]):
        assert len(text) <= LONGEST and text == one_line(text)
        assert text.startswith(r"clip.mp4: \x1b[2J") and text.endswith(r"\nmend it\u202e")


def test_notes_of_a_fit_are_one_line() -> None:
    assert FitProgress("decode", 1, 1, message="a\x1b.mp4\nfine").message == r"a\x1b.mp4\nfine"


def test_libraries_errors_are_brief() -> None:
    assert brief(OSError("no\n  such\x1b codec")) == r"no such\x1b codec" and brief(KeyError()) == "KeyError"
    assert len(brief("x" * 10**6)) == LONGEST and brief("abcdef", 3) == "abc"


def test_values_are_shown_in_few_words() -> None:
    assert len(shown("x" * 10**6)) < 100 and len(shown(["動"] * 10**5)) < 100
    assert shown(10**5000) == "a number far out of range" and shown("a\nb") == r"'a\nb'"
