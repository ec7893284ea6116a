"""What the program ffmpeg makes of a file, apart from the package: frames, seconds, the instants of flash and tone."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import numpy as np

_EXACT, _PLAIN = "bilinear+accurate_rnd+full_chroma_int", "bilinear"
# Streams alone, without a container that would say when a frame is shown.
_RAW = {"h264", "hevc", "m4v", "mpegvideo", "jpeg_pipe", "mjpeg", "mpjpeg", "obu", "h263", "h261", "dirac"}
_BRIGHT, _LOUD = 150, 0.05
_EARLY = 30  # seconds of silence before the tone's clock, so that sound before its zero is not lost


def versions() -> dict[str, str]:
    """The versions of the program, and of PyAV and the FFmpeg that is inside."""
    import av

    first = _run("ffmpeg", "-version").stdout.decode().splitlines()[0]
    return {"ffmpeg": first.split()[2], "pyav": av.__version__, "pyav_ffmpeg": _inside(av)}


def _inside(av: Any) -> str:
    return str(getattr(av, "ffmpeg_version_info", "")) or ".".join(map(str, av.library_versions["libavcodec"]))


def _run(*command: object) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([str(part) for part in command], capture_output=True, check=False, timeout=300)


def probe(path: Path) -> dict[str, Any]:
    """What `ffprobe` says of streams and format; empty where it cannot read the file."""
    done = _run("ffprobe", "-v", "error", "-of", "json", "-show_streams", "-show_format", path)
    found: dict[str, Any] = json.loads(done.stdout or b"{}")
    return found


def frames(path: Path, exact: bool = True) -> np.ndarray:
    """All frames of the stream that ffmpeg chooses: uint8 (T, H, W, 3); T is 0 where it decodes none.

    8-bit 4:2:0 is converted plainly, fields apart where a frame has fields. Of what else has fewer colours than
    pixels, colours are interpolated by zimg: ffmpeg 5.1's own scaler takes their rows to be half a row higher up than
    they are, by which it is several levels off at sharp edges.

    Args:
        path: the file.
        exact: as described; otherwise all is left to that scaler, as the bare command does.
    """
    main = _main(probe(path))
    stored = str(main.get("pix_fmt", ""))
    plain = stored in ("yuv420p", "yuvj420p")
    flags = _PLAIN if plain else _EXACT
    filters = f"scale=interl={-1 if exact else 0}:flags={flags}"
    if exact and not plain and stored.startswith(("yuv4", "yuvj4")) and "444" not in stored:
        place = main.get("chroma_location", "center").replace("unspecified", "center")
        full = "yuvj444p" if stored.startswith("yuvj") else "yuv444p"
        depth = "".join(part for part in ("10le", "12le", "16le") if stored.endswith(part))
        filters = f"zscale=chromalin={place}:filter=bilinear,format={full}{depth},{filters}"
    done = _run(
        *("ffmpeg", "-v", "error", "-nostdin", "-i", path, "-an", "-sn", "-dn", "-vsync", "passthrough"),
        *("-vf", filters, "-sws_flags", flags, "-pix_fmt", "rgb24", "-c:v", "ppm", "-f", "image2pipe", "-"),
    )
    found, at, data = [], 0, done.stdout
    while head := re.compile(rb"P6\n(\d+) (\d+)\n255\n").match(data, at):
        width, height = int(head[1]), int(head[2])
        at = head.end() + 3 * width * height
        found.append(np.frombuffer(data[head.end() : at], np.uint8).reshape(height, width, 3))
    return np.stack(found) if found else np.empty((0, 1, 1, 3), np.uint8)


def _main(found: dict[str, Any]) -> dict[str, Any]:
    pictures = [one for one in found.get("streams", ()) if one["codec_type"] == "video"]
    pictures = [one for one in pictures if not one["disposition"]["attached_pic"]]
    return max(pictures, key=lambda one: one.get("width", 0) * one.get("height", 0), default={})


def seconds(path: Path) -> float | None:
    """How long the pictures are shown: as `ffprobe` says of them, else of the file, else as ffmpeg spaces them.

    Of a raw stream, whose duration is unknown or a guess from its bytes: its frames at the rate that ffprobe says.
    """
    found = probe(path)
    if found.get("format", {}).get("format_name") in _RAW:
        above, below = _main(found)["r_frame_rate"].split("/")
        return len(frames(path)) * int(below) / int(above)
    for said in (_main(found), found.get("format", {})):
        if "duration" in said:
            return float(said["duration"])
    return spaced_seconds(path)


def spaced_seconds(path: Path) -> float | None:
    """From the first frame's begin to the last one's end, as ffmpeg stamps them; None without a frame."""
    done = _run(
        *("ffmpeg", "-v", "error", "-nostdin", "-i", path, "-an", "-vsync", "passthrough", "-f", "framemd5", "-"),
    )
    base, rows = 1.0, []
    for line in done.stdout.decode(errors="replace").splitlines():
        if line.startswith("#tb"):
            above, below = line.split()[-1].split("/")
            base = int(above) / int(below)
        elif line and not line.startswith("#"):
            cells = line.split(",")
            rows.append((int(cells[2]) * base, int(cells[3]) * base))
    return sum(rows[-1]) - rows[0][0] if rows else None


def flash_and_tone(path: Path) -> tuple[float | None, float | None]:
    """When the first white picture is shown, and when the tone begins, seconds on the file's clock; None: never."""
    gray = _run(
        *("ffmpeg", "-v", "error", "-nostdin", "-copyts", "-i", path, "-map", "0:V:0", "-an", "-vsync", "passthrough"),
        *("-vf", "scale=1:1:flags=area,format=gray", "-f", "rawvideo", "-"),
    )
    times = _run(
        *("ffprobe", "-v", "error", "-select_streams", "V:0", "-show_entries", "frame=best_effort_timestamp_time"),
        *("-of", "csv=p=0", path),
    )
    stamps = [line.strip().strip(",") for line in times.stdout.decode().split()]
    known = [float(stamp) for stamp in stamps if stamp not in ("", "N/A")]
    white = [time for time, level in zip(known, gray.stdout, strict=False) if level > _BRIGHT]
    sound = _run(
        *("ffmpeg", "-v", "error", "-nostdin", "-copyts", "-i", path, "-map", "0:a:0?", "-vn"),
        # the first one's rate must be the second one's: `first_pts` counts samples of what comes in
        *("-af", f"aresample=48000,aresample=48000:async=1:first_pts={-48000 * _EARLY},aformat=channel_layouts=mono"),
        *("-f", "f32le", "-"),
    )
    loud = np.flatnonzero(np.abs(np.frombuffer(sound.stdout[: len(sound.stdout) // 4 * 4], "<f4")) > _LOUD)
    return (white[0] if white else None), (float(loud[0]) / 48000 - _EARLY if len(loud) else None)
