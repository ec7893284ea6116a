"""Sound decoded and encoded anew as AAC by a process of its own, which may die of it: both ends of the pipe."""

from __future__ import annotations

import json
import os
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import av
import numpy as np

from .clock import file_clock, stamp_of
from .opening import open_container
from .sound_mix import Line, audio_frame
from .sound_packets import is_encrypted, on_clock

AAC_FRAME = 1024  # samples in a packet
_RATE = 48_000  # of what is encoded anew: that of video, whatever the sound's own is, which may change on the way

# Seconds in which the process must have read or made something; a busy machine may need many. A clock that may start
# again is looked for in the whole file, which takes as long as reading that.
PATIENCE, _SLOW_READING = 120.0, 10e6  # bytes a second
_SIGN_OF_LIFE = 1.0  # seconds between two, while nothing else is sent
_MOST_SAID = 200  # characters of an error

# Runs where the parent's modules are found, whatever it did to its path; a folder that happens to be the current one
# is none of them.
BOOT = "import sys; sys.path[:] = sys.argv[1:]; from {module} import main; main()"

# A record: its kind (form, packet, sign of life, note, end), the packet's stamp in samples, bytes that follow
_RECORD = struct.Struct(">cqI")
_FORM, _PACKET, _ALIVE, _NOTE, _END = b"F", b"P", b".", b"N", b"E"


class AacPacket(NamedTuple):
    """A packet of 1024 samples.

    Attributes:
        pts: in samples after the start; the first is negative, as a decoder's first samples are not heard.
        data: without a header.
    """

    pts: int
    data: bytes


class SoundLostError(Exception):
    """A sound that cannot be decoded, with the reason in a few words."""


def in_brief(error: Exception) -> str:
    """An error in a few words on one line."""
    return " ".join(str(error).split())[:_MOST_SAID] or type(error).__name__


class SoundProcess:
    """One sound of a file, decoded by another process while it is asked for; a context to be closed.

    Args:
        file: absolute path.
        stream: index of the sound in its container.
        start: seconds after the file's first picture at which the sound begins.
        notes: takes lines for people as they come.

    Attributes:
        rate: samples a second.
        channels: 1 or 2.

    Raises:
        SoundLostError: nothing of it can be decoded.
    """

    def __init__(self, file: Path, stream: int, start: float, notes: list[str]) -> None:
        self._notes = notes
        self._asked: float | None = None
        self._patience = PATIENCE + file.stat().st_size / _SLOW_READING
        self._hung = False
        root = str(Path(__file__).resolve().parents[2])
        path = [*(os.fspath(entry) for entry in sys.path if entry), root]
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-c", BOOT.format(module=__name__), *path],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"},
            )
        except (OSError, ValueError) as error:
            raise SoundLostError(f"no process could be started for it: {error}") from error
        threading.Thread(target=self._watch, daemon=True).start()
        try:
            self._ask({"file": os.fsencode(file).decode("latin-1"), "stream": stream, "start": start})
            kind, _, payload = self._next()
            if kind != _FORM:
                raise SoundLostError(json.loads(payload).get("error") or "it holds no sound")
            form = json.loads(payload)
            self.rate, self.channels = int(form["rate"]), int(form["channels"])
        except BaseException:
            self.close()
            raise

    def packets(self) -> Iterator[AacPacket]:
        """The packets in order, until the sound's end.

        Raises:
            SoundLostError: the rest cannot be decoded.
        """
        while True:
            kind, pts, payload = self._next()
            if kind == _END:
                error = json.loads(payload).get("error")
                if error:
                    raise SoundLostError(error)
                return
            yield AacPacket(pts, payload)

    def close(self) -> None:
        """Ends the process if it still runs."""
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            with suppress(OSError):
                pipe.close()  # type: ignore[union-attr]
        with suppress(subprocess.TimeoutExpired):  # a drive that hangs holds even what is killed
            self._process.wait(10)

    def _ask(self, request: dict[str, Any]) -> None:
        # The pipe stays open: its end tells the process that nobody waits for it any more.
        assert self._process.stdin
        with suppress(OSError):
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()

    def _next(self) -> tuple[bytes, int, bytes]:
        """The next record that is no mere sign of life."""
        assert self._process.stdout
        while True:
            self._asked = time.monotonic()
            head = self._process.stdout.read(_RECORD.size)
            kind, pts, size = _RECORD.unpack(head) if len(head) == _RECORD.size else (b"", 0, 0)
            payload = self._process.stdout.read(size) if size else b""
            self._asked = None
            if not kind or len(payload) < size:
                raise SoundLostError(self._why())
            if kind == _NOTE:
                self._notes.append(json.loads(payload))
            elif kind != _ALIVE:
                return kind, pts, payload

    def _why(self) -> str:
        """What became of the process, which gave no more."""
        assert self._process.stderr
        if self._hung:
            return f"decoding it stood still for {self._patience:.0f} seconds"
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(10)
        status = self._process.poll()
        if status is None:
            return "decoding it stopped"
        lines = self._process.stderr.read().decode(errors="replace").split("\n")
        said = next((f": {line.strip()[:_MOST_SAID]}" for line in reversed(lines) if line.strip()), "")
        name = f"ended with status {status}"
        if status < 0:
            with suppress(ValueError):
                name = f"was ended by {signal.Signals(-status).name}"
        return f"the process that decoded it {name}{said}"

    def _watch(self) -> None:
        """Ends the process when it stands still while something is waited for."""
        while self._process.poll() is None:
            time.sleep(min(1.0, self._patience / 4))
            asked = self._asked
            if asked is not None and time.monotonic() - asked > self._patience:
                self._hung = True
                self._process.kill()


