"""Train the small teacher that ships in `hub_models/small-teacher`: an OpenCLIP model of the small world.

    python -m training.small_teacher.train --out hub_models/small-teacher

Deterministic for a seed and a number of threads, up to the order of floating-point sums. Prints CPU seconds
and the recall on held-out combinations as it goes.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from fiftyone_latent_inr.small_world.clips import captions
from fiftyone_latent_inr.small_world.drawing import render
from fiftyone_latent_inr.small_world.world import SHAPES, random_specs

from .batches import (
    COLOUR_INDEX,
    COLOUR_NAMES,
    SHAPE_INDEX,
    Caption,
    changed,
    describe,
    draw,
    matches,
    scenes,
)
from .known_words import write as write_known_words

CONFIG: dict[str, Any] = {
    "model_cfg": {
        "embed_dim": 64,
        "vision_cfg": {"image_size": 64, "layers": [1, 1, 1, 1], "width": 12, "head_width": 64},
        "text_cfg": {"context_length": 24, "vocab_size": 49408, "width": 48, "heads": 4, "layers": 3},
    },
    # squash: shapes near the borders of a wide frame must not be cropped away
    "preprocess_cfg": {
        "mean": [0.5, 0.5, 0.5],
        "std": [0.25, 0.25, 0.25],
        "interpolation": "bicubic",
        "resize_mode": "squash",
    },
}


class Words:
    """OpenCLIP's own tokenizer, with the tokens that training meets renumbered from 0.

    The 49,408 rows of the token table would be most of the training's work, and nearly all of them are never
    met. Those not met share one row of zeros, in training and in the file: an unknown word says nothing.
    """

    def __init__(self, rng: np.random.Generator, context_length: int) -> None:
        self.tokenizer = open_clip.tokenizer.SimpleTokenizer(context_length=context_length)
        self.context_length = context_length
        seen = {0, self.tokenizer.sot_token_id, self.tokenizer.eot_token_id}
        for pairs, background in scenes(rng, 30000):
            seen |= set(self.tokenizer.encode(describe(rng, pairs, background).text))
        self.ids = np.asarray(sorted(seen))  # ascending, so that the end token keeps the highest number
        self.number = {int(token): index for index, token in enumerate(self.ids)}
        self.cache: dict[str, list[int]] = {}

    def __call__(self, texts: list[str]) -> Tensor:
        """Numbers of the texts' tokens, a row each."""
        rows = np.zeros((len(texts), self.context_length), np.int64)
        for row, text in zip(rows, texts, strict=True):
            if text not in self.cache:
                tokens = self.tokenizer([text])[0].tolist()
                tokens = tokens[: tokens.index(self.tokenizer.eot_token_id) + 1]
                self.cache[text] = [self.number.get(t, 0) for t in tokens]
            row[: len(self.cache[text])] = self.cache[text]
        return torch.from_numpy(rows)


class Attributes(nn.Module):
    """Linear read-outs of an image's features, used in training only.

    They come first: without them the colours are learned at once and the shapes are not, since colours alone
    tell nearly all captions of a batch apart. Being linear, they also make the parts add up, so that unseen
    combinations work.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.background = nn.Linear(dim, len(COLOUR_NAMES))
        self.colours = nn.Linear(dim, len(COLOUR_NAMES))
        self.shapes = nn.Linear(dim, len(SHAPES))

    def loss(self, features: Tensor, drawn: list[Any]) -> tuple[Tensor, float]:
        """Cross-entropies, and the accuracy of the shapes; two shapes share the probability."""
        behind = torch.tensor([COLOUR_INDEX[b] for _, b in drawn])
        colours, kinds = torch.zeros(len(drawn), len(COLOUR_NAMES)), torch.zeros(len(drawn), len(SHAPES))
        for i, (pairs, _) in enumerate(drawn):
            for colour, kind in pairs:
                colours[i, COLOUR_INDEX[colour]] += 1 / len(pairs)
                kinds[i, SHAPE_INDEX[kind]] += 1 / len(pairs)
        guess = self.shapes(features)
        right = kinds[torch.arange(len(drawn)), guess.argmax(1)] > 0
        loss = (
            F.cross_entropy(guess, kinds)
            + 0.3 * F.cross_entropy(self.colours(features), colours)
            + 0.3 * F.cross_entropy(self.background(features), behind)
        )
        return loss, right.float().mean().item()


def encode_text(model: nn.Module, tokens: Tensor) -> Tensor:
    """`CLIP.encode_text`, cut to the longest caption of the batch: the causal mask makes the rest idle work."""
    length = int((tokens == tokens.max()).nonzero()[:, 1].max()) + 1
    tokens = tokens[:, :length]
    x = model.token_embedding(tokens) + model.positional_embedding[:length]
    x = model.ln_final(model.transformer(x, attn_mask=model.attn_mask[:length, :length]))
    x = x[torch.arange(len(x)), tokens.argmax(-1)] @ model.text_projection
    return F.normalize(x, dim=-1)


def keep_memory() -> None:
    """Tell glibc to keep what it frees: page faults otherwise take more time than the small convolutions do."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    for parameter, value in (
        (-4, 0),
        (-1, 2**31 - 1),
        (-2, 256 << 20),
    ):  # M_MMAP_MAX, M_TRIM_THRESHOLD, M_TOP_PAD
        mallopt(parameter, value)


