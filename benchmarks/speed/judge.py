"""What a record of speed says: each measurement against its gate, by device."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ..shared.clocks import Row

LEAST_FPS, AIMED_FPS = 40.0, 120.0  # 320x180, two threads
MOST_MS, AIMED_MS = 60.0, 25.0  # one frame of a long file
MOST_MEMORY_RATIO, MOST_SECONDS_RATIO, MOST_PSNR_LOST = 1.15, 1.1, 0.5
MOST_HOST_MIB = 24 * 1024
MOST_GPU_MIB = 24e9 / (1 << 20)
LEAST_PSNR = 33.0  # of a library's videos


def gates(record: Mapping[str, Sequence[Row]]) -> list[Row]:
    """Every gate that the rows of a record can be held against."""
    parts = (_decode, _frame, _length, _sizes, _throughput)
    return [gate for part in parts for gate in part(record)]


def _gate(device: str, name: str, value: float, limit: float, aim: float | None = None, least: bool = False) -> Row:
    def holds(bound: float) -> bool:
        return value >= bound if least else value <= bound

    row: Row = {"device": device, "gate": name, "value": value, "at least" if least else "at most": round(limit, 2)}
    row["verdict"] = "passed" if holds(limit) else "MISSED"
    if aim is not None:
        row |= {"aim": aim, "aim_verdict": "reached" if holds(aim) else "missed"}
    return row


def _decode(record: Mapping[str, Sequence[Row]]) -> Iterator[Row]:
    best: dict[tuple[str, str], float] = {}
    for row in record.get("decode", ()):
        if row["size"] == "320x180" and row["threads"] == 2:
            key = row["device"], row["preset"]
            best[key] = max(best.get(key, 0.0), row["fps"])
    for (device, preset), fps in best.items():
        yield _gate(device, f"frames a second, 320x180, two threads, {preset}", fps, LEAST_FPS, AIMED_FPS, least=True)


def _frame(record: Mapping[str, Sequence[Row]]) -> Iterator[Row]:
    for row in record.get("frame", ()):
        name = f"milliseconds to a frame of {row['file']}, {row['preset']}"
        yield _gate(row["device"], name, row["median_ms"], MOST_MS, AIMED_MS)


def _length(record: Mapping[str, Sequence[Row]]) -> Iterator[Row]:
    kinds: dict[tuple[str, str, str], list[Row]] = {}
    for row in record.get("length", ()):
        kinds.setdefault((row["device"], row["clip"], row["preset"]), []).append(row)
    for (device, _, preset), rows in kinds.items():
        short, *_, long = sorted(rows, key=lambda row: row["frames"]) if len(rows) > 1 else (None, None)
        if short is None or long is None:
            continue
        clock = "wall_a_frame" if long["on"].startswith("cuda") else "cpu_a_frame"
        what = f"{long['frames']} frames to {short['frames']}, {preset}"
        ratios = (("memory", "peak_mib", MOST_MEMORY_RATIO), ("seconds a frame", clock, MOST_SECONDS_RATIO))
        for name, key, most in ratios:
            yield _gate(device, f"{name}, {what}", round(long[key] / max(short[key], 1e-9), 3), most)
        yield _gate(device, f"dB lost, {what}", round(short["psnr"] - long["psnr"], 2), MOST_PSNR_LOST)


def _sizes(record: Mapping[str, Sequence[Row]]) -> Iterator[Row]:
    for row in record.get("sizes", ()):
        name = f"{row['size']}, {row['preset']}"
        if "peak_gpu_mib" in row:
            yield _gate(row["device"], f"MiB on the card, {name}", row["peak_gpu_mib"], MOST_GPU_MIB)
        yield _gate(row["device"], f"MiB of host memory, {name}", row["peak_mib"], MOST_HOST_MIB)


def _throughput(record: Mapping[str, Sequence[Row]]) -> Iterator[Row]:
    for row in record.get("throughput", ()):
        name = (
            f"dB of the worst of {row['videos']} at {row['videos_an_hour']} an hour, {row['frames']}, {row['preset']}"
        )
        yield _gate(row["device"], name, row["psnr"], LEAST_PSNR, least=True)
