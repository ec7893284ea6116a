"""Score the small teacher on combinations that its training never saw, drawn by the package and by other code.

    python -m benchmarks.small_teacher          # writes benchmarks/results/small_teacher.json

Each round: 60 clips of different (colour, shape, background), their mean-pooled embeddings, one caption each.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch

from fiftyone_latent_inr.semantics.scores import pool, recall_at_k
from fiftyone_latent_inr.semantics.teachers import Teacher, load_teacher
from fiftyone_latent_inr.small_world.clips import captions
from fiftyone_latent_inr.small_world.drawing import render
from fiftyone_latent_inr.small_world.world import combinations, random_specs

from .shared import foreign_shapes
from .shared.records import RESULTS


def own(teacher: Teacher, seed: int, two_shapes: float) -> list[float]:
    """Recall at 1 and 5 of the package's own clips."""
    specs = random_specs(60, seed, held_out=True, two_shapes=two_shapes)
    videos = np.stack([pool(teacher.embed_frames(render(spec, 8))) for spec in specs])
    texts = teacher.embed_text([captions(spec)[0] for spec in specs])
    return [recall_at_k(texts, videos, k) for k in (1, 5)]


def foreign(teacher: Teacher, seed: int) -> list[float]:
    """Recall at 1 and 5 of clips drawn by Pillow with CSS colours, in six sizes, through x264."""
    known = foreign_shapes.COLOURS
    pool_of = [c for c in combinations(True) if c[0] in known and c[2] in known]
    order = np.random.default_rng(seed).permutation(len(pool_of))[:60]
    clips = foreign_shapes.clips([pool_of[i] for i in order], seed)
    videos = np.stack([pool(teacher.embed_frames(video)) for video, _ in clips])
    texts = teacher.embed_text([caption for _, caption in clips])
    return [recall_at_k(texts, videos, k) for k in (1, 5)]


def parts(teacher: Teacher, seed: int) -> dict[str, float]:
    """How often each part is right when the best of all captions is chosen for an unseen clip."""
    every = combinations()
    texts = teacher.embed_text([f"a {c} {s} on a {b} background" for c, s, b in every])
    specs = random_specs(150, seed, held_out=True)
    right = np.zeros(3)
    for spec in specs:
        best = every[int((texts @ pool(teacher.embed_frames(render(spec, 8)))).argmax())]
        right += np.equal(best, spec.combinations[0])
    return dict(zip(("colour", "shape", "background"), (right / len(specs)).tolist(), strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--teacher", default="small")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=RESULTS / "small_teacher.json")
    args = parser.parse_args()
    torch.set_num_threads(1)
    teacher = load_teacher(args.teacher, device="cpu")
    seeds = range(100, 100 + args.rounds)
    scores = {
        "own, one shape": [own(teacher, seed, 0.0) for seed in seeds],
        "own, half with two shapes": [own(teacher, seed, 0.5) for seed in seeds],
        "drawn by other code": [foreign(teacher, seed) for seed in seeds],
    }
    record = {
        "teacher": teacher.id,
        "clips a round": 60,
        "rounds": args.rounds,
        "recall": {
            name: {
                "R@1": round(float(np.mean([r[0] for r in rounds])), 4),
                "R@1 worst round": round(min(r[0] for r in rounds), 4),
                "R@5": round(float(np.mean([r[1] for r in rounds])), 4),
            }
            for name, rounds in scores.items()
        },
        "parts right": {name: round(value, 4) for name, value in parts(teacher, 99).items()},
    }
    text = json.dumps(record, indent=1)
    print(text)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
