"""HNeRV (haochen-rye/HNeRV): its command line for Bunny, and what it prints and writes.

Its size is `--modelsize`, in millions: decoder and embeddings; the encoder is not stored. What is read:

- `Time/epoch: Current:` of its output, the seconds of every epoch without its evaluation;
- `epoch<N>.csv`: frames a second of the decoder (the last batches' average, nothing copied to the host), bits a pixel
  and a parameter after 8-bit rounding (embeddings 6) and Huffman coding, scales included, code tables not;
- `visualize_model_quant/*.png`: frame and decoded frame side by side, of the rounded model.
"""

from __future__ import annotations

import csv
import re
from pathlib import Path

from .runs import Found, Peer, PeerError, PeerFit, last_lines, read_decoded

_STRIDES = (5, 4, 4, 2, 2)
_SIDE = 320  # their product
_BATCH = 2


def command(checkout: Path, task: PeerFit) -> list[str]:
    """The arguments of its README for Bunny, at this size and length."""
    _, height, width = task.shape
    if height % _SIDE or width % _SIDE:
        raise PeerError(f"HNeRV's Bunny network wants sides that are multiples of {_SIDE}, not {height}x{width}")
    strides = [str(stride) for stride in _STRIDES]
    options = {
        "outf": "run",
        "data_path": str(task.frames.resolve()),
        "vid": "bunny",
        "act": "gelu",
        "norm": "none",
        "crop_list": f"{height}_{width}",
        "resize_list": "-1",
        "loss": "L2",
        "enc_dim": "64_16",
        "ks": "0_1_5",
        "reduce": "1.2",
        "modelsize": f"{task.parameters / 1e6:g}",
        "epochs": str(task.units),
        "eval_freq": str(max(task.units, 30)),
        "lower_width": "12",
        "batchSize": str(_BATCH),
        "lr": "0.001",
        "quant_model_bit": "8",
        "quant_embed_bit": "6",
        "workers": "0" if task.smoke else "4",
    }
    named = [part for name, value in options.items() for part in (f"--{name}", value)]
    lists = ["--conv_type", "convnext", "pshuffel", "--enc_strds", *strides, "--dec_strds", *strides]
    return [str(checkout / ENTRY), *named, *lists, "--dump_images", "--not_resume"]


def epoch_seconds(log: str) -> list[float]:
    """Seconds of each epoch.

    Raises:
        PeerError: the log has none.
    """
    seconds = [float(found) for found in re.findall(r"Time/epoch:\s*Current:\s*([\d.]+)", log)]
    if not seconds:
        raise PeerError(f"HNeRV printed no `Time/epoch: Current:`; its last lines:\n{last_lines(log)}")
    return seconds


def printed_psnr(log: str) -> dict[str, float]:
    """PSNR of its last evaluation, before and after rounding, as it prints them (colours are not rounded)."""
    found = {
        name: re.findall(rf"Eval at epoch.*\b{kind}_seen_psnr:\s*([\d.]+)", log)
        for name, kind in (("psnr_unquantised", "pred"), ("psnr", "quant"))
    }
    return {name: float(values[-1]) for name, values in found.items() if values}


def read_results(path: Path, pixels: int) -> tuple[int, int, float]:
    """(stored numbers, their bytes, frames a second) of its table of results.

    Raises:
        PeerError: a column is not there.
    """
    with path.open(newline="") as table:
        row = next(csv.DictReader(table), {})
    try:
        bits = float(row["bits/pixel"]) * pixels
        return round(bits / float(row["bits/param w/ overhead"])), round(bits / 8), float(row["FPS"])
    except (KeyError, ValueError, ZeroDivisionError) as error:
        raise PeerError(f"HNeRV's {path.name} lacks bits/pixel, bits/param w/ overhead or FPS: {error!r}") from error


def read(task: PeerFit, log: str) -> Found:
    """What a run left."""
    seconds = epoch_seconds(log)
    tables = sorted((task.folder / "output").rglob(f"epoch{task.units}.csv"))
    if not tables:
        raise PeerError(f"HNeRV wrote no epoch{task.units}.csv; its last lines:\n{last_lines(log)}")
    parameters, stored, fps = read_results(tables[0], task.pixels)
    pictures = sorted((tables[0].parent / "visualize_model_quant").glob("pred_*.png"))
    steady = seconds[1:] or seconds  # in the first one convolutions are tried out
    return Found(
        decoded=read_decoded(pictures, task.shape, "HNeRV", left=task.shape[2]),
        parameters=parameters,
        stored=stored,
        stored_as="8 bits, Huffman",
        seconds=sum(seconds),
        seconds_per_unit=sum(steady) / len(steady),
        fps=fps,
        own=printed_psnr(log),
    )


ENTRY = "train_nerv_all.py"
HNERV = Peer(
    name="HNeRV",
    unit="epochs",
    full=300,
    trial=3,
    entry=ENTRY,
    needs=("torch", "torchvision", "numpy", "timm", "pandas", "dahuffman", "pytorch_msssim"),
    stand_ins=("decord", "pytorchvideo", "matplotlib", "imageio", "torch.utils.tensorboard"),
    paths=(),
    command=command,
    read=read,
)
