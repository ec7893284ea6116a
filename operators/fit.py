"""The operator "Fit Latent-INR", and its form."""

from __future__ import annotations

from typing import Any

from . import widgets
from .base import Progress, VideoOperator, video_config

_PRESET, _QUALITY = "balanced", 50


class FitLatentINR(VideoOperator):
    """Fits videos, stores them, and indexes them for search by text.

    From Python: `foo.get_operator("@latent-inr/latent_inr/fit")(view, preset="fast", teacher="small")`, with the
    options of `fiftyone_latent_inr.fit_dataset`; for a delegated run, those of the form: `preset`, `quality`,
    `teacher`, `prior`, `device`, `embeddings_field`, `brain_key`, `overwrite`.
    """

    verb = "Fit"

    @property
    def config(self) -> Any:
        return video_config(
            name="fit",
            label="Fit Latent-INR",
            description="Fit videos as latents, store them in small files, and make them searchable by text",
            icon="movie_filter",
        )

    def call(self, samples: Any, **options: Any) -> Any:
        from fiftyone_latent_inr import fit_dataset

        return fit_dataset(samples, **options)

    def build_form(self, ctx: Any, inputs: Any) -> None:
        from fiftyone_latent_inr.datasets.fit.preview import fit_status, problems

        inputs.view_target(ctx, action_description="Fit")
        widgets.add_preset(inputs, _PRESET, "How much time to spend on quality")
        quality, described = {"default": _QUALITY, "min": 0, "max": 100}, "0 to 100: better pictures, or smaller files"
        fields = {"quality": inputs.float("quality", label="Quality", description=described, **quality)}
        fields["teacher"] = widgets.add_teacher(
            inputs,
            "The model whose space the videos can be searched in: default, small (bundled: plain shapes only), an "
            "OpenCLIP model as ARCH/PRETRAINED, a folder, or none (no search)",
        )
        widgets.note_teacher(ctx, inputs)
        fields["prior"] = _add_prior(inputs)
        widgets.add_device(inputs, "Where to fit")
        for name, label, described in (
            ("embeddings_field", "Embeddings field", "The other fields are named after it"),
            ("brain_key", "Brain key", "Name of the similarity index"),
        ):
            fields[name] = inputs.str(name, default=widgets.FIT_NAME, label=label, description=described)
        widgets.add_checkbox(inputs, "overwrite", False, "Overwrite", "Fit what is up to date again")
        samples, options = _read_form(ctx)
        found = problems(samples, options)
        widgets.refuse_all(inputs, fields, found, "Nothing to fit here")
        if not found:
            widgets.say(inputs, "status", fit_status(samples, options).text())

    def work(self, ctx: Any, progress: Progress) -> Any:
        samples, options = _read_form(ctx)
        return self.call(samples, progress=progress, **options)

    def resolve_run_name(self, ctx: Any) -> str:
        """The name in the list of delegated runs."""
        return f"Fit Latent-INR ({ctx.params.get('preset', _PRESET)})"


def _read_form(ctx: Any) -> tuple[Any, dict[str, Any]]:
    """The collection to fit, and the keyword arguments of `fit_dataset`."""
    params = ctx.params
    prior = widgets.text(params, "prior")
    options = {
        "preset": params.get("preset") or _PRESET,
        "teacher": widgets.read_teacher(params),
        "prior": None if prior == widgets.DEFAULT else prior,
        "device": widgets.read_device(params),
        "quality": widgets.given(params, "quality", _QUALITY),
        "embeddings_field": params.get("embeddings_field") or widgets.FIT_NAME,
        "brain_key": params.get("brain_key") or widgets.FIT_NAME,
        "overwrite": bool(params.get("overwrite", False)),
    }
    return widgets.target(ctx), options


def _add_prior(inputs: Any) -> Any:
    """Adds the choice of what fits start from."""
    from fiftyone_latent_inr.datasets.priors.known_priors import known_priors

    known = {name: name for name in (widgets.DEFAULT, widgets.NONE)}
    known |= {name: f"{name} ({kind})" if kind == "bundled" else kind for name, kind in known_priors().items()}
    described = (
        "Pretrained hypernetworks: a name, a folder, or OWNER/NAME of the Hugging Face Hub; fits of few steps go "
        "further from them, whole ones take fewer bytes. Default is fast-prior for the preset fast, none for the others"
    )
    return widgets.add_name(inputs, "prior", known, label="Start from", description=described)
