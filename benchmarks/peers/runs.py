"""What the other methods share: frames on disk, a run of a checkout as a process of its own, what it left behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from ..shared.clips import Clip, Video, cut

_TAIL = 12  # lines of a log that say why it ended
# A package may be there and not load: made for another torch, or without what it needs itself.
_TRY = """
import importlib, json, sys
bad = {}
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except Exception as error:
        bad[name] = f"{type(error).__name__}: {error}"
print(json.dumps(bad))
"""


class PeerError(Exception):
    """A method could not be run or read; the message says what was missing."""


@dataclass(frozen=True)
class PeerFit:
    """One fit of another method.

    Attributes:
        frames: folder of PNG files, one a frame, in order.
        shape: (T, H, W).
        parameters: number of parameters at most, as far as the method lets one choose.
        units: length of the fit, in the method's own unit.
        folder: empty folder that it writes to.
        compiled: whether it may use `torch.compile` where it does by itself.
        smoke: whether this is a run on the CPU that only shows that it runs.
    """

    frames: Path
    shape: tuple[int, int, int]
    parameters: int
    units: int
    folder: Path
    compiled: bool = True
    smoke: bool = False

    @property
    def pixels(self) -> int:
        """T * H * W."""
        return self.shape[0] * self.shape[1] * self.shape[2]


@dataclass(frozen=True)
class Found:
    """What a method reached.

    Attributes:
        decoded: frames decoded from what is stored, uint8 (T, H, W, 3).
        parameters: stored numbers.
        stored: bytes of all that is needed to decode.
        stored_as: the way they are stored, in words.
        seconds: seconds of the fit, measurements left out, by the method's own clock.
        seconds_per_unit: seconds a unit, of its steady part.
        fps: frames a second, as the method itself measures them.
        own: figures as the method itself counts or prints them.
    """

    decoded: Video
    parameters: int
    stored: int
    stored_as: str
    seconds: float
    seconds_per_unit: float
    fps: float
    own: Mapping[str, float]


@dataclass(frozen=True)
class Peer:
    """How another method is run and read.

    Attributes:
        name: name in tables.
        unit: unit that its length is counted in.
        full: units of its own full run.
        trial: units that show how long one takes.
        entry: a file of the checkout by which it is known.
        needs: modules without which it does not run.
        stand_ins: modules that it imports, but does not use with PNG frames.
        paths: folders of the checkout that Python must search.
        command: function that gives Python's arguments, from the checkout and the fit.
        read: function that reads what came of it, given the fit and the log.
    """

    name: str
    unit: str
    full: int
    trial: int
    entry: str
    needs: tuple[str, ...]
    stand_ins: tuple[str, ...]
    paths: tuple[str, ...]
    command: Callable[[Path, PeerFit], list[str]]
    read: Callable[[PeerFit, str], Found]


@dataclass(frozen=True)
class Runner:
    """Where and how the others' processes run.

    Attributes:
        python: the interpreter.
        packages: folders with what it lacks.
        limit: seconds after which a run is ended.
    """

    python: str = sys.executable
    packages: Sequence[Path] = ()
    limit: float = 560

    def run(self, peer: Peer, checkout: Path, task: PeerFit) -> tuple[Found, float]:
        """Runs one fit.

        Returns:
            What it reached, and the wall seconds of the whole process.

        Raises:
            PeerError: it cannot run, or came to a bad end.
        """
        if not (checkout / peer.entry).is_file():
            raise PeerError(f"{checkout} is not a checkout of {peer.name}: it has no {peer.entry}")
        shim = task.folder / "shim"
        shim.mkdir(parents=True)  # and the folder itself
        shutil.copy(Path(__file__).with_name("stand_ins.py"), shim / "sitecustomize.py")
        paths = [shim, *(checkout / path for path in peer.paths), *self.packages]
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(str(path.resolve()) for path in paths)}
        env |= {"LATENT_INR_STAND_INS": "", "LATENT_INR_ON_CPU": ""}
        missing = self._missing((*peer.needs, *peer.stand_ins), env)
        if lacking := [f"{name} ({missing[name]})" for name in peer.needs if name in missing]:
            raise PeerError(f"{peer.name} needs {', '.join(lacking)}: install it, or name a folder with --packages")
        env["LATENT_INR_STAND_INS"] = ",".join(name for name in peer.stand_ins if name in missing)
        if task.smoke:
            env |= {"LATENT_INR_ON_CPU": "1", "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
        start = time.monotonic()
        log = self._process([self.python, *peer.command(checkout.resolve(), task)], task.folder, env, peer.name)
        wall = time.monotonic() - start
        return peer.read(task, log), wall

    def _missing(self, names: Sequence[str], env: Mapping[str, str]) -> dict[str, str]:
        """Those of the modules that do not load, with the reason."""
        done = subprocess.run(
            [self.python, "-c", _TRY, *names], env=dict(env), capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise PeerError(f"{self.python} does not run: {done.stderr.strip()[-300:]}")
        missing: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
        return missing

    def _process(self, command: Sequence[str], folder: Path, env: Mapping[str, str], name: str) -> str:
        path = folder / "log.txt"
        with path.open("w") as log:
            # a session of its own, so that the workers of its data loaders end with it
            process = subprocess.Popen(
                command, cwd=folder, env=dict(env), stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )
            try:
                status = process.wait(self.limit)
            except subprocess.TimeoutExpired:
                raise PeerError(f"{name} took longer than {self.limit:g} s: ask for less, or raise --limit") from None
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
        text = path.read_text(errors="replace")
        if status:
            raise PeerError(f"{name} ended with status {status}; its last lines:\n{last_lines(text)}")
        return text


def last_lines(log: str) -> str:
    """The end of a log."""
    return "\n".join(log.rstrip().splitlines()[-_TAIL:])


def read_frames(source: Path, count: int, crop: tuple[int, int] | None) -> Video:
    """The first frames of a video, of a `.npy` file of uint8 (T, H, W, 3), or of a folder of PNG files, cut."""
    if not source.exists():
        raise PeerError(f"there is no {source}: give a video, an array (.npy) or a folder of PNG files with --frames")
    if not source.is_dir():
        return Clip(source, None, crop).read(count)
    files = sorted(source.glob("*.png"))[:count]
    if not files:
        raise PeerError(f"{source} has no PNG files")
    return cut(np.stack([read_picture(file) for file in files]), crop)


def write_frames(frames: Video, folder: Path) -> Path:
    """Writes one PNG file a frame into a new folder."""
    folder.mkdir(parents=True)
    for k, frame in enumerate(frames):
        Image.fromarray(frame).save(folder / f"f{k:05d}.png", compress_level=1)
    return folder


def read_picture(path: Path) -> Video:
    """A picture, uint8 (H, W, 3)."""
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


def read_decoded(files: Sequence[Path], shape: tuple[int, int, int], name: str, left: int = 0) -> Video:
    """Decoded frames from their pictures, from column `left` on.

    Raises:
        PeerError: there are not as many as frames, or they are of another size.
    """
    if len(files) != shape[0]:
        raise PeerError(f"{name} wrote {len(files)} decoded pictures of {shape[0]} frames")
    decoded = np.stack([read_picture(file)[:, left:] for file in files])
    if decoded.shape[:3] != shape:
        raise PeerError(f"{name} decoded to {decoded.shape[:3]}, not to {shape}")
    return decoded
