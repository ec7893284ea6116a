"""A small view of files as people have them: fitted or failed in a line, drawn, and nothing twice."""

import pytest

from benchmarks.real_files import view


@pytest.mark.slow
def test_a_small_view(tmp_path):
    record = view.in_a_process(tmp_path, 12)
    assert not record["wrong"]
    assert record["files"] >= 6 and record["fitted"]["fitted"] >= 2 and record["fitted"]["failed"] >= 2
    assert record["drawn"]["drawn"] >= 2 and set(record["again"]) == {"skipped", "failed"}
    assert set(record["drawn_again"]) == {"skipped"}
    kinds = {row["kind"] for row in record["rows"]}
    assert {"folder", "odd"} <= kinds


def test_it_sees_what_it_looks_for():
    """Each claim, broken."""
    from types import SimpleNamespace as Some

    cases = {i: view.Case(f"/v/{i}.mp4", "odd", True) for i in "abc"}
    failed = Some(sample_id="b", filepath="/v/b.mp4", reason="ValueError: could not")
    summary = Some(fitted=["a", "a"], adopted=[], skipped=[], failed=[failed])
    records = [("ERROR", "oh", True), ("WARNING", failed.reason, False), ("INFO", failed.reason, False)]
    said = " | ".join(view.wrong_with(summary, "fitted", 2, cases, records))
    for part in (
        "3 samples were asked for, 2",
        "2 once more",
        "a traceback with 'oh'",
        "no clear line",
        "tells 2 times",
    ):
        assert part in said, part
