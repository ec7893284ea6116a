"""Files that cost their reader much, one of each kind, with right checksums: what each operation on them comes to.

    python -m benchmarks.fuzz.hostile [NAME ...]

Each operation on each file runs in a process of its own with 6 GiB of address space: it must end, within 4 seconds of
the processor and 300 MiB of memory, in a result or in one of the package's own errors. Writes `results/hostile.json`.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

import fiftyone_latent_inr as linr
from fiftyone_latent_inr.cli import main as cli

from ..shared.records import show_table, write_record
from .children import Ending, in_child
from .mutations import Parts, corpus
from .shapes import of_zeros

ADDRESS_SPACE, MOST_SECONDS, MOST_MEMORY = 6 << 30, 4.0, 300 << 20

# Operations that draw whole frames: of frames larger than those of 4K they may take more, in proportion.
WHOLE = ("frame", "decode", "compare")

Case = Callable[[], bytes]
Operation = Callable[[str, Path], str]
CASES: dict[str, Case] = {}
OPERATIONS: dict[str, Operation] = {}
WITH_TEACHER, PLAIN = corpus()[:2]


def _case(make: Case) -> Case:
    CASES[make.__name__] = make
    return make


def _operation(run: Operation) -> Operation:
    OPERATIONS[run.__name__] = run
    return run


# --- files


def changed(base: bytes, model: dict[str, Any] | None = None, **header: Any) -> Parts:
    """A sound file's parts with other entries in the header, and in all its models."""
    parts = Parts.of(base)
    parts.document.update(header)
    for one in parts.document["models"]:
        one.update(model or {})
    return parts


@_case
def both_sides_16384() -> bytes:
    return changed(PLAIN, {"height": 16_384, "width": 16_384}).whole()


@_case
def one_side_16384() -> bytes:
    return changed(PLAIN, {"height": 1, "width": 16_384}).whole()


@_case
def sides_of_8k() -> bytes:
    return changed(PLAIN, {"height": 4320, "width": 7680}).whole()


@_case
def million_frames_wide_embeddings() -> bytes:
    model = {"num_frames": 1_000_000, "latent_dim": 1, "semantic_dim": 1, "embedding_dim": 8192}
    return of_zeros(changed(WITH_TEACHER, model)).whole()


@_case
def fifteen_million_frames_with_embeddings() -> bytes:
    model = {"num_frames": 1_000_000, "latent_dim": 1, "semantic_dim": 1, "embedding_dim": 512}
    return of_zeros(changed(WITH_TEACHER, model), 15).whole()


@_case
def wide_semantic_latents() -> bytes:
    model = {"num_frames": 3600, "latent_dim": 4096, "semantic_dim": 4096, "embedding_dim": 64, "bottleneck": 8}
    return of_zeros(changed(WITH_TEACHER, model)).whole()


@_case
def large_network() -> bytes:
    return of_zeros(changed(PLAIN, {"height": 1024, "width": 1024, "hidden": 1024, "layers": 12})).whole()


@_case
def large_network_small_frame() -> bytes:
    return of_zeros(changed(PLAIN, {"height": 160, "width": 160, "hidden": 1024, "layers": 12})).whole()


@_case
def large_gated_network() -> bytes:
    level = {"rows": 2, "cols": 2, "channels": 64, "copies": 1}
    model = {"levels": [level], "modulation": "sigmoid", "rank": 64, "warp_rows": 0, "warp_cols": 0}
    return of_zeros(changed(PLAIN, {**model, "height": 700, "width": 700, "hidden": 900, "layers": 12})).whole()


@_case
def large_network_of_patches() -> bytes:
    model = {"height": 2048, "width": 2048, "hidden": 1024, "layers": 12, "patch": 2}
    return of_zeros(changed(PLAIN, model)).whole()


@_case
def features_by_the_million() -> bytes:
    level = {"rows": 2, "cols": 2, "channels": 1_000_000, "copies": 1}
    return of_zeros(changed(PLAIN, {"levels": [level], "hidden": 1, "warp_rows": 0, "warp_cols": 0})).whole()


@_case
def mixed_grids_of_many_frames() -> bytes:
    level = {"rows": 1500, "cols": 2000, "channels": 1, "copies": 2}
    model = {"num_frames": 600, "height": 4, "width": 4, "planes": 1, "levels": [level]}
    return of_zeros(changed(PLAIN, model)).whole()


