"""What a teacher of few words says of texts: which of their words it never learned, and plurals as it knows them.

A file beside a teacher's weights lists the words of its training's captions. Teachers without one, such as OpenCLIP's
own, learned from any words, and nothing is said of them.

`hub_models/known_words.py` is a copy of this file, since the zoo source works without the package; a test holds them
together. The standard library alone is needed.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

FILE = "known_words.json"
# Of the warnings; one name for the package and the zoo source, so that whoever searches can listen to both.
LOGGER = "latent_inr"
ADVICE = "For real scenes fit with an OpenCLIP teacher, such as ViT-B-32/laion2b_s34b_b79k (teacher=, --teacher)"
_MAX_BYTES = 1 << 20
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
# Words that ask, join or point, and mean nothing by themselves to any teacher.
_STOP = frozenset(
    [
        *("a", "all", "an", "and", "any", "are", "as", "at", "by", "find", "for", "get", "give", "has", "have", "i"),
        *("it", "its", "me", "my", "of", "or", "please", "search", "show", "some", "these", "this", "those", "to"),
        *("what", "where", "who", "you"),
    ]
)
_SHOWN = 6


@dataclass(frozen=True)
class KnownWords:
    """The words of a teacher's training.

    Attributes:
        name: name of the teacher.
        about: what its captions were about, such as "plain coloured shapes".
        names: words that the teacher can see in a frame, in lower case.
        others: words that its captions had and no frame showed.
    """

    name: str
    about: str
    names: frozenset[str]
    others: frozenset[str]

    def singular(self, text: str) -> str:
        """The text with plurals of known words as the teacher met them: "red circles" is "red circle"."""
        return _WORD.sub(lambda match: self._known(match[0].lower()) or match[0], text)

    def unknown(self, texts: Iterable[str]) -> list[str]:
        """Words of the texts that no caption had, in lower case, each once, in their order."""
        words = (word for text in texts for word in words_of(text))
        return list(dict.fromkeys(w for w in words if w not in _STOP and self._known(w) is None))

    def warning(self, texts: Sequence[str]) -> str | None:
        """A line for people about texts of which the teacher does not know every word, or None."""
        unknown, empty = self.unknown(texts), [text for text in texts if not self._says(text)]
        if not unknown and not empty:
            return None
        shown = ", ".join(map(_short, unknown[:_SHOWN])) + (
            f" and {len(unknown) - _SHOWN} more" * (len(unknown) > _SHOWN)
        )
        parts = [f"teacher {self.name!r} learned from captions of {self.about} alone"]
        parts[0] += f", and none had {shown}" if unknown else ""
        if empty:
            more = f" (and {len(empty) - 1} more)" if len(empty) > 1 else ""
            parts.append(f"it understands no word of {_short(empty[0])}{more}, so what it finds means nothing")
        else:
            parts.append("it goes by the other words")
        return f"{'; '.join(parts)}. {ADVICE}"

    def _known(self, word: str) -> str | None:
        """The word as captions had it, itself or its singular; None for a word that none had."""
        bare = re.sub(r"['’]s$", "", word)
        candidates = (word, bare, bare.removesuffix("s"), bare.removesuffix("es"))
        return next((one for one in candidates if one in self.names or one in self.others), None)

    def _says(self, text: str) -> bool:
        return any(self._known(word) in self.names for word in words_of(text))


def read_known_words(folder: str | Path) -> KnownWords | None:
    """The words of the teacher in a folder; None where no file, or none of this kind, says them."""
    path = Path(folder) / FILE
    try:
        if not path.is_file() or path.stat().st_size > _MAX_BYTES:
            return None
        found = json.loads(path.read_bytes())
        name, about, names, others = (found[key] for key in ("name", "about", "names", "others"))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    if not all(isinstance(text, str) and len(text) <= 80 and text.isprintable() for text in (name, about)):
        return None
    if not all(isinstance(words, list) and all(isinstance(word, str) for word in words) for words in (names, others)):
        return None
    return KnownWords(name, about, frozenset(names), frozenset(others))


def heed(known: KnownWords | None, texts: Iterable[str]) -> list[str]:
    """The texts as a teacher is to read them; warns in the log of words that it does not know."""
    texts = list(texts)
    if known is None:
        return texts
    warning = known.warning(texts)
    if warning is not None:
        logging.getLogger(LOGGER).warning("%s", warning)
    return [known.singular(text) for text in texts]


def words_of(text: str) -> list[str]:
    """The words of a text, in lower case."""
    return [match.lower() for match in _WORD.findall(text)]


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:60]}…")
