"""Uses of the command line, of Python and of datasets that people come to, each tried once; what happens, in one line.

    python -m benchmarks.real_files.uses FOLDER [NAME ...]

Prints a line of JSON for each; needs a MongoDB, which FIFTYONE_DATABASE_URI names.
"""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from .writing import Pictures, moving, write

_ROOT = Path(__file__).resolve().parents[2]
_LONGEST = 300  # seconds that a command may take on a busy machine, before it is said to hang
_WIDE = "動" * 83  # 249 bytes of UTF-8


@dataclass(frozen=True)
class Use:
    """One use.

    Attributes:
        kind: what it stands for.
        run: does it in a folder, and says what came of it.
        expects: a pattern that matches from the begin what is right.
    """

    kind: str
    run: Callable[[Path], str]
    expects: str


USES: dict[str, Use] = {}


def _use(kind: str, expects: str) -> Callable[[Callable[[Path], str]], Callable[[Path], str]]:
    def register(run: Callable[[Path], str]) -> Callable[[Path], str]:
        USES[run.__name__] = Use(kind, run, expects)
        return run

    return register


def is_right(name: str, happened: str) -> bool:
    """Whether what happened is what should."""
    return re.match(USES[name].expects, happened, re.DOTALL) is not None


# -- the command line -------------------------------------------------------------------------------------------------