@_case
def warps_of_many_points() -> bytes:
    model = {"height": 8192, "width": 64, "planes": 8, "warp_rows": 256, "warp_cols": 256}
    return of_zeros(changed(PLAIN, {**model, "bottleneck": 1, "num_frames": 50})).whole()


@_case
def two_thousand_groups_of_a_million() -> bytes:
    return of_zeros(changed(PLAIN, {"num_frames": 1_000_000, "latent_dim": 1}), 2000).whole()


@_case
def one_wide_latent_among_many() -> bytes:
    parts = of_zeros(changed(PLAIN, {"num_frames": 1_000_000, "latent_dim": 1}), 3)
    wide = changed(PLAIN, {"num_frames": 1, "latent_dim": 4096})
    parts.document["models"] += wide.document["models"]
    parts.sections.append(replace(of_zeros(wide).sections[0], model=1))
    parts.sizes.append(None)
    return parts.whole()


@_case
def chained_groups() -> bytes:
    parts = changed(PLAIN, {"num_frames": 1})
    one = replace(parts.sections[0], count=1, data=b"")
    parts.sections = [replace(one, parent=k - 1 if k % 9 else None) for k in range(65_536)]
    parts.sizes = [None] * len(parts.sections)
    return parts.whole()


@_case
def deep_chain_of_large_grids() -> bytes:
    level = {"rows": 3000, "cols": 4000, "channels": 1, "copies": 1}
    parts = changed(PLAIN, {"num_frames": 1, "planes": 1, "levels": [level]})
    one = replace(parts.sections[0], count=1, data=np.random.default_rng(0).bytes(64))
    parts.sections = [replace(one, parent=k - 1 if k else None) for k in range(9)]
    parts.sizes = [None] * 9
    return parts.whole()


@_case
def many_models() -> bytes:
    parts = changed(PLAIN)
    parts.document["models"] *= 500
    parts.sections *= 500
    parts.sizes = [None] * 500
    return parts.whole()


@_case
def many_cuts() -> bytes:
    parts = of_zeros(changed(PLAIN, {"num_frames": 300_000, "latent_dim": 1}), 2)
    parts.document["cuts"] = list(range(1, 40_000))
    return parts.whole()


def _header(name: str, **values: Any) -> None:
    def make() -> bytes:
        return changed(PLAIN, **values).whole()

    make.__name__ = name
    _case(make)


_header("slow_rate", fps=1e-7)
_header("fast_rate", fps=1e300)
_header("rate_of_text", fps=" 2_5.0 ")
_header("rate_that_is_true", fps=True)
_header("rate_of_many_digits", fps=10**39)
_header("warps_of_10_39", model={"warp_scale": 10**39})
_header("warps_of_1e300", model={"warp_scale": 1e300})
_header("warps_that_are_true", model={"warp_scale": True})
_header("measures_of_text", metrics={"psnr": "nan", "ms_ssim": "inf", "x": "-inf"})
_header("measures_of_many_digits", metrics={"psnr": 10**39})
_header("measures_that_are_true", metrics={"psnr": True})
_header("notes_of_pairs", metadata=[["a", 1], ["a", 2]])
_header("lone_surrogates", metadata={"\ud800": "\udfff"}, preset="\ud800", teacher="\udbff", teacher_id="\ud800")
_header(
    "control_characters",
    preset="\x1b]0;owned\x07\x1b[2J",
    teacher="a\nlatent-inr: error: forged\r",
    teacher_id="\x9b31m\u202e",
    metadata={"\x1b[2Jkey": "\x1b]8;;http://evil\x07click\x1b]8;;\x07", "n": "1\n2"},
)
_header("side_of_much_text", model={"height": "A" * 250_000})


# --- operations


@_operation
def load(path: str, folder: Path) -> str:
    return repr(linr.load(path))[-60:]


@_operation
def info(path: str, folder: Path) -> str:
    return _command("info", path)


@_operation
def info_json(path: str, folder: Path) -> str:
    return _command("info", path, "--json")


@_operation
def embedding(path: str, folder: Path) -> str:
    return str(np.shape(linr.load(path).embedding))


@_operation
def latents(path: str, folder: Path) -> str:
    return str(linr.load(path).latents.shape)


@_operation
def tensors(path: str, folder: Path) -> str:
    found = linr.load(path).tensors
    name = list(found)[-1]
    return f"{len(found)}, {name} {found[name].shape}"


