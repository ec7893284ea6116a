"""Sounds as people have them, each with a flash and a tone at one instant: a table of what ffmpeg is to write."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

FPS, FLASH = 10, 1.0  # pictures a second, and seconds after the first one
_H264 = "-c:v libx264 -crf 8 -g 10 -bf 0 -pix_fmt yuv420p"
_MPEG4 = "-c:v mpeg4 -q:v 2 -g 10"


@dataclass(frozen=True)
class Case:
    """One file with a sound.

    Attributes:
        name: of the file, with its extension.
        args: for ffmpeg, behind the inputs: codec of the sound, and more.
        channels: of the sound.
        rate: samples a second.
        video: for ffmpeg, the codec of the pictures.
        seconds: of the sound; the pictures last 3.
        change: what is done to the file that ffmpeg has written.
        silent: whether it cannot be heard, and a note is what is due.
    """

    name: str
    args: str
    channels: int = 2
    rate: int = 48000
    video: str = _H264
    seconds: float = 3.0
    change: Callable[[Path], None] | None = None
    silent: bool = False


def make(case: Case, folder: Path) -> Path:
    """Writes a case's file.

    Raises:
        RuntimeError: ffmpeg cannot; the message is its last line.
    """
    path = folder / case.name
    clean = base(folder, case.channels, case.rate, case.seconds)
    ffmpeg("-i", clean, *case.video.split(), "-strict", "-2", *shlex.split(case.args), path)
    if case.change:
        case.change(path)
    return path


def ffmpeg(*args: object) -> bytes:
    """Runs ffmpeg, and gives what it writes to its output.

    Raises:
        RuntimeError: it fails; the message is its last line.
    """
    command = ["ffmpeg", "-v", "error", "-y", "-nostdin", *map(str, args)]
    done = subprocess.run(command, capture_output=True, check=False, timeout=300)
    if done.returncode:
        raise RuntimeError(done.stderr.decode(errors="replace").strip().split("\n")[-1][:200])
    return done.stdout


def base(folder: Path, channels: int, rate: int, seconds: float, pictures: float = 3.0) -> Path:
    """Lossless: grey pictures, three of them white from `FLASH` on; and silence, but for a tone meanwhile."""
    path = folder / f"_base_{channels}_{rate}_{seconds}_{pictures}.mkv"
    if path.exists():
        return path
    count = round(pictures * FPS)
    frames = np.full((count, 64, 96, 3), 40, np.uint8) + np.arange(count, dtype=np.uint8)[:, None, None, None]
    first = round(FLASH * FPS)
    frames[first : first + 3] = 250
    when = np.arange(round(seconds * rate)) / rate
    heard = (when >= FLASH) & (when < FLASH + 0.3)
    wave = (np.where(heard, 0.5 * np.sin(2 * np.pi * 1000 * when), 0) * 32767).astype("<i2")
    raw = folder / "_pictures.rgb", folder / "_sound.pcm"
    raw[0].write_bytes(frames.tobytes())
    raw[1].write_bytes(np.repeat(wave[:, None], channels, 1).tobytes())
    ffmpeg(
        *("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "96x64", "-r", FPS, "-i", raw[0]),
        *("-f", "s16le", "-ar", rate, "-ac", channels, "-i", raw[1], "-c:v", "ffv1", "-c:a", "pcm_s16le", path),
    )
    return path


# --- what is done to files


def joined(args: str, channels: int, rate: int, offset: float = 3.0) -> Callable[[Path], None]:
    """Behind a transport stream another one whose sound is of another form, as at a programme's change."""

    def change(path: Path) -> None:
        clean, second = base(path.parent, channels, rate, 3.0), path.with_name("_second.ts")
        ffmpeg("-i", clean, *_H264.split(), *args.split(), "-output_ts_offset", offset, second)
        path.write_bytes(path.read_bytes() + second.read_bytes())

    return change


def replaced(old: bytes, new: bytes) -> Callable[[Path], None]:
    """One code in the file for another."""
    return lambda path: _write(path, path.read_bytes().replace(old, new))


def damaged(first: int, last: int) -> Callable[[Path], None]:
    """The sound's packets from `first` to `last` overwritten."""

    def change(path: Path) -> None:
        data = bytearray(path.read_bytes())
        with av.open(str(path)) as container:
            packets = [(packet.pos, bytes(packet)) for packet in container.demux(audio=0) if packet.size]
        noise = np.random.default_rng(0)
        for position, packet in packets[first:last]:
            begin = data.index(packet, max(0, position))  # Matroska gives the position of the block around it
            data[begin : begin + len(packet)] = noise.bytes(len(packet))
        path.write_bytes(data)

    return change


