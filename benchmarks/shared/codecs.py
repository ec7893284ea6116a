"""Video codecs to compare with, through PyAV: frames in, the bytes of a file and the frames it decodes to out.

    RGB frames --swscale--> YUV --encoder--> MP4 --> decoder --> YUV --swscale--> RGB frames

Every choice here favours the codec. Colours are converted with Lanczos filters and exact rounding, both ways (on
Bunny .5 dB above swscale's defaults in 4:2:0); encoders run on one thread, where they are at their best and give the
same bytes again (x264: but for a few); and a file is counted twice: `bytes` is the whole MP4, `packet_bytes` only what
a decoder cannot do without, that is the parameter sets and the packets, less the note of 670 bytes that x264 leaves in
the first one.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from av.video.reformatter import VideoReformatter

from fiftyone_latent_inr.frames.metrics import bpp, ms_ssim, psnr
from fiftyone_latent_inr.video.rgb import SWS_ACCURATE_RND, SWS_FULL_CHR_H_INP, SWS_FULL_CHR_H_INT

# Counted into a codec's digest: raise it whenever the same codec and frames would be measured otherwise.
PROTOCOL = 1
# What ladders have to bracket, in bits per pixel.
LEAST_BPP, ENOUGH_BPP = 0.04, 1.7

_SWS_LANCZOS = 0x200
_FLAGS = _SWS_LANCZOS | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT | SWS_FULL_CHR_H_INP
# BT.601, limited range: what is tagged, what is written and what is read back are the same.
_SWS_ITU601, _MATRIX_SMPTE170M, _LIMITED = 5, 6, 1
_H264_SEI = 6

Video = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Codec:
    """An encoder with its settings, and its qualities from the lowest to the highest.

    Attributes:
        name: name in tables and plots.
        encoder: FFmpeg's name of the encoder.
        pix_fmt: pixel format that frames are converted to.
        crfs: the ladder, coarsest first.
        options: the encoder's options but for `crf`.
        in_plots: whether it has a curve of its own in the plots.
    """

    name: str
    encoder: str
    pix_fmt: str
    crfs: tuple[int, ...]
    options: Mapping[str, str] = field(default_factory=dict)
    in_plots: bool = True

    def digest(self) -> str:
        """Twelve hexadecimal digits that change with whatever changes what is measured."""
        parts = [self.encoder, self.pix_fmt, self.crfs, dict(self.options), PROTOCOL, LEAST_BPP, ENOUGH_BPP]
        libraries = {name: list(version) for name, version in sorted(av.library_versions.items())}
        return hashlib.sha256(json.dumps([parts, libraries], sort_keys=True).encode()).hexdigest()[:12]


_X26X = (*range(51, 0, -4), 0)  # x264's last one is lossless but for the colours
_MEDIUM = {"preset": "medium"}
# info=0: without it x265 puts 2.3 KB about itself into each file.
_X265 = {**_MEDIUM, "x265-params": "log-level=error:pools=none:frame-threads=1:info=0"}
# PyAV carries SVT-AV1, not libaom; its presets go from 0 (slowest) to 13, and 6 is about as slow here as x265's medium.
_SVT_AV1 = {"preset": "6", "svtav1-params": "lp=1"}

REFERENCE = "x264 4:2:0"
CODECS = (
    Codec(REFERENCE, "libx264", "yuv420p", _X26X, _MEDIUM),
    Codec("x264 4:4:4", "libx264", "yuv444p", _X26X, _MEDIUM),
    Codec("x265 4:2:0", "libx265", "yuv420p", _X26X, _X265),
    Codec("AV1 4:2:0", "libsvtav1", "yuv420p", (*range(63, 0, -5), 1), _SVT_AV1),
    # x264 aims at the eye by default and gives some PSNR for it; here it aims at PSNR.
    Codec("x264 4:2:0, tune psnr", "libx264", "yuv420p", _X26X, {**_MEDIUM, "tune": "psnr"}, in_plots=False),
)


def encode(frames: Video, codec: Codec, crf: int, fps: int = 25) -> bytes:
    """The MP4 file of these frames.

    Args:
        frames: uint8 (T, H, W, 3) RGB, H and W even.
        codec: the encoder and its settings.
        crf: its quality; lower is better.
        fps: frames a second; encoders spend their bits by it.
    """
    # SVT-AV1 otherwise prints a page for each file; it reads this when it first runs.
    os.environ.setdefault("SVT_LOG", "1")
    file = io.BytesIO()
    reformatter = VideoReformatter()
    with _usual_priority(), av.open(file, "w", format="mp4") as container:
        stream: Any = container.add_stream(codec.encoder, rate=fps, options={**codec.options, "crf": str(crf)})
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], codec.pix_fmt
        context = stream.codec_context
        context.thread_count = 1
        context.colorspace, context.color_range = _MATRIX_SMPTE170M, _LIMITED
        for index, frame in enumerate(frames):
            picture = reformatter.reformat(
                av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24"),
                format=codec.pix_fmt,
                dst_colorspace=_SWS_ITU601,
                dst_color_range=_LIMITED,
                interpolation=_FLAGS,
            )
            picture.colorspace, picture.color_range, picture.pts = _MATRIX_SMPTE170M, _LIMITED, index
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return file.getvalue()


@contextmanager
def _usual_priority() -> Iterator[None]:
    """Gives this thread its scheduling back.

    As root, SVT-AV1 makes the thread that opens it a real-time one, and so all threads and processes that it starts
    from then on: whatever else runs on the machine stands still.
    """
    if not hasattr(os, "sched_getscheduler"):  # not Linux
        yield
        return
    before = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        os.sched_setscheduler(0, *before)


def decode(data: bytes) -> Iterator[Video]:
    """The frames of an MP4 file, uint8 (H, W, 3) RGB each."""
    reformatter = VideoReformatter()
    with av.open(io.BytesIO(data)) as container:
        for frame in container.decode(video=0):
            yield to_rgb(frame, reformatter)


def to_rgb(frame: av.VideoFrame, reformatter: VideoReformatter) -> Video:
    """uint8 (H, W, 3) of a decoded frame, chroma interpolated as well as swscale can."""
    return np.asarray(reformatter.reformat(frame, format="rgb24", interpolation=_FLAGS).to_ndarray(), dtype=np.uint8)


def bare_stream(data: bytes) -> tuple[bytes, list[bytes]]:
    """What a decoder cannot do without: an MP4 file's parameter sets and its packets.

    x264's note about itself is taken out. AV1 repeats its sequence header in the stream, so that the container's
    copy counts nothing.
    """
    with av.open(io.BytesIO(data)) as container:
        stream = container.streams.video[0]
        kind = stream.codec_context.name
        headers = b"" if "av1" in kind else bytes(stream.codec_context.extradata or b"")
        packets = [bytes(packet) for packet in container.demux(stream) if packet.size]
    return headers, [_without_notes(packet) if kind == "h264" else packet for packet in packets]


def bare_size(data: bytes) -> int:
    """Bytes of `bare_stream`."""
    headers, packets = bare_stream(data)
    return len(headers) + sum(map(len, packets))


def _without_notes(packet: bytes) -> bytes:
    """An H.264 packet of an MP4 file (a length of four bytes before each unit) without its SEI units."""
    kept, position = [], 0
    while position < len(packet):
        end = position + 4 + int.from_bytes(packet[position : position + 4], "big")
        if packet[position + 4] & 31 != _H264_SEI:
            kept.append(packet[position:end])
        position = end
    return b"".join(kept)


def quality(frames: Video, rebuilt: Video) -> dict[str, float]:
    """PSNR and MS-SSIM, frame by frame, of frames against what became of them; both uint8 (T, H, W, 3)."""
    similar = [ms_ssim(a[None], b[None]) for a, b in zip(frames, rebuilt, strict=True)]
    return {"psnr": round(psnr(frames, rebuilt), 3), "ms_ssim": round(float(np.mean(similar)), 5)}


def measure(frames: Video, codec: Codec, crf: int, data: bytes | None = None) -> dict[str, object]:
    """One rung: bytes, bits per pixel (of `packet_bytes`), PSNR and MS-SSIM; `data` where it is encoded already."""
    data = data or encode(frames, codec, crf)
    packet_bytes = bare_size(data)
    return {
        "crf": crf,
        "bytes": len(data),
        "packet_bytes": packet_bytes,
        "bpp": round(bpp(packet_bytes, *frames.shape[:3]), 5),
        **quality(frames, np.stack(list(decode(data)))),
    }


def measure_ladder(frames: Video, codec: Codec) -> Iterator[dict[str, object]]:
    """Rungs from the last below `LEAST_BPP` up to the first above `ENOUGH_BPP`, as far as the codec's CRFs reach."""
    below: tuple[int, bytes] | None = None
    for crf in codec.crfs:
        data = encode(frames, codec, crf)
        rate = bpp(bare_size(data), *frames.shape[:3])
        if rate < LEAST_BPP:
            below = crf, data
            continue
        if below is not None:
            yield measure(frames, codec, *below)
            below = None
        yield measure(frames, codec, crf, data)
        if rate > ENOUGH_BPP:
            return
    if below is not None:
        yield measure(frames, codec, *below)