def contrastive_loss(image: Tensor, text: Tensor, scale: Tensor, fits: Tensor) -> Tensor:
    """CLIP's loss with other captions that also fit left out of the negatives.

    Args:
        image: (N, E) unit norm.
        text: (M, E) unit norm, M >= N, the i-th of the first N belonging to image i.
        scale: the logits' scale.
        fits: (M, N) bool, whether a caption is true of an image.
    """
    n = len(image)
    logits = scale * text @ image.T
    own = torch.zeros_like(fits)
    own[torch.arange(n), torch.arange(n)] = True
    logits = logits.masked_fill(fits & ~own, -1e4)
    target = torch.arange(n)
    return F.cross_entropy(logits[:n], target) + F.cross_entropy(logits.T, target)


def frames(rng: np.random.Generator, drawn: list[Any], hardness: float = 1.0) -> Tensor:
    """Frames of the scenes, (N, 3, size, size), normalised as the model's preprocessing does it."""
    pixels = draw(rng, drawn, CONFIG["model_cfg"]["vision_cfg"]["image_size"], hardness)
    tensor = torch.from_numpy(pixels).permute(0, 3, 1, 2).float().contiguous(memory_format=torch.channels_last)
    return tensor.div_(127.5 * 0.5).sub_(2.0)


def phrases(rng: np.random.Generator, drawn: list[Any]) -> list[Caption]:
    """The frames' own captions, then hard ones: each scene's with one part changed."""
    wrong = [changed(rng, *scene) for scene in drawn]
    return [describe(rng, *s) for s in drawn] + [describe(rng, *s, full=True) for s in wrong if s is not None]


def train(args: argparse.Namespace) -> None:
    """First the attributes alone, from easy frames to hard ones; then captions and attributes together."""
    keep_memory()
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    rng = np.random.default_rng(args.seed)
    config = CONFIG["model_cfg"]
    words = Words(rng, config["text_cfg"]["context_length"])
    model = open_clip.model.CLIP(**config)
    model.token_embedding = nn.Embedding(len(words.ids), config["text_cfg"]["width"])
    nn.init.normal_(model.token_embedding.weight, std=0.3)
    nn.init.normal_(model.positional_embedding, std=0.1)
    model.to(memory_format=torch.channels_last)
    attributes = Attributes(config["embed_dim"])
    decayed = [p for p in model.parameters() if p.ndim >= 2]
    plain = [*(p for p in model.parameters() if p.ndim < 2), *attributes.parameters()]
    groups = [{"params": decayed, "weight_decay": 0.02}, {"params": plain, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=args.lr, betas=(0.9, 0.98))
    average = torch.optim.swa_utils.AveragedModel(
        model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.98), use_buffers=True
    )
    began, wall, total = time.process_time(), time.time(), args.warm_steps + args.steps
    records = []
    for step in range(total):
        warm = step < args.warm_steps
        for group in optimiser.param_groups:
            group["lr"] = args.lr * min(1.0, (step + 1) / 100) * (0.01 + 0.495 * (1 + math.cos(math.pi * step / total)))
        hardness = min(1.0, step / (0.4 * args.warm_steps)) if warm else 1.0
        drawn = scenes(rng, args.warm_batch if warm else args.batch, plain=hardness < 1)
        features = model.visual(frames(rng, drawn, hardness))
        loss, right = attributes.loss(features, drawn)
        contrast = torch.zeros(())
        if not warm:
            said = phrases(rng, drawn)
            text = encode_text(model, words([c.text for c in said]))
            fits = torch.from_numpy(matches(said, drawn))
            contrast = contrastive_loss(F.normalize(features, dim=-1), text, model.logit_scale.exp(), fits)
            loss = contrast + args.attributes * loss
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        with torch.no_grad():
            model.logit_scale.clamp_(0, math.log(60))
            model.token_embedding.weight[0] = 0  # padding and unknown words
        if step % 4 == 3:
            average.update_parameters(model)
        records.append([loss.item(), contrast.item(), right])
        if (step + 1) % args.report == 0 or step + 1 == total:
            mean = np.mean(records[-args.report :], axis=0)
            recall = ""
            if not warm:
                save(average.module, words, args.out)
                recall = evaluate(args.out)
            print(
                f"step {step + 1}/{total} loss {mean[0]:.3f} contrast {mean[1]:.3f} "
                f"shapes right {mean[2]:.3f} CPU {time.process_time() - began:.0f} s "
                f"wall {time.time() - wall:.0f} s {recall}",
                flush=True,
            )


