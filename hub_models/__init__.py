"""FiftyOne zoo source: what answers searches in Latent-INR's embeddings, and embeds videos without a fit.

    import fiftyone.zoo as foz
    model = foz.load_zoo_model("latent-inr/small-teacher")               # texts and images
    model.embed_prompt("a red circle")                                   # (E,), unit norm
    model = foz.load_zoo_model("latent-inr/fast-prior")                  # videos and texts
    dataset.compute_embeddings(model)                                    # (N, E), unit norm

Others: `foz.load_zoo_model("latent-inr/teacher", directory="...")`,
`foz.load_zoo_model("latent-inr/prior", repo="OWNER/NAME")`.

FiftyOne copies this folder alone into its model zoo, and loads it in processes that know nothing of the package: so
it imports nothing from it. The vectors are the same as `fiftyone_latent_inr.semantics.teachers.Teacher`'s and
`fiftyone_latent_inr.priors.prior.Prior`'s.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import fiftyone.core.models as fom
from fiftyone.operators import types

# FiftyOne runs this file anew at every load, after a newer copy of the folder came as well: so must its neighbours
for _neighbour in ("known_words", "teacher_model", "prior_model"):
    sys.modules.pop(f"{__name__}.{_neighbour}", None)

from . import prior_model, teacher_model  # noqa: E402

SMALL = "latent-inr/small-teacher"
DIRECTORY = "latent-inr/teacher"
FAST_PRIOR = "latent-inr/fast-prior"
PRIOR = "latent-inr/prior"


def download_model(model_name: str, model_path: str) -> None:
    """Downloads nothing: small teacher and prior are part of this folder, others are found when they are loaded."""
    if not os.path.exists(model_path):
        raise ValueError(f"{model_path} is missing: this copy of the zoo source is damaged; register it again")


def load_model(
    model_name: str,
    model_path: str,
    directory: str | None = None,
    repo: str | None = None,
    revision: str | None = None,
    device: str | None = None,
    frames: int = prior_model.FRAMES,
    **_: Any,
) -> fom.Model:
    """What `foz.load_zoo_model` calls.

    Args:
        model_name: name of a model of the manifest.
        model_path: path of its file or folder in the zoo.
        directory: folder that holds it, for `latent-inr/teacher` or `latent-inr/prior`.
        repo: repository on the Hugging Face Hub that holds it, for `latent-inr/prior`. Tokens come from the Hub's own
            login or HF_TOKEN: arguments are stored with a similarity index.
        revision: branch, tag or commit of `repo`.
        device: torch device; None takes CUDA, then MPS, then the CPU.
        frames: number of frames of a video that priors look at, evenly spaced.

    Raises:
        ValueError: there is no such model, or it is damaged or not safe to load.
    """
    if model_name == SMALL:
        return teacher_model.from_directory(model_path, device)
    if model_name == DIRECTORY:
        if not directory:
            raise ValueError(
                f"{DIRECTORY} needs directory=, the folder with {teacher_model.CONFIG} and {teacher_model.WEIGHTS[0]}"
            )
        return teacher_model.from_directory(directory, device)
    if model_name == FAST_PRIOR:
        return prior_model.PriorModel(model_path, device, frames)
    if model_name != PRIOR:
        raise ValueError(f"this zoo source has {SMALL}, {DIRECTORY}, {FAST_PRIOR} and {PRIOR}, not {model_name}")
    if repo and not directory:
        return prior_model.PriorModel(prior_model.fetch(repo, revision), device, frames, name=repo)
    if directory and not repo:
        return prior_model.PriorModel(directory, device, frames)
    raise ValueError(f"{PRIOR} needs directory= or repo=, the folder or the Hub's repository that holds it")


def resolve_input(model_name: str, ctx: Any) -> types.Property | None:
    """The form that FiftyOne's own operators show for a model of this source."""
    inputs = types.Object()
    if model_name == DIRECTORY:
        described = f"holds {teacher_model.CONFIG} and the weights"
        inputs.str("directory", required=True, label="Directory", description=described)
    if model_name == PRIOR:
        inputs.str("repo", required=False, label="Repository", description="OWNER/NAME of the Hugging Face Hub")
        inputs.str("revision", required=False, label="Revision", description="branch, tag or commit; empty: main")
        inputs.str("directory", required=False, label="Directory", description="instead of a repository")
    if model_name in (PRIOR, FAST_PRIOR):
        described = "of a video that are looked at, evenly spaced"
        inputs.int("frames", default=prior_model.FRAMES, required=False, label="Frames", description=described)
    inputs.str("device", default=None, required=False, label="Device", description="cuda, cpu; empty: automatic")
    return types.Property(inputs)
