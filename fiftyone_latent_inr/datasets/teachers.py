"""Teachers of fits and pretrainings, given by name or loaded: checked without being loaded, and loaded once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ..resources import hub_models_dir
from ..semantics import teacher_files, teachers
from ..semantics.known_words import ADVICE, read_known_words

DEFAULT_TEACHER = "default"


def teacher_name(teacher: str | os.PathLike[str] | None) -> str | None:
    """The teacher's name, with that of the package's own choice in place of `default`; None for none."""
    if teacher is None:
        return None
    return teachers.DEFAULT_TEACHER if teacher == DEFAULT_TEACHER else os.fspath(teacher)


def check_teacher(teacher: str | None) -> None:
    """Checks a teacher's name without loading it; None is no teacher, and fine.

    Raises:
        InputError: there is no teacher of this name.
    """
    name = teacher_name(teacher)
    # The usual names need no look at OpenCLIP's list, whose import takes seconds
    if name not in (None, teachers.DEFAULT_TEACHER, teachers.SMALL):
        teacher_files.find_source(str(name))


def what_it_knows(teacher: str | None) -> str | None:
    """A line about a teacher of few words, for forms; None of one that learned from any words, and of none."""
    folder = hub_models_dir() / "small-teacher" if teacher == teachers.SMALL else Path(teacher or "").expanduser()
    known = read_known_words(folder) if teacher and folder.is_absolute() else None
    if known is None:
        return None
    return (
        f"Teacher {known.name!r} knows {known.about} alone ({', '.join(sorted(known.names))}). It finds videos for any "
        f"other text, too, but that means nothing. {ADVICE}"
    )


def load(teacher: Any, device: str | None) -> Any:
    """The teacher of a name or directory; one that is loaded already, and None, are returned as they are.

    Raises:
        InputError: there is no such teacher.
        TeacherUnavailableError: its weights cannot be had.
    """
    if not isinstance(teacher, str | os.PathLike):
        return teacher
    return teachers.load_teacher(str(teacher_name(teacher)), device=device)