def main() -> None:
    """The process's own part: a request in by one line of JSON, records out."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is the parent's, which then ends this process
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever native code may print goes elsewhere
    request = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    file = Path(os.fsdecode(request["file"].encode("latin-1")))
    told: dict[str, str] = {}
    try:
        for kind, pts, payload in _records(file, request["stream"], request["start"]):
            _send(out, kind, pts, payload)
    except BrokenPipeError:
        os._exit(0)
    except Exception as error:
        told["error"] = in_brief(error)
    with suppress(OSError):
        _send(out, _END, 0, json.dumps(told).encode())
    # Not the ordinary way out: what PyAV would free twice is not freed at all
    os._exit(0)


def _send(out: BinaryIO, kind: bytes, pts: int, payload: bytes) -> None:
    out.write(_RECORD.pack(kind, pts, len(payload)) + payload)
    out.flush()


def _end_with_parent() -> None:
    while os.read(0, 1024):
        pass
    os._exit(1)


def _records(file: Path, index: int, start: float) -> Iterator[tuple[bytes, int, bytes]]:
    notes: list[str] = []
    line: Line | None = None
    encoder: Any = None
    buffered = np.zeros((0, 0), np.float32)
    position, spoke = 0, time.monotonic()
    for frame, when in _frames(file, index, start, notes):
        while line and notes:
            yield _NOTE, 0, json.dumps(notes.pop(0)).encode()
        if frame is None:
            if time.monotonic() - spoke > _SIGN_OF_LIFE:
                spoke = time.monotonic()
                yield _ALIVE, 0, b""
            continue
        if line is None or encoder is None:
            line = Line(_RATE, 1 if frame.layout.nb_channels == 1 else 2)
            encoder = aac_encoder(line.rate, line.channels)
            buffered = np.zeros((line.channels, 0), np.float32)
            yield _FORM, 0, json.dumps({"rate": line.rate, "channels": line.channels}).encode()
        for part in line.take(frame, when):
            buffered = np.concatenate([buffered, part], axis=1)
            while buffered.shape[1] >= AAC_FRAME:
                piece, buffered = buffered[:, :AAC_FRAME], buffered[:, AAC_FRAME:]
                yield from _coded(encoder, audio_frame(piece, line.rate, position))
                position += AAC_FRAME
    if line is None:
        raise SoundLostError("; ".join(notes) or "it is empty")
    while notes:
        yield _NOTE, 0, json.dumps(notes.pop(0)).encode()
    rest = np.concatenate([buffered, *line.end()], axis=1)
    for first in range(0, rest.shape[1], AAC_FRAME):
        piece = rest[:, first : first + AAC_FRAME]
        piece = np.pad(piece, ((0, 0), (0, AAC_FRAME - piece.shape[1])))
        yield from _coded(encoder, audio_frame(piece, line.rate, position))
        position += AAC_FRAME
    yield from _coded(encoder, None)


def aac_encoder(rate: int, channels: int) -> Any:
    """FFmpeg's AAC encoder, at a rate of bits that is transparent for most.

    Args:
        rate: samples a second, one that AAC knows.
        channels: 1 or 2.
    """
    encoder: Any = av.CodecContext.create("aac", "w")
    encoder.sample_rate, encoder.layout, encoder.format = rate, "mono" if channels == 1 else "stereo", "fltp"
    encoder.bit_rate = bit_rate(channels)
    return encoder


def bit_rate(channels: int) -> int:
    """Bits a second of mono or stereo."""
    return 96_000 * channels


def _coded(encoder: Any, frame: Any) -> Iterator[tuple[bytes, int, bytes]]:
    for packet in encoder.encode(frame):
        yield _PACKET, packet.pts, bytes(packet)


def _frames(file: Path, index: int, start: float, notes: list[str]) -> Iterator[tuple[Any, float | None]]:
    """Decoded frames with their time; None for each packet read, as a sign of life."""
    clock = file_clock(file)
    yield None, None
    damaged = decoded = 0
    with open_container(file) as container:
        stream = container.streams[index]
        for seconds, packet in on_clock(container, stream, clock, clock.first + start, notes):
            yield None, None
            if is_encrypted(stream, packet):
                raise SoundLostError("it is encrypted")
            stamp = stamp_of(packet)
            shift = None if stamp is None else seconds - float(stamp * packet.time_base)
            try:
                frames = stream.codec_context.decode(packet)
            except av.error.FFmpegError:
                damaged += 1
                if damaged == 1:
                    notes.append("pieces of its sound are damaged and were left out")
                continue
            decoded += len(frames)
            for frame in frames:
                known = frame.pts is not None and shift is not None
                yield frame, float(frame.pts * frame.time_base) + shift if known else None  # type: ignore[operator]
        with suppress(av.error.FFmpegError, EOFError):
            for frame in stream.codec_context.decode(None):
                yield frame, None
    if damaged and not decoded:
        raise SoundLostError(f"none of its {damaged} pieces could be")