def cut(share: float) -> Callable[[Path], None]:
    """The file ends early."""
    return lambda path: _write(path, path.read_bytes()[: round(path.stat().st_size * share)])


def stamped(stamp: Callable[[int, float], float | None]) -> Callable[[Path], None]:
    """The sound's packets with other stamps: seconds from number and seconds; None leaves the packet out."""

    def change(path: Path) -> None:
        copy = path.with_name("_copy" + path.suffix)
        path.rename(copy)
        with av.open(str(copy)) as source, av.open(str(path), "w") as target:
            streams = {one.index: target.add_stream_from_template(one) for one in source.streams}
            number = 0
            for packet in source.demux():
                if packet.dts is None:
                    continue
                if packet.stream.type == "audio":
                    time = stamp(number, float(packet.pts * packet.time_base))
                    number += 1
                    if time is None:
                        continue
                    packet.pts = packet.dts = round(time / packet.time_base)
                packet.stream = streams[packet.stream_index]
                target.mux(packet)

    return change


def ahead(number: int) -> Callable[[Path], None]:
    """One packet of the sound in a Matroska file is stamped half a minute ahead."""

    def change(path: Path) -> None:
        data = bytearray(path.read_bytes())
        with av.open(str(path)) as container:
            packet = [packet for packet in container.demux(audio=0) if packet.size][number]
            begin = data.index(bytes(packet), max(0, packet.pos))
        data[begin - 3 : begin - 1] = (30_000).to_bytes(2, "big")  # milliseconds, in the block's head
        path.write_bytes(data)

    return change


def ambisonic(path: Path) -> None:
    """Opus whose four channels are an ambisonic sound field, an order of channels of its own."""
    data = bytearray(path.read_bytes())
    data[data.index(b"OpusHead") + 18] = 2
    path.write_bytes(data)


def unknown_first(path: Path) -> None:
    """Two sounds, of which the first, the default, is of a codec that nobody knows."""
    replaced(b"sowt", b"zz9a")(path)


def _write(path: Path, data: bytes) -> None:
    path.write_bytes(data)


