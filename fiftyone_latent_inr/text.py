"""Text of strangers, made fit to be shown: names, headers and errors on one line of any terminal, log or form."""

from __future__ import annotations

import json
import re

# What a message takes at most, and what of it is its end: it begins with what cannot be done and ends with the reason.
LONGEST, _END = 1000, 400

# Letters and pictures of scripts that have joiners, as far as they are seen themselves.
_SEEN = "\u0600-\u061b\u061d-\u180d\u180f-\u1fff\u2030-\u205f\u2070-\ud7ff\ue000-\ufefe\uff00-\ufff8\ufffc-\U0001d172"
_SEEN += "\U0001d17b-\U0001ffff"

# Line breaks, what moves a terminal's cursor, what turns the direction of writing, what is not seen at all, and bytes
# of names that are no text. Joiners stay where a script or an emoji needs them, tags in flags that are made of them.
_NOT_SHOWN = re.compile(
    "\U0001f3f4[\U000e0020-\U000e007e]{1,10}\U000e007f"
    "|(?P<hidden>[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U0001d173-\U0001d17a\U000e0000-\U000e007f]|(?<![" + _SEEN + "])[\u200c\u200d])"
)


def one_line(text: object) -> str:
    r"""The text on one line that any terminal and any log can show: what is not shown is escaped, as in `\n`.

    Other text stays as it is, whatever its script.
    """
    return _NOT_SHOWN.sub(lambda found: _python(found[0]) if found["hidden"] else found[0], str(text))


def log_line(text: object) -> str:
    """`one_line` of at most `LONGEST` characters; what is left out is in the middle."""
    text = str(text)
    # a message of millions of characters is not escaped for the few that are kept
    text = one_line(text if len(text) <= 2 * LONGEST else text[:LONGEST] + text[-LONGEST:])
    return text if len(text) <= LONGEST else f"{text[: LONGEST - _END - 3]} … {text[-_END:]}"


def brief(error: BaseException | str, most: int = LONGEST) -> str:
    """An error in one line: databases and decoders may answer with a page."""
    return log_line(" ".join(str(error).split()) or type(error).__name__)[:most]


def json_text(document: str) -> str:
    r"""JSON that any terminal can show and any reader reads as before: what is not shown is escaped, as in `\u001b`."""
    # its own line breaks are layout
    return _NOT_SHOWN.sub(lambda found: found[0] if found["hidden"] in (None, "\n") else _json(found[0]), document)


def _python(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def _json(text: str) -> str:
    return json.dumps(text)[1:-1].replace("\x7f", "\\u007f")
