"""Records: digests of the code that figures depend on, and files with a row a line."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from benchmarks.shared import records
from benchmarks.space_time import run as space_time


def test_code_digests_see_code_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records.fiftyone_latent_inr, "__file__", str(tmp_path / "__init__.py"))

    def digest(**texts: str) -> str:
        folder = tmp_path / "part"
        shutil.rmtree(folder, ignore_errors=True)
        for name, text in texts.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / f"{name}.py").write_text(text)
        return records.code_digest("part")

    one, two = "def f():\n    return 1\n", "class A:\n    x = 2\n"
    first = digest(one=one + two)
    assert digest(one='"""Says."""\n# why\n' + one.replace("return", '"""Does."""\n    return'), two=two) == first
    assert digest(elsewhere=f"import os\nfrom ..a import b\nif TYPE_CHECKING:\n    import c\n{two}", one=one) == first
    assert digest(one=one.replace("    return", "    from .a import b\n    return"), two=two) == first
    assert digest(one=one) != first
    assert digest(one=one + two.replace("2", "3")) != first
    with pytest.raises(FileNotFoundError):
        records.code_digest("nothing")


@pytest.mark.parametrize("parts", [records.FIT_CODE, space_time.TRIVIAL_CODE])
def test_records_name_what_is_there(parts: tuple[str, ...]) -> None:
    assert len({records.code_digest(part) for part in parts}) == len(parts)


def test_a_record_has_a_row_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "RESULTS", tmp_path / "benchmarks" / "results")
    (tmp_path / "benchmarks").mkdir()
    record = {"rows": [{"a": 1, "text": "{\n  odd  }"}, {"a": [1, 2]}], "verdict": {}}
    path = records.write_record("some", record)
    assert {**records.read_record("some"), "machine": None} == {**record, "machine": None}
    assert len([line for line in path.read_text().splitlines() if '"a"' in line]) == 2
