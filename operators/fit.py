"""The operator "Fit Latent-INR", and its form."""

from __future__ import annotations

from typing import Any

from . import widgets
from .base import Progress, VideoOperator, say_what_closing_does, video_config

_PRESET, _QUALITY = "balanced", 50


class FitLatentINR(VideoOperator):
    """Fits videos, stores them, and indexes them for search by text.

    From Python: `foo.get_operator("@latent-inr/latent_inr/fit")(view, preset="fast", teacher="small")`, with the
    options of `fiftyone_latent_inr.fit_dataset`; for a delegated run, those of the form: `preset`, `quality`,
    `teacher`, `prior`, `device`, `embeddings_field`, `brain_key`, `overwrite`. The form starts from the settings of the
    dataset's last run, and asks before finished fits are replaced; calls from Python do neither.
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

    def parameters(self, options: dict[str, Any]) -> dict[str, Any]:
        """Those of `fit_dataset` where nothing else is given, not those of the last run; nobody is asked."""
        usual = {"preset": _PRESET, "quality": _QUALITY, "teacher": widgets.DEFAULT, "prior": widgets.DEFAULT}
        named = dict.fromkeys(("embeddings_field", "brain_key"), widgets.FIT_NAME)
        return {**usual, **named, "device": "auto", "as_before": False, "replace": True, **options}

    def build_form(self, ctx: Any, inputs: Any) -> None:
        from fiftyone_latent_inr.datasets.fit.preview import fit_status, problems

        inputs.view_target(ctx, action_description="Fit")
        samples, options, last = _read_form(ctx)
        start, teacher = last.options, _named(last.options, "teacher", widgets.NONE)
        widgets.add_preset(inputs, start.get("preset", _PRESET), "How much time to spend on quality")
        fields: dict[str, Any] = {}
        if "bpp" not in options:
            described = "0 to 100: better pictures, or smaller files"
            quality = {"default": start.get("quality", _QUALITY), "min": 0, "max": 100}
            fields["quality"] = inputs.float("quality", label="Quality", description=described, **quality)
        fields["teacher"] = widgets.add_teacher(
            inputs,
            "The model whose space the videos can be searched in: default, small (bundled: plain shapes only), an "
            "OpenCLIP model as ARCH/PRETRAINED, a folder, or none (no search)",
            teacher,
        )
        widgets.note_teacher(ctx, inputs, teacher)
        fields["prior"] = _add_prior(inputs, _named(start, "prior", widgets.DEFAULT))
        widgets.add_device(inputs, "Where to fit", start.get("device"))
        for name, label, described in (
            ("embeddings_field", "Embeddings field", "The other fields are named after it"),
            ("brain_key", "Brain key", "Name of the similarity index"),
        ):
            default = start.get(name, widgets.FIT_NAME)
            fields[name] = inputs.str(name, default=default, label=label, description=described)
        if last.kept:
            described = f"Keep what this form does not ask for: {last.kept_text()}"
            widgets.add_checkbox(inputs, "as_before", True, "As in the last run", described)
        widgets.add_checkbox(inputs, "overwrite", False, "Overwrite", "Fit what is up to date again")
        found = problems(samples, options)
        widgets.refuse_all(inputs, fields, found, "Nothing to fit here")
        if found:
            return
        widgets.say_who_is_at_work(ctx, inputs, options["embeddings_field"], "fit")
        status = fit_status(samples, options)
        if status.other:
            _ask_to_replace(ctx, inputs, status)
        widgets.say(inputs, "status", status.text())
        if status.to_fit:
            say_what_closing_does(inputs, status.seconds, "the fit")

    def seconds(self, ctx: Any) -> float | None:
        from fiftyone_latent_inr.datasets.fit.preview import fit_status

        samples, options, _ = _read_form(ctx)
        return fit_status(samples, options).seconds

    def work(self, ctx: Any, progress: Progress) -> Any:
        samples, options, _ = _read_form(ctx)
        return self.call(samples, progress=progress, **options)

    def resolve_run_name(self, ctx: Any) -> str:
        """The name in the list of delegated runs."""
        return f"Fit Latent-INR ({ctx.params.get('preset', _PRESET)})"


def _read_form(ctx: Any) -> tuple[Any, dict[str, Any], Any]:
    """The collection to fit, the keyword arguments of `fit_dataset`, and the last run, which is what nobody filled in.

    What the last run had and the form does not ask for is kept, unless that is switched off.
    """
    from fiftyone_latent_inr.datasets.fit.last_run import last_run

    params, samples = ctx.params, widgets.target(ctx)
    last = last_run(samples._root_dataset)
    start = last.options
    prior = widgets.text(params, "prior") or _named(start, "prior", widgets.DEFAULT)
    options = {
        "preset": params.get("preset") or start.get("preset", _PRESET),
        "teacher": widgets.read_teacher(params, _named(start, "teacher", widgets.NONE)),
        "prior": None if prior == widgets.DEFAULT else prior,
        "device": widgets.read_device(params, start.get("device")),
        "quality": widgets.given(params, "quality", start.get("quality", _QUALITY)),
        "overwrite": bool(params.get("overwrite", False)),
    }
    for name in ("embeddings_field", "brain_key"):
        options[name] = params.get(name) or start.get(name, widgets.FIT_NAME)
    if params.get("as_before", True):
        options |= last.kept
        if "bpp" in last.kept:  # a rate is asked for in place of a quality
            options["quality"] = None
    return samples, options, last


def _named(start: dict[str, Any], name: str, nothing: str) -> str:
    """The last run's teacher or prior, as the form calls it; `nothing` is what it calls None."""
    found: str | None = start.get(name, widgets.DEFAULT)
    return nothing if found is None else found


def _ask_to_replace(ctx: Any, inputs: Any, status: Any) -> None:
    """Asks before finished fits are replaced, and their index with them where the teacher is another."""
    before = f", with {status.before}" if status.before else ""
    described = (
        f"{status.other} are fitted already{before}: this replaces their fits, and what is searched, by new ones"
    )
    prop = widgets.add_checkbox(inputs, "replace", False, "Replace finished fits", described)
    if not ctx.params.get("replace"):
        widgets.refuse(
            prop, "Tick this to fit them again with these settings, or choose those that they were fitted with"
        )


def _add_prior(inputs: Any, default: str) -> Any:
    """Adds the choice of what fits start from."""
    from fiftyone_latent_inr.datasets.priors.known_priors import known_priors

    known = {name: name for name in (widgets.DEFAULT, widgets.NONE, default)}
    known |= {name: f"{name} ({kind})" if kind == "bundled" else kind for name, kind in known_priors().items()}
    described = (
        "Pretrained hypernetworks: a name, a folder, or OWNER/NAME of the Hugging Face Hub; fits of few steps go "
        "further from them, whole ones take fewer bytes. Default is fast-prior for the preset fast, none for the others"
    )
    return widgets.add_name(inputs, "prior", known, default=default, label="Start from", description=described)
