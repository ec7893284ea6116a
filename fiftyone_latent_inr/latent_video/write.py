"""Networks to the bytes of a `.linr` file: header and sections; `video.from_bytes` is the way back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from .. import codec
from ..frames.aspect import SQUARE, to_header
from ..model import SEMANTIC, LatentINR, ModelConfig
from ..priors.model_tensors import prior_tensors
from ..priors.reference import PriorReference
from ..video.timing import packed_times
from .sections import StepSizes, check_groups, encode_group, encode_semantic, joined_latents, quantised_semantic

if TYPE_CHECKING:
    from ..priors.prior import Prior


def to_bytes(
    model: LatentINR | Sequence[LatentINR],
    *,
    step_sizes: StepSizes | Sequence[StepSizes] | None = None,
    bits: int = 8,
    prior: Prior | None = None,
    **facts: Any,
) -> bytes:
    """The bytes of a `.linr` file.

    Args:
        model: the networks, on any device; or those of several groups of frames, in their order. The head is the first
            one's.
        step_sizes: quantisation step sizes of every tensor of `model.tensors.tensor_specs`, flat, as
            `codec.round_step_sizes` leaves them, for each model; None takes the smallest that store all in `bits`.
        bits: bits of a stored number, where no step sizes are given; the field's weights take two more, offsets and
            biases 16.
        prior: that the field is stored as the difference from; None stores it as such.
        **facts: what the header says of the video, see `header`.

    Raises:
        InputError: the models are not of one video.
        ValueError: metadata that JSON cannot say or that is too large, or numbers that are not finite.
    """
    models = [model] if isinstance(model, LatentINR) else list(model)
    given = [step_sizes] * len(models) if step_sizes is None or isinstance(step_sizes, Mapping) else list(step_sizes)
    configs = [one.config for one in models]
    check_groups(configs)
    semantic = None
    if configs[0].semantic_dim:
        parts = [quantised_semantic(one, own, bits) for one, own in zip(models, given, strict=True)]
        semantic = {**parts[0], SEMANTIC[0]: joined_latents([part[SEMANTIC[0]] for part in parts])}
    references = [None if prior is None else prior_tensors(prior.networks, config) for config in configs]
    groups = [
        (config, encode_group(one, own, bits, reference), None if prior is None else codec.PRIOR)
        for config, one, own, reference in zip(configs, models, given, references, strict=True)
    ]
    return put_together(groups, semantic, prior=prior, **facts)


def put_together(
    groups: Sequence[tuple[ModelConfig, bytes, int | None]],
    semantic: Mapping[str, codec.Quantised] | None,
    **facts: Any,
) -> bytes:
    """The bytes of a file from its groups' sections.

    Args:
        groups: of each its configuration, its section, and its parent: an earlier group, `codec.PRIOR` or None.
        semantic: semantic latents of all frames and the head, by name; None without a teacher.
        **facts: what the header says of the video, see `header`.
    """
    documents: list[dict[str, Any]] = []
    sections = []
    if semantic is not None:
        num_frames = sum(config.num_frames for config, _, _ in groups)
        data = encode_semantic(groups[0][0], num_frames, semantic)
        sections.append(codec.Section(codec.SEMANTIC, num_frames, 0, data))
    for config, data, parent in groups:
        document = config.to_json()
        if document not in documents:
            documents.append(document)
        sections.append(codec.Section(codec.GROUP, config.num_frames, documents.index(document), data, parent))
    return codec.assemble({"models": documents, **header(**facts)}, sections)


def header(
    *,
    fps: float,
    preset: str,
    pixel_aspect: Fraction = SQUARE,
    cuts: Sequence[int] = (),
    teacher: str | None = None,
    teacher_id: str | None = None,
    metrics: Mapping[str, float] | None = None,
    metadata: Mapping[str, Any] | None = None,
    **rare: Any,
) -> dict[str, Any]:
    """The JSON header of a `.linr` file without its models' configurations: as the attributes of `LatentVideo`.

    What few files have, `prior` (a `Prior`) and `times`, is left out where it is None.
    """
    prior, times = rare.pop("prior", None), rare.pop("times", None)
    if rare:
        raise TypeError(f"a header does not say {', '.join(rare)}")
    return {
        "fps": fps,
        **({} if times is None else {"times": packed_times(times, fps)}),
        "preset": preset,
        **to_header(pixel_aspect),
        **({} if prior is None else {"prior": asdict(PriorReference.of(prior))}),
        **({"cuts": [int(cut) for cut in cuts]} if cuts else {}),
        "teacher": teacher,
        "teacher_id": teacher_id,
        "metrics": {name: float(f"{value:.8g}") for name, value in (metrics or {}).items()},
        "metadata": dict(metadata or {}),
    }