CASES: Sequence[Case] = (
    # codecs that are copied
    Case("aac.mp4", "-c:a aac"),
    Case("aac.ts", "-c:a aac"),
    Case("aac_51.mp4", "-c:a aac", channels=6),
    Case("aac_71.mp4", "-c:a aac", channels=8),
    Case("aac_latm.ts", "-c:a aac -mpegts_flags latm"),
    Case("aac_96k.mp4", "-c:a aac", rate=96000),
    Case("aac_8k.mkv", "-c:a aac", channels=1, rate=8000),
    Case("aac.flv", "-c:a aac"),
    Case("aac.avi", "-c:a aac", video=_MPEG4),
    Case("mp3.mkv", "-c:a libmp3lame"),
    Case("mp3_8k.mkv", "-c:a libmp3lame", channels=1, rate=8000),
    Case("mp3_44k.avi", "-c:a libmp3lame", rate=44100, video=_MPEG4),
    Case("opus.mkv", "-c:a libopus"),
    Case("opus_51.mkv", "-c:a libopus", channels=6),
    Case("opus_8.mkv", "-c:a libopus -mapping_family 255", channels=8),
    Case("opus.webm", "-c:a libopus", video="-c:v libvpx -b:v 1M"),
    Case("flac_192k.mkv", "-c:a flac", rate=192000),
    Case("flac_8.mkv", "-c:a flac", channels=8),
    # codecs that become AAC
    Case("vorbis.ogg", "-c:a libvorbis -f ogg", video="-c:v libtheora -q:v 8"),
    Case("vorbis_8.mkv", "-c:a libvorbis", channels=8),
    Case("ac3_51.ts", "-c:a ac3", channels=6),
    Case("eac3.mp4", "-c:a eac3", channels=6),
    Case("dts.mkv", "-c:a dca", channels=6),
    Case("truehd.mkv", "-c:a truehd", channels=6),
    Case("mp2_44k.mpg", "-c:a mp2 -r 25", rate=44100, video="-c:v mpeg2video -q:v 2"),
    Case("alac_24bit.mov", "-c:a alac -sample_fmt s32p"),
    Case("alac_8.mov", "-c:a alac", channels=8),
    Case("wma.wmv", "-c:a wmav2", rate=44100, video="-c:v wmv2 -q:v 2"),
    Case("wavpack_8.mkv", "-c:a wavpack", channels=8),
    Case("tta.mkv", "-c:a tta"),
    Case("speex.ogg", "-c:a libspeex -f ogg", channels=1, rate=16000, video="-c:v libtheora -q:v 8"),
    Case("g722.mkv", "-c:a g722", channels=1, rate=16000),
    Case("gsm.mov", "-c:a libgsm", channels=1, rate=8000),
    Case("ima.mov", "-c:a adpcm_ima_qt", rate=44100),
    Case("ms.avi", "-c:a adpcm_ms", rate=22050, video=_MPEG4),
    Case("swf.flv", "-c:a adpcm_swf", rate=22050, video="-c:v flv -q:v 2"),
    Case("nellymoser.flv", "-c:a nellymoser", channels=1, rate=22050, video="-c:v flv -q:v 2"),
    # PCM, of any width, order and number of channels
    Case("u8_8k.avi", "-c:a pcm_u8", channels=1, rate=8000, video=_MPEG4),
    Case("s16be.mov", "-c:a pcm_s16be"),
    Case("s24_96k.mov", "-c:a pcm_s24le", rate=96000),
    Case("s32.mkv", "-c:a pcm_s32le"),
    Case("f32_192k.mkv", "-c:a pcm_f32le", rate=192000),
    Case("f64.mov", "-c:a pcm_f64le"),
    Case("alaw.mov", "-c:a pcm_alaw", channels=1, rate=8000),
    Case("mulaw.mov", "-c:a pcm_mulaw", channels=1, rate=11025),
    Case("s16_37k.mkv", "-c:a pcm_s16le", rate=37000),
    Case("s16_3.mkv", "-c:a pcm_s16le", channels=3),
    Case("s16_5.mov", "-c:a pcm_s16le", channels=5),
    Case("s16_8.mov", "-c:a pcm_s16le", channels=8),
    Case("s16_8.mxf", "-c:a pcm_s16le -r 25", channels=8, video="-c:v mpeg2video -q:v 2"),
    Case("s24_12.mov", "-c:a pcm_s24le", channels=12),
    Case("s16_16.mkv", "-c:a pcm_s16le", channels=16),
    Case("s24_24.mov", "-c:a pcm_s24le", channels=24),
    Case("ambisonic.mkv", "-c:a libopus -mapping_family 255", channels=4, change=ambisonic),
    Case("s302m.ts", "-c:a s302m", channels=8),
    # changes on the way
    Case("ac3_to_51.ts", "-c:a ac3", change=joined("-c:a ac3", 6, 48000)),
    Case("mp2_to_44k.ts", "-c:a mp2", change=joined("-c:a mp2", 2, 44100)),
    Case("aac_to_44k.ts", "-c:a aac", change=joined("-c:a aac", 2, 44100)),
    Case("aac_to_mono.ts", "-c:a aac", change=joined("-c:a aac", 1, 48000)),
    Case("mp3_to_24k.ts", "-c:a libmp3lame", change=joined("-c:a libmp3lame", 1, 24000)),
    Case("aac_restarts.ts", "-c:a aac", change=joined("-c:a aac", 2, 48000, offset=0.0)),
    # damage, and sounds that nobody can read
    Case("ac3_head_lost.mkv", "-c:a ac3", change=damaged(0, 10)),
    Case("aac_head_lost.mp4", "-c:a aac", change=damaged(0, 10)),
    Case("flac_damaged.mkv", "-c:a flac", change=damaged(1, 6)),
    Case("pcm_cut.mov", "-c:a pcm_s16le -movflags +faststart", change=cut(0.8)),
    Case("all_lost.mkv", "-c:a ac3", change=damaged(0, 1000), silent=True),
    Case("unknown.mov", "-c:a pcm_s16le", change=replaced(b"sowt", b"zz9a"), silent=True),
    Case(
        "unknown_first.mov",
        "-map 0:v -map 0:a -map 0:a -c:a:0 pcm_s16le -c:a:1 aac -disposition:a:0 default -disposition:a:1 0",
        change=unknown_first,
    ),
    Case(
        "encrypted.mp4",
        "-c:a aac -encryption_scheme cenc-aes-ctr -encryption_key 0123456789abcdef0123456789abcdef "
        "-encryption_kid 00112233445566778899aabbccddeeff",
        silent=True,
    ),
    # clocks
    Case("packet_ahead.mkv", "-c:a aac", change=ahead(30)),
    Case("packet_ahead_pcm.mkv", "-c:a pcm_s16le", change=ahead(30)),
    Case("hole.mkv", "-c:a ac3", change=stamped(lambda k, time: None if 5 <= k < 20 else time)),
    Case("hole.mp4", "-c:a aac", change=stamped(lambda k, time: None if 5 <= k < 20 else time)),
    Case("starts_late.mp4", "-c:a aac -af atrim=0.5,asetpts=PTS"),
    Case("starts_late.mkv", "-c:a pcm_s16le -af atrim=0.5,asetpts=PTS"),
    Case("longer.mp4", "-c:a aac", seconds=5.0),
    Case("shorter.mov", "-c:a pcm_s16le", seconds=1.6),
)
