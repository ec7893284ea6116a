"""Teachers by name, and loaded."""

from pathlib import Path

import pytest

from fiftyone_latent_inr import InputError
from fiftyone_latent_inr.datasets import teachers
from fiftyone_latent_inr.semantics.teachers import DEFAULT_TEACHER, load_teacher


def test_names():
    assert teachers.teacher_name(None) is None and teachers.teacher_name("small") == "small"
    assert teachers.teacher_name(teachers.DEFAULT_TEACHER) == DEFAULT_TEACHER
    assert teachers.teacher_name(Path("some/folder")) == "some/folder"


def test_checks_load_nothing(monkeypatch):
    monkeypatch.setattr("fiftyone_latent_inr.semantics.teachers.Teacher", None)
    for name in (None, "small", "default"):
        teachers.check_teacher(name)
    with pytest.raises(InputError, match="unknown teacher 'smal'"):
        teachers.check_teacher("smal")


def test_loading():
    small = teachers.load("small", "cpu")
    assert small.name == "small" and small.id == load_teacher("small", device="cpu").id
    assert teachers.load(small, None) is small and teachers.load(None, "cpu") is None
