"""What a rate-distortion record says, on rows whose answer is known."""

from __future__ import annotations

import pytest

from benchmarks.rate_distortion import judge as rd_judge
from benchmarks.rate_distortion.judge import Row
from benchmarks.shared.codecs import CODECS, REFERENCE
from benchmarks.shared.records import insert, title


def ladder(clip: str, codec: str, lift: float = 0.0, rates: tuple[float, ...] = (0.1, 0.2, 0.4, 0.8)) -> list[Row]:
    """3 dB for each doubling of the rate, 30 dB at .1 bpp."""
    return [
        {"clip": clip, "codec": codec, "bpp": rate, "psnr": 30.0 + lift + 3 * k, "ms_ssim": 1 - 0.1 / 2**k}
        for k, rate in enumerate(rates)
    ]


def files(clip: str, lift: float) -> list[Row]:
    return [
        {"clip": clip, "quality": quality, "bpp": rate, "psnr": psnr + lift, "ms_ssim": 0.95}
        for quality, rate, psnr in ((35.0, 0.1, 30.0), (50.0, 0.2, 33.0), (65.0, 0.4, 36.0))
    ]


CODEC_ROWS = [row for clip in ("a", "b") for codec in CODECS for row in ladder(clip, codec.name)]


def test_the_gap_is_taken_at_equal_bytes() -> None:
    row = {"clip": "a", "quality": 50.0, "bpp": 0.1 * 2**0.5, "psnr": 32.0, "ms_ssim": 0.9}
    straight = [row for row in ladder("a", REFERENCE)[:2]]
    assert rd_judge.judge(straight, [row])[0][f"gap, {REFERENCE}"] == pytest.approx(0.5, abs=0.01)


def test_gate_and_aim() -> None:
    ours = files("a", 1.0) + files("b", -7.5)
    judged = rd_judge.judge(CODEC_ROWS, ours)
    assert all(row["gate"] == "passed" for row in judged)
    found = rd_judge.verdict(judged)
    assert found["gate"] == "passed" and found["aim"] == "reached" and found["level_or_better"] == 1
    assert found["worst_gap"] == -7.5 and found["worst_at"].startswith("b, quality")
    found = rd_judge.verdict(rd_judge.judge(CODEC_ROWS, files("a", -0.1) + files("b", -8.5)))
    assert found["gate"] == "MISSED" and found["aim"] == "missed"


def test_beyond_the_ladder_a_codec_is_taken_at_its_best() -> None:
    row = {"clip": "a", "quality": 50.0, "bpp": 2.0, "psnr": 40.0, "ms_ssim": 0.99}
    judged = rd_judge.judge(CODEC_ROWS, [row])[0]
    assert judged["codec_at_its_best"] and judged[f"gap, {REFERENCE}"] == pytest.approx(1.0)


def test_below_the_ladder_nothing_passes() -> None:
    row = {"clip": "a", "quality": 50.0, "bpp": 0.05, "psnr": 40.0, "ms_ssim": 0.99}
    judged = rd_judge.judge(CODEC_ROWS, [row])
    assert judged[0]["gate"] == "no ladder"
    assert rd_judge.verdict(judged)["gate"] != "passed"
    assert rd_judge.verdict(rd_judge.judge(CODEC_ROWS, [row, *files("b", 1)]))["gate"] == "MISSED"


def test_bd_rates() -> None:
    half = [{**row, "bpp": row["bpp"] / 2} for row in files("a", 0)]
    rates = rd_judge.bd_rates(CODEC_ROWS, half + files("b", 30))
    assert rates[0]["clip"] == "a" and rates[0][REFERENCE] == pytest.approx(-50)
    assert rates[1][REFERENCE] is None


def test_the_table_replaces_what_stood_between_the_marks() -> None:
    table = rd_judge.markdown(CODEC_ROWS, files("a", -2) + files("b", 1))
    lines = table.splitlines()
    assert len(lines) == 4 and lines[2].startswith("| b | 0.20 | 34.0 dB | +1.0 dB") and "| -2.0 dB |" in lines[3]
    begin, end = rd_judge.MARKS
    once = insert(f"before\n{begin}\nold\n{end}\nafter\n", table, begin, end)
    assert once == f"before\n{begin}\n{table}\n{end}\nafter\n"
    assert insert(once, table, begin, end) == once


def test_names_of_clips() -> None:
    names = {"dog_catch_720p": "dog catch", "foreman_cif": "foreman", "mixed_scenes_qcif_1700f": "mixed scenes"}
    assert {clip: title(clip) for clip in names} == names