def save(model: nn.Module, words: Words, directory: Path) -> None:
    """Write the directory that OpenCLIP loads: the table of tokens in 8 bits, everything else in 16."""
    directory.mkdir(parents=True, exist_ok=True)
    tensors = {name: value.detach().half().contiguous() for name, value in model.state_dict().items()}
    known = model.token_embedding.weight.detach()
    table = torch.zeros(CONFIG["model_cfg"]["text_cfg"]["vocab_size"], known.shape[1])
    table[torch.from_numpy(words.ids)] = known
    tensors["token_embedding.weight"] = table.to(torch.float8_e4m3fn)
    for name, value in tensors.items():
        if name.endswith("num_batches_tracked"):
            tensors[name] = torch.zeros((), dtype=torch.int64)
        elif value.dtype == torch.float16 and not torch.isfinite(value.float()).all():
            raise RuntimeError(f"{name} does not fit 16 bits")
    save_file(tensors, directory / "open_clip_model.safetensors", metadata={"format": "pt"})
    (directory / "open_clip_model.safetensors").chmod(0o644)
    (directory / "open_clip_config.json").write_text(json.dumps(CONFIG, indent=2) + "\n", encoding="utf-8")
    write_known_words(directory)


@torch.no_grad()
def evaluate(directory: Path, n: int = 60) -> str:
    """Recall at 1 on clips of held-out combinations, from the files as written."""
    model = open_clip.create_model(f"local-dir:{directory}").eval()
    preprocess = open_clip.transform.image_transform_v2(
        open_clip.transform.PreprocessCfg(**model.visual.preprocess_cfg), False
    )
    tokenizer = open_clip.get_tokenizer(f"local-dir:{directory}")
    scores = []
    for two in (0.0, 0.5):
        specs = random_specs(n, seed=7, held_out=True, two_shapes=two)

        videos = []
        for spec in specs:
            frames = render(spec, 4)
            features = model.encode_image(torch.stack([preprocess(Image.fromarray(f)) for f in frames]), normalize=True)
            videos.append(F.normalize(features.mean(0), dim=0))
        texts = model.encode_text(tokenizer([captions(spec)[0] for spec in specs]), normalize=True)
        best = (texts @ torch.stack(videos).T).argmax(1)
        scores.append((best == torch.arange(n)).float().mean().item())
    return f"R@1 one shape {scores[0]:.3f}, half two shapes {scores[1]:.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("hub_models/small-teacher"))
    parser.add_argument("--warm-steps", type=int, default=2500, help="steps with attributes alone")
    parser.add_argument("--warm-batch", type=int, default=64)
    parser.add_argument("--steps", type=int, default=2000, help="steps with captions, after those")
    parser.add_argument("--batch", type=int, default=96)
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--attributes", type=float, default=0.3, help="weight of the attributes' loss")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--report", type=int, default=200)
    train(parser.parse_args())


if __name__ == "__main__":
    main()