@_operation
def picture(path: str, folder: Path) -> str:
    return str(linr.load(path).render([0], size=(3, 4), device="cpu").shape)


@_operation
def frame(path: str, folder: Path) -> str:
    return str(linr.load(path).render([0], device="cpu").shape)


@_operation
def between(path: str, folder: Path) -> str:
    video = linr.load(path)
    return str(video.render([(video.num_frames - 1) / 2], size=(6, 5), device="cpu").shape)


@_operation
def many_pictures(path: str, folder: Path) -> str:
    video = linr.load(path)
    return str(len(video.render(np.linspace(0, video.num_frames - 1, 4), size=(2, 2), device="cpu")))


@_operation
def decode(path: str, folder: Path) -> str:
    return _command("decode", path, str(folder / "out.mp4"), "--quiet", "--device", "cpu", "--frames", "0:2")


@_operation
def compare(path: str, folder: Path) -> str:
    return _command("compare", str(folder / "clip.mp4"), path, "--device", "cpu")


@_operation
def preview(path: str, folder: Path) -> str:
    """What a draw form asks of a file."""
    from fiftyone_latent_inr.datasets.drawings.cost import Workload, seconds_per_pixel
    from fiftyone_latent_inr.datasets.drawings.drawing import Drawing

    load = Workload.of(linr.load(path), Drawing(scale=2, factor=64))
    return f"{load.pixels:,} pixels, {seconds_per_pixel(path, 'cpu'):.1e} s each"


def _command(*words: str) -> str:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
    with contextlib.redirect_stdout(stream):
        status = cli.main(words)
    written = stream.buffer.getvalue()  # type: ignore[attr-defined]
    if b"\x1b" in written or b"\x07" in written:
        raise AssertionError("control characters on a terminal")
    return f"status {status}, {len(written)} bytes"


def attempt(name: str, path: Path, folder: Path) -> Ending:
    """One operation on one file, in a process of its own."""
    operation = OPERATIONS[name]
    return in_child(lambda: operation(str(path), folder), ADDRESS_SPACE, 60)


def is_wrong(ending: Ending, size: float = 1.0) -> bool:
    """Whether an operation has ended in another way than it may; whole frames above 4K may take more in proportion."""
    clean = ending.kind in ("ok", "BitstreamError", "NewerFileError", "InputError")
    return not clean or ending.seconds > size * MOST_SECONDS or ending.memory > size * MOST_MEMORY


def prepare(folder: Path) -> None:
    """A clip to compare with; and what a first use loads is loaded, as it is no file's doing."""
    clip = np.random.default_rng(0).integers(0, 255, (2, 48, 64, 3), dtype=np.uint8)
    from fiftyone_latent_inr.video.decode import write

    write(folder / "clip.mp4", clip, 10.0)
    path = folder / "sound.linr"
    path.write_bytes(WITH_TEACHER)
    for operation in OPERATIONS.values():
        with contextlib.redirect_stderr(io.StringIO()):
            operation(str(path), folder)


def main() -> None:
    """Tries all, prints a table and writes the record."""
    parser = argparse.ArgumentParser(description="Try operations on hostile files.")
    parser.add_argument("names", nargs="*", choices=[[], *CASES], help="files; all by default")
    names = parser.parse_args().names or list(CASES)
    torch.set_num_threads(1)
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        prepare(folder)
        for name in names:
            path = folder / f"{name}.linr"
            path.write_bytes(CASES[name]())
            for operation in OPERATIONS:
                ending = attempt(operation, path, folder)
                wrong = is_wrong(ending, 4 if name == "sides_of_8k" and operation in WHOLE else 1)
                row = {"file": name, "bytes": path.stat().st_size, "operation": operation, "ends": ending.kind}
                row |= {"seconds": round(ending.seconds, 2), "mib": ending.memory >> 20, "wrong": wrong}
                rows.append(row)
                mark, text = "!!" if wrong else "  ", ending.text.replace(temporary, "")
                print(f"{mark} {json.dumps(list(row.values()))[1:-1]} {text}"[:240], flush=True)
    show_table([{"operations": len(rows), "wrong": sum(bool(row["wrong"]) for row in rows)}])
    if names == list(CASES):
        write_record("hostile", {"limits": [ADDRESS_SPACE, MOST_SECONDS, MOST_MEMORY], "operations": rows})
    raise SystemExit(any(row["wrong"] for row in rows))


if __name__ == "__main__":
    main()
