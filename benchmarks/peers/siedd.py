"""SIEDD (VikramRangarajan/SIEDD): a settings file for its command line, and what it writes.

Its size is the width of its layers: an encoder shared by the video, three layers shared by a group of 20 frames, and a
last layer for each frame. All else is as in its own SIEDD-S, M and L. What is read:

- `cumulative.json`: seconds of all fits (its own clock, without evaluation, compilation and the first five iterations),
  frames a second (copied to the host as floats), numbers, and bits of its group files as it counts them;
- `model_*.bin`, and `shared_encoder.bin`, without which nothing can be decoded and which it does not count;
- `prediction_*.png`: the decoded frames of the rounded model.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .runs import Found, Peer, PeerError, PeerFit, last_lines, read_decoded

_GROUP, _SMOKE_GROUP = 20, 2
_INPUTS = 18  # coordinates and their sines and cosines
_WIDTHS = 8  # rounding in groups of 32 wants widths that are multiples of this
_BITS = 6


def group_size(task: PeerFit) -> int:
    """Frames of a group."""
    return min(_SMOKE_GROUP if task.smoke else _GROUP, task.shape[0])


def num_parameters(width: int, frames: int, group: int) -> tuple[int, int]:
    """Numbers of the shared encoder, and of all that is there for each group and each frame."""
    square = width * width + width
    groups = -(-frames // group)
    return _INPUTS * width + width + square, groups * 3 * square + frames * 3 * (width + 1)


def width_for(parameters: int, frames: int, group: int) -> int:
    """The widest layers with at most so many numbers.

    Raises:
        PeerError: there are none.
    """
    width = 0
    while sum(num_parameters(width + _WIDTHS, frames, group)) <= parameters:
        width += _WIDTHS
    if not width:
        raise PeerError(f"SIEDD has no layers with at most {parameters:,} numbers for {frames} frames")
    return width


def settings(task: PeerFit) -> dict[str, Any]:
    """What its settings file says."""
    frames, group = task.shape[0], group_size(task)
    iterations = task.units + 1  # it evaluates at multiples of its interval, the last one included
    return {
        "encoder_cfg": {
            "net": {
                "name": "strainer",
                "num_decoder_layers": 3,
                "lora_type": "no_lora",
                "mlp_cfg": {
                    "name": "mlp",
                    "num_layers": 1,
                    "dim_hidden": width_for(task.parameters, frames, group),
                    "activation": {"w0": 30.0, "c": 6.0},
                    "pos_encode_cfg": {"name": "nerf", "dim_out": _INPUTS},
                },
            },
            "compile": task.compiled and not task.smoke,
            "image_transform": {"transform": "z_score"},
            "inference_batch_size": 1,
            "inference_chunk_size": 8,
        },
        "trainer_cfg": {
            "name": "strainer",
            "amortized": "LoraDec",
            "sampling": "uniform",
            "precision": "fp16",
            "optimizer": "schedule_free",
            "coord_sample_frac": 1 / 1024,
            "shared_iters": iterations,
            "iters": iterations,
            "lr": 1e-4,
            "group_size": group,
            "meta_frames": group,
            "eval_interval": task.units,
            "save_interval": task.units,
            "num_save_images": frames,
        },
        "quant_cfg": {"quantize": True, "quant_method": "hqq", "quant_bit": _BITS},
    }


def command(checkout: Path, task: PeerFit) -> list[str]:
    """Its training command, after its settings file is written."""
    # JSON is YAML
    (task.folder / "settings.yaml").write_text(json.dumps(settings(task)))
    start = ["-c", "from SIEDD.main import main; main()"]
    return [*start, "--cfg", "settings.yaml", "--data_path", str(task.frames.resolve()), "--save_path", "run"]


def read(task: PeerFit, log: str) -> Found:
    """What a run left."""
    folder = task.folder / "run"
    try:
        summary = json.loads((folder / "cumulative.json").read_text())
        seconds, fps = float(summary["time"]), float(summary["fps"])
        counted = summary["quant_compression_metrics"]
        own = {"psnr": summary["quant_metrics"]["psnr"], "bytes": counted["total_bits"] // 8}
        own["psnr_unquantised"] = summary["metrics"]["psnr"]
        parameters = int(counted["parameters"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PeerError(f"SIEDD's cumulative.json: {error!r}; the last lines of its log:\n{last_lines(log)}") from error
    models = sorted(folder.glob("model_*.bin"))
    shared = folder / "shared_encoder.bin"
    if not models or not shared.is_file():
        raise PeerError("SIEDD wrote no model_*.bin or no shared_encoder.bin")
    group = group_size(task)
    width = width_for(task.parameters, task.shape[0], group)
    stages = -(-task.shape[0] // group) + 1
    pictures = [folder / f"prediction_{k}.png" for k in range(task.shape[0])]
    return Found(
        decoded=read_decoded([path for path in pictures if path.is_file()], task.shape, "SIEDD"),
        parameters=parameters + num_parameters(width, task.shape[0], group)[0],
        stored=sum(path.stat().st_size for path in (*models, shared)),
        stored_as=f"HQQ {_BITS} bits, LZMA",
        seconds=seconds,
        seconds_per_unit=seconds / (stages * task.units),
        fps=fps,
        own=own,
    )


SIEDD = Peer(
    name="SIEDD",
    unit="iterations",
    full=20_000,
    trial=300,
    entry="src/SIEDD/main.py",
    needs=(
        *("torch", "torchvision", "numpy", "tqdm", "einops", "schedulefree", "pydantic", "pydantic_yaml"),
        *("ruamel.yaml", "compress_pickle", "dahuffman", "hqq", "termcolor"),
    ),
    stand_ins=(
        *("bitsandbytes", "constriction", "cv2", "decord", "flip_evaluator", "grokadamw", "optimum", "scipy"),
        *("torchao", "wandb"),
    ),
    paths=("src",),
    command=command,
    read=read,
)
