"""Speed is judged by its gates."""

from __future__ import annotations

from typing import Any

from benchmarks.speed.judge import gates

CPU = {"device": "cpu"}


def verdicts(part: str, *rows: dict[str, Any]) -> list[tuple[str, float]]:
    return [(row["verdict"], row["value"]) for row in gates({part: rows})]


def decoded(fps: float, **changes: Any) -> dict[str, Any]:
    return {**CPU, "size": "320x180", "preset": "fast", "threads": 2, "batch": 1, "fps": fps, **changes}


def test_frames_a_second_at_320x180_on_two_threads() -> None:
    assert verdicts("decode", decoded(39.9), decoded(30.0, batch=8)) == [("MISSED", 39.9)]
    assert verdicts("decode", decoded(39.9), decoded(40.0, batch=8)) == [("passed", 40.0)]
    assert verdicts("decode", decoded(99, threads=1), decoded(99, size="160x90")) == []
    aims = [gates({"decode": [decoded(fps)]})[0]["aim_verdict"] for fps in (119.0, 121.0)]
    assert aims == ["missed", "reached"]


def test_a_frame_of_a_long_file() -> None:
    row = {**CPU, "file": "320x180x300", "preset": "fast", "threads": 2, "max_ms": 99.0}
    assert verdicts("frame", {**row, "median_ms": 60.5}) == [("MISSED", 60.5)]
    assert verdicts("frame", {**row, "median_ms": 24.0}) == [("passed", 24.0)]


def length(frames: int, **changes: Any) -> dict[str, Any]:
    row = {**CPU, "on": "cpu", "clip": "long", "preset": "fast", "frames": frames, "psnr": 34.0, "peak_mib": 1000}
    return {**row, "cpu_a_frame": 0.2, "wall_a_frame": 0.3, **changes}


def test_long_videos_against_short_ones() -> None:
    passed = verdicts("length", length(1700, peak_mib=1150, cpu_a_frame=0.22, psnr=33.5), length(400))
    assert passed == [("passed", 1.15), ("passed", 1.1), ("passed", 0.5)]
    missed = verdicts("length", length(400), length(1700, peak_mib=1160, cpu_a_frame=0.23, psnr=33.4))
    assert [verdict for verdict, _ in missed] == 3 * ["MISSED"]
    assert verdicts("length", length(400)) == []
    assert verdicts("length", length(400), length(1700, preset="best")) == []
    # on a GPU the wall counts, and better pictures are welcome
    on_gpu = [length(400, on="cuda"), length(1700, on="cuda", wall_a_frame=0.6, cpu_a_frame=0.1, psnr=40.0)]
    assert verdicts("length", *on_gpu) == [("passed", 1.0), ("MISSED", 2.0), ("passed", -6.0)]


def test_memory_by_size_and_the_pictures_of_a_library() -> None:
    row = {**CPU, "size": "3840x2160", "preset": "fast"}
    assert verdicts("sizes", {**row, "peak_mib": 25_000}) == [("MISSED", 25_000)]
    on_card = verdicts("sizes", {**row, "peak_mib": 9_000, "peak_gpu_mib": 22_889})
    assert on_card == [("MISSED", 22_889), ("passed", 9_000)]  # 24 GB are 22,888 MiB
    library = {**CPU, "frames": "320x180x300", "preset": "fast", "videos": 4, "videos_an_hour": 30.0}
    assert [verdicts("throughput", {**library, "psnr": psnr})[0][0] for psnr in (32.9, 33.0)] == ["MISSED", "passed"]