def _encode(folder: Path, *arguments: object, **environment: str) -> str:
    """Exit status and the last line on stderr of `latent-inr encode` in a folder."""
    command = [sys.executable, "-m", "fiftyone_latent_inr", "encode", *map(os.fspath, arguments)]
    more = {"PYTHONPATH": str(_ROOT), **environment}
    settings = ("--preset", "fast", "--frames", "1", "--size", "16x16", "--quiet")
    try:
        done = subprocess.run(
            [*command, *settings],
            cwd=folder,
            env={**os.environ, **more},
            capture_output=True,
            timeout=_LONGEST,
            input=b"",
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "hangs"
    lines = done.stderr.decode(errors="replace").strip().splitlines()
    said = (lines[-1] if lines else "").replace(str(folder) + "/", "").replace("latent-inr: error: ", "")
    return f"exit {done.returncode}" + (f" after {len(lines)} lines" if len(lines) > 1 else "") + f": {said}"[:300]


def _tiny(folder: Path, name: str = "s.mp4", **changes: Any) -> Path:
    path = folder / name
    if not path.exists():
        write(path, Pictures(moving(4, 48, 64), **changes))
    return path


@_use("pipes and devices", r"exit 2: .*p\.mp4")
def named_pipe(folder: Path) -> str:
    os.mkfifo(folder / "p.mp4")
    return _encode(folder, "p.mp4", "q.linr")


@_use("what is not there", r"exit 2: .*https://example\.org/x\.mp4.*(address|URL)")
def address(folder: Path) -> str:
    return _encode(folder, "https://example.org/x.mp4", "q.linr")


@_use("what is not there", r"exit 2: .*no such file")
def missing_file(folder: Path) -> str:
    return _encode(folder, "nope.mp4", "q.linr")


@_use("what is not there", r"exit 2: .*(standard input|stdin)")
def dash(folder: Path) -> str:
    return _encode(folder, "-", "q.linr")


@_use("names of outputs", r"exit 0: $")
def output_of_255_bytes(folder: Path) -> str:
    _tiny(folder)
    return _encode(folder, "s.mp4", "a" * 250 + ".linr")


@_use("names of outputs", r"exit 0: $")
def output_not_utf8_in_a_strict_locale(folder: Path) -> str:
    _tiny(folder)
    name = os.fsdecode(b"\xe9t\xe9.linr")
    return _encode(folder, "s.mp4", name, PYTHONUTF8="0", PYTHONIOENCODING="utf-8:strict")


# -- Python -----------------------------------------------------------------------------------------------------------


def _config(steps: int = 40) -> Any:
    from fiftyone_latent_inr.fitting import PRESETS

    return replace(PRESETS["fast"], steps=steps, points_per_step=256, prior=None)


def _fit(frames: Any, **arguments: Any) -> Any:
    import fiftyone_latent_inr as linr

    return linr.fit(frames, config=_config(), prior="none", progress=False, device="cpu", **arguments)


def _happened(call: Callable[[], object]) -> str:
    try:
        return str(call())
    except Exception as error:
        return f"{type(error).__name__}: {str(error).splitlines()[0][:200]}"


_WRONG: dict[str, dict[str, Any]] = {
    "rate_as_text": {"fps": "25"},
    "size_as_text": {"size": "90x160"},
    "size_of_floats": {"size": (8.5, 8.0)},
    "size_as_a_number": {"size": 90},
    "count_as_text": {"max_frames": "3"},
    "no_seed": {"seed": None},
    "metadata_that_is_no_number": {"metadata": {"run": float("nan")}},
}


def _wrong_argument(arguments: dict[str, Any]) -> Callable[[Path], str]:
    return lambda folder: _happened(lambda: f"fitted, {_fit(moving(2, 16, 16), **arguments).fps} fps")


for _name, _arguments in _WRONG.items():
    USES[_name] = Use("wrong arguments", _wrong_argument(_arguments), "InputError: |fitted, ")


@_use("wrong arguments", r"29\.97")
def rate_as_a_fraction(folder: Path) -> str:
    return _happened(lambda: _fit(moving(2, 16, 16), fps=Fraction(30000, 1001)).fps)


@_use("wrong arguments", "fitted")
def metadata_of_numpy(folder: Path) -> str:
    return _happened(lambda: _fit(moving(2, 16, 16), metadata={"run": np.float32(1)}) and "fitted")


@_use("videos that are pictures", r"4 frames at 25")
def folder_of_images(folder: Path) -> str:
    images = _images(folder / "images")

    def fitted() -> str:
        video = _fit(images)
        return f"{video.num_frames} frames at {video.fps:g}"

    return _happened(fitted)


def _images(folder: Path, count: int = 4) -> Path:
    folder.mkdir()
    for index, frame in enumerate(moving(count, 48, 64)):
        still = Pictures(frame[None], codec="png", pix_fmt="rgb24", options={})
        write(folder / f"frame{8 + index}.png", still, kind="image2pipe")
    return folder


# -- datasets ---------------------------------------------------------------------------------------------------------


def _dataset(paths: list[Path], **samples: list[Any]) -> Any:
    import fiftyone as fo

    dataset = fo.Dataset()
    rows = [dict(zip(samples, row, strict=True)) for row in zip(*samples.values(), strict=True)] or [{} for _ in paths]
    dataset.add_samples([fo.Sample(filepath=str(path), **row) for path, row in zip(paths, rows, strict=True)])
    return dataset


def _fit_dataset(dataset: Any, folder: Path, **arguments: Any) -> Any:
    import fiftyone_latent_inr as linr

    options = {"config": _config(), "teacher": "small", "prior": "none", "progress": False, "device": "cpu"}
    return linr.fit_dataset(dataset, **{**options, "output_dir": folder / "linr", **arguments})


def _counts(summary: Any) -> str:
    failed = "; ".join(str(one) for one in summary.failed)
    return f"fitted {len(summary.fitted)}, failed {len(summary.failed)}" + (f": {failed[:160]}" if failed else "")


def _two(folder: Path) -> list[Path]:
    return [_tiny(folder, "a.mp4"), _tiny(folder, "b.mp4", rate=Fraction(12))]


@_use("names in folders of files", r"fitted 2, failed 0, drawn 2")
def name_of_83_wide_letters(folder: Path) -> str:
    import fiftyone_latent_inr as linr

    dataset = _dataset([_tiny(folder, "a.mp4"), _tiny(folder, _WIDE + ".mp4")])

    def both() -> str:
        fitted = _counts(_fit_dataset(dataset, folder))
        drawn = linr.reconstruct(dataset, progress=False)
        return f"{fitted}, drawn {len(drawn.drawn)}"

    return _happened(both)


@_use("a grouped dataset of a renamed source", r"extended")
def side_by_side_of_a_renamed_source(folder: Path) -> str:
    import fiftyone_latent_inr as linr

    dataset = _dataset(_two(folder))
    _fit_dataset(dataset, folder)
    linr.reconstruct(dataset, progress=False)
    grouped = f"{dataset.name}-grouped"
    linr.to_grouped_dataset(dataset, grouped)
    dataset.name = f"{dataset.name}-renamed"
    return _happened(lambda: linr.to_grouped_dataset(dataset, grouped) and "extended")


@_use("a damaged file is fitted again", r"fitted 1, failed 0")
def cut_file(folder: Path) -> str:
    dataset = _dataset(_two(folder))
    _fit_dataset(dataset, folder)
    os.truncate(dataset.first()["latent_inr_path"], 500)
    return _happened(lambda: _counts(_fit_dataset(dataset, folder)))


@_use("embeddings of long videos", r"stored")
def half_an_hour_of_embeddings(folder: Path) -> str:
    from fiftyone_latent_inr.datasets import fields

    dataset = _dataset(_two(folder))
    _fit_dataset(dataset, folder)
    rng = np.random.default_rng(0)
    embeddings = rng.normal(size=(54_000, 512)).astype(np.float16)
    video = SimpleNamespace(embedding=rng.normal(size=512), embeddings=embeddings, metrics={}, num_frames=54_000)
    names, sample = fields.FieldNames.of("latent_inr"), dataset.first()
    path = sample["latent_inr_path"]
    return _happened(lambda: (fields.store(dataset, sample.id, names, video, path) and "stored") or "stored")


@_use("a wrong backend", r"InputError: .*, indexes left: 1")
def backend_misspelt(folder: Path) -> str:
    dataset = _dataset(_two(folder))
    _fit_dataset(dataset, folder)
    said = _happened(lambda: _counts(_fit_dataset(dataset, folder, backend="sklaern")))
    return f"{said}, indexes left: {len(dataset.list_brain_runs())}"


@_use("what the dataset forbids", r"InputError: .*read-only.*; fits: 0")
def read_only_field(folder: Path) -> str:
    dataset = _dataset(_two(folder))
    _fit_dataset(dataset, folder)
    field = dataset.get_field("latent_inr")
    field.read_only = True
    field.save()
    before = set((folder / "linr").rglob("*.linr"))
    said = _happened(lambda: _counts(_fit_dataset(dataset, folder, overwrite=True, config=_config(50))))
    return f"{said}; fits: {len(set((folder / 'linr').rglob('*.linr')) - before)}"


@_use("videos that are pictures", r"fitted [12], failed 0|InputError: .*(make|video)")
def dynamic_group_of_images(folder: Path) -> str:
    images = sorted(_images(folder / "images").iterdir())
    dataset = _dataset(images, video=["one"] * len(images), t=list(range(len(images))))
    return _happened(lambda: _counts(_fit_dataset(dataset.group_by("video", order_by="t"), folder)))


@_use("removed samples in the index", r"found 1")
def removed_sample(folder: Path) -> str:
    import fiftyone_latent_inr as linr

    dataset = _dataset(_two(folder))
    _fit_dataset(dataset, folder)
    (first,) = dataset.sort_by_similarity("a red circle", k=1).values("id")
    dataset.delete_samples([first])
    linr.reconstruct(dataset, progress=False)
    return _happened(lambda: f"found {len(dataset.sort_by_similarity('a red circle', k=1))}")


def run(folder: Path, names: list[str]) -> Iterator[tuple[str, str]]:
    """Each use's name, and what came of it; each has a folder of its own."""
    logging.disable(logging.ERROR)
    os.environ["FIFTYONE_SHOW_PROGRESS_BARS"] = "false"  # read when FiftyOne is imported, which the first fit does
    for name in names or list(USES):
        own = folder / name
        own.mkdir(parents=True)
        happened = _happened(partial(USES[name].run, own))
        yield name, happened.replace(str(own) + "/", "")


def main() -> None:
    for name, happened in run(Path(sys.argv[1]), sys.argv[2:]):
        print(json.dumps([name, happened]), flush=True)


if __name__ == "__main__":
    main()
