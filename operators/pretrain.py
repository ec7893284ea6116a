"""The operator "Latent-INR: pretrain hypernetworks"."""

from __future__ import annotations

from typing import Any

from . import widgets
from .base import Progress, VideoOperator, say_what_closing_does, video_config

_PRESET = "fast"


class Pretrain(VideoOperator):
    """Trains what many videos share, for fits to start from.

    From Python: `foo.get_operator("@latent-inr/latent_inr/pretrain")(view, preset="fast", teacher="small")`, with the
    options of `fiftyone_latent_inr.pretrain`; for a delegated run, those of the form: `preset`, `steps`, `teacher`,
    `device`, `name`, `licence_field`, `resume`.
    """

    verb = "Pretrain"

    @property
    def config(self) -> Any:
        return video_config(
            name="pretrain",
            label="Latent-INR: pretrain hypernetworks",
            description="Train what many videos share, so that fits start nearer to their end",
            icon="model_training",
            default_choice_to_delegated=True,
        )

    def call(self, samples: Any, **options: Any) -> Any:
        from fiftyone_latent_inr.datasets.priors.pretrain_dataset import pretrain_dataset, summarise

        return summarise(pretrain_dataset(samples, **options))

    def build_form(self, ctx: Any, inputs: Any) -> None:
        from fiftyone_latent_inr import PretrainConfig
        from fiftyone_latent_inr.datasets.priors.preview import pretrain_seconds, pretrain_status, problems

        inputs.view_target(ctx, action_description="Pretrain on")
        widgets.add_preset(inputs, _PRESET, "Of the fits that are to start from the result")
        steps, described = (
            PretrainConfig().steps,
            "How long to train: what draws learns in the first 2,000, what embeds in all",
        )
        fields = {"steps": inputs.int("steps", default=steps, min=1, label="Steps", description=described)}
        described = "The model whose space the result embeds videos into, without a fit"
        fields["teacher"] = widgets.add_teacher(inputs, described)
        widgets.note_teacher(ctx, inputs)
        widgets.add_device(inputs, "Where to train")
        for name, label, described in (
            ("name", "Name", "Of the folder that keeps them; empty: the dataset's and the preset's"),
            ("licence_field", "Licence field", "Holds the licence of each video, for the model card"),
        ):
            fields[name] = inputs.str(name, label=label, description=described)
        described = "With what an earlier run of the same settings has left; otherwise begin anew"
        widgets.add_checkbox(inputs, "resume", True, "Go on", described)
        samples, options = _read_form(ctx)
        found = problems(samples, options)
        widgets.refuse_all(inputs, fields, found, "Nothing to pretrain on here")
        if not found:
            widgets.say(inputs, "status", pretrain_status(samples, options))
            say_what_closing_does(inputs, pretrain_seconds(options), "the pretraining")

    def seconds(self, ctx: Any) -> float | None:
        from fiftyone_latent_inr.datasets.priors.preview import pretrain_seconds

        return pretrain_seconds(_read_form(ctx)[1])

    def work(self, ctx: Any, progress: Progress) -> Any:
        from fiftyone_latent_inr.datasets.priors.preview import read_steps

        samples, options = _read_form(ctx)
        return self.call(samples, progress=progress, config=read_steps(options.pop("steps")), **options)

    def resolve_run_name(self, ctx: Any) -> str:
        """The name in the list of delegated runs."""
        return f"Pretrain hypernetworks ({ctx.params.get('preset', _PRESET)})"


def _read_form(ctx: Any) -> tuple[Any, dict[str, Any]]:
    """The collection to train on, and the keyword arguments of `pretrain_dataset`, with `steps` for its `config`."""
    from fiftyone_latent_inr import PretrainConfig

    params = ctx.params
    options = {
        "preset": params.get("preset") or _PRESET,
        "steps": widgets.given(params, "steps", PretrainConfig().steps),
        "teacher": widgets.read_teacher(params),
        "device": widgets.read_device(params),
        "name": widgets.text(params, "name"),
        "licence_field": widgets.text(params, "licence_field"),
        "resume": bool(params.get("resume", True)),
    }
    return widgets.target(ctx), options
