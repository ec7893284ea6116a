"""`latent-inr demo`: the main job from end to end on small clips, in minutes on a CPU.

clips (generated, real) -> dataset -> fit_dataset -> table -> search by text -> one picture -> the App
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..files import writable_folder
from ..text import one_line

if TYPE_CHECKING:
    from .dataset import Row

PRESET = "fast"
TEACHER = "small"
MAX_FRAMES = 16
# of the preset's steps: flat shapes are near 40 dB by then, and the demo is to take minutes
SHARE_GENERATED = 0.3
# each describes one generated clip, a combination that the teacher never saw
QUERIES = 3
# An empty file that says whose folder it is.
_MARK = ".latent-inr-demo"


def run(output: str | Path = "demo_output", *, app: bool = False, device: str | None = None) -> None:
    """Builds the demo's dataset, fits it, searches it, draws `demo.png`; a second time, only what is missing.

    Args:
        output: directory of the clips, the `.linr` files and the picture; made if missing.
        app: whether to open the App afterwards and wait; with everything fitted already, it opens at once.
        device: torch device; by default the GPU where there is one.

    Raises:
        InputError: `output` cannot be written, or holds other things; FiftyOne has another dataset of the demo's name.
    """
    folder = _own_folder(output)
    start = time.monotonic()
    from ..semantics.teachers import DEFAULT_TEACHER, load_teacher
    from .clips import prepare_clips
    from .dataset import find_dataset, make_dataset, open_app

    picture = folder / "demo.png"
    if not (app and picture.exists() and find_dataset() is not None):
        clips = prepare_clips(folder / "clips")
        teacher = load_teacher(TEACHER, device=device)
        dataset = make_dataset(clips, teacher.id)
        print(
            f"Dataset {dataset.name!r}: {len(clips)} clips; fitting the real ones with preset {PRESET!r} and no "
            f"teacher, the generated ones with {SHARE_GENERATED:.0%} of its steps and teacher {TEACHER!r}, which "
            "knows plain coloured shapes alone: it would find real clips for anything"
        )
        _fit(dataset, teacher, folder / "latents", device)
        _show(dataset, picture)
        print(
            f"\n{len(clips)} clips in {time.monotonic() - start:.0f} s. Picture: {one_line(picture)}\n"
            "To search the real clips as well, take a teacher that knows them (605 MB to download): in the App's form, "
            f'or fiftyone_latent_inr.fit_dataset(fiftyone.load_dataset("{dataset.name}"), preset="{PRESET}", '
            f'teacher="{DEFAULT_TEACHER}")'
        )
    if app:
        dataset = find_dataset()
        assert dataset is not None  # made above, or found there
        open_app(dataset)
    else:
        print("To open the App on it: `make app` (or `latent-inr demo --app`); search in its Similarity panel")


def _own_folder(output: str | Path) -> Path:
    """The folder, made where it is missing, once it is known that nobody else keeps things in it."""
    folder = writable_folder(output)
    mark = folder / _MARK
    if not mark.exists() and not (folder / "clips" / "generated" / "recipe.json").exists():
        if any(not entry.name.startswith(".") for entry in folder.iterdir()):
            raise InputError(f"{folder} holds things that the demo did not make; give it a new or an empty folder")
        mark.touch()
    return folder


def _fit(dataset: Any, teacher: Any, folder: Path, device: str | None) -> None:
    """Fits the real clips with the preset, and the plain generated ones with a fraction of its steps.

    The teacher cannot tell real clips apart: only the generated ones get embeddings, and are in the index.
    """
    from ..datasets.fit.fit_dataset import fit_dataset
    from ..fitting import PRESETS

    preset = PRESETS[PRESET]
    short = replace(preset, steps=round(preset.steps * SHARE_GENERATED))
    for kind, config, taught in (("real", preset, None), ("generated", short, teacher)):
        view = dataset.match_tags(kind)
        summary = fit_dataset(
            view, config=config, teacher=taught, output_dir=folder, device=device, max_frames=MAX_FRAMES
        )
        if summary.failed:
            raise InputError(f"{len(summary.failed)} clips failed, the first: {summary.failed[0]}")


def _show(dataset: Any, picture: Path) -> None:
    """Prints the table and the searches, and draws both."""
    from ..datasets.search.search import search
    from .dataset import read_rows
    from .picture import draw_picture

    rows = read_rows(dataset)
    print("\n" + format_table(rows))
    captions = {row.path: row.caption for row in rows}
    queries = choose_queries(rows)
    found = {}
    for text in queries:
        hits = search(dataset, text, k=4)
        found[text] = [(hit.filepath, hit.similarity, captions[hit.filepath]) for hit in hits]
        print(f'\nsearch "{text}"')
        for path, similarity, caption in found[text]:
            print(one_line(f"  {similarity:6.3f}  {Path(path).name:<44} {caption}"))
    draw_picture(rows, found, picture)


def choose_queries(rows: list[Row]) -> list[str]:
    """Texts that describe one generated clip each, on different backgrounds."""
    chosen: dict[str, str] = {}
    for row in rows:
        if row.kind == "generated":
            chosen.setdefault(row.query.rsplit(" on ", 1)[-1], row.query)
    return list(chosen.values())[:QUERIES]


def format_table(rows: list[Row]) -> str:
    """The clips' figures as lines of text, with their means last."""
    width = max(len(row.name) for row in rows)
    lines = [f"{'clip':<{width}}  {'PSNR dB':>8}  {'bpp':>6}  {'seconds':>7}", "-" * (width + 27)]
    lines += [f"{r.name:<{width}}  {r.psnr:8.2f}  {r.bpp:6.3f}  {r.seconds:7.1f}" for r in rows]
    psnr, bpp, seconds = (sum(getattr(row, key) for row in rows) / len(rows) for key in ("psnr", "bpp", "seconds"))
    return "\n".join([*lines, lines[1], f"{'mean':<{width}}  {psnr:8.2f}  {bpp:6.3f}  {seconds:7.1f}"])
