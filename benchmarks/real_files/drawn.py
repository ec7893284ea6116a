"""Files in, what reading them and drawing them again with their sound comes to out, in a process that may die of it.

    python -m benchmarks.real_files.drawn FOLDER FILE ...

Prints a line of JSON for each file; `draw_all` runs this, and goes on with the next file where the process dies.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]
_SECONDS = 120  # after which a process hangs


@dataclass
class Drawn:
    """What became of a file.

    Attributes:
        file: its path.
        frames: number of frames read.
        size: (H, W) of them.
        fps: frames a second.
        said: warnings of reading and notes of drawing.
        refused: the message of the `InputError` that refused it.
        failed: what else went wrong: another exception, or how the process died.
        output: path of the drawing, where there is one.
    """

    file: str
    frames: int = 0
    size: tuple[int, int] = (0, 0)
    fps: float = 0.0
    said: list[str] = field(default_factory=list)
    refused: str = ""
    failed: str = ""
    output: str = ""


def draw(file: Path, folder: Path) -> Drawn:
    """Reads a file, and writes its frames with its sound."""
    from fiftyone_latent_inr import InputError, video

    result, output = Drawn(str(file)), folder / f"{file.name}.mp4"
    try:
        read = video.read(file)
        result.frames, result.size, result.fps = len(read.array), read.array.shape[1:3], float(read.fps)
        result.said = list(read.warnings)
        # what earlier states of the package do not know is not passed on to them
        more = {name: getattr(read, name) for name in ("times", "pixel_aspect") if hasattr(read, name)}
        result.said += video.write(output, read.array, read.fps, audio=file, **more)
        result.output = str(output)
    except InputError as error:
        result.refused = str(error)
    except Exception as error:
        result.failed = f"{type(error).__name__}: {error}"
    return result


def draw_all(files: Sequence[Path], folder: Path) -> dict[str, Drawn]:
    """Draws files, each once.

    Args:
        files: paths.
        folder: where drawings go.

    Returns:
        what became of each, by the name of its file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found: dict[str, Drawn] = {}
    while len(found) < len(files):
        rest = [str(file) for file in files[len(found) :]]
        command = [sys.executable, "-m", f"{__package__}.drawn", str(folder), *rest]
        try:
            done = subprocess.run(command, capture_output=True, cwd=_ROOT, check=False, timeout=_SECONDS)
            lines, end = done.stdout, f"the process died ({done.returncode})"
        except subprocess.TimeoutExpired as error:
            lines, end = error.stdout or b"", f"the process hung for {_SECONDS} seconds"
        for line in lines.splitlines():
            one = Drawn(**json.loads(line))
            found[Path(one.file).name] = one
        if len(found) < len(files):
            file = files[len(found)]
            found[file.name] = Drawn(str(file), failed=end)
    return found


def main() -> None:
    for file in sys.argv[2:]:
        print(json.dumps(asdict(draw(Path(file), Path(sys.argv[1])))), flush=True)


if __name__ == "__main__":
    main()
