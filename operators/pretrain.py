"""The operator "Latent-INR: pretrain hypernetworks"."""

from __future__ import annotations

from fiftyone.operators import types

from .base import VideoOperator, video_config
from .priors_form import refuse, say
from .widgets import PRESETS, add_device, add_teacher, choices, read_device, read_teacher, target

_STEPS = 15_000


class Pretrain(VideoOperator):
    """Trains what many videos share, for fits to start from.

    From Python: `foo.get_operator("@latent-inr/latent_inr/pretrain")(view, preset="fast", teacher="small")`, with the
    options of `fiftyone_latent_inr.pretrain`; for a delegated run, those of the form: `preset`, `steps`, `teacher`,
    `device`, `name`, `licence_field`, `resume`.
    """

    verb = "Pretrain"

    @property
    def config(self):
        return video_config(
            name="pretrain",
            label="Latent-INR: pretrain hypernetworks",
            description="Train what many videos share, so that fits start nearer to their end",
            icon="model_training",
            default_choice_to_delegated=True,
        )

    def call(self, samples, **options):
        from fiftyone_latent_inr.datasets.priors.pretrain_dataset import pretrain_dataset, summarise

        return summarise(pretrain_dataset(samples, **options))

    def build_form(self, ctx, inputs):
        from fiftyone_latent_inr.datasets.priors.preview import pretrain_status, problems

        inputs.view_target(ctx, action_description="Pretrain on")
        choices(inputs, "preset", PRESETS, "fast", "Preset", "Of the fits that are to start from the result")
        fields = {
            "steps": inputs.int(
                "steps",
                default=_STEPS,
                min=1,
                label="Steps",
                description="How long to train: what draws learns in the first 2,000, what embeds in all",
            ),
            "teacher": add_teacher(inputs, "The model whose space the result embeds videos into, without a fit"),
        }
        add_device(inputs, "Where to train")
        fields["name"] = inputs.str(
            "name", label="Name", description="Of the folder that keeps them; empty: the dataset's and the preset's"
        )
        fields["licence_field"] = inputs.str(
            "licence_field", label="Licence field", description="Holds the licence of each video, for the model card"
        )
        inputs.bool(
            "resume", default=True, label="Go on", view=types.CheckboxView(),
            description="With what an earlier run of the same settings has left; otherwise begin anew",
        )  # fmt: skip
        samples, options = self._read(ctx)
        found = problems(samples, options)
        for argument, prop in fields.items():
            if argument in found:
                refuse(prop, found[argument])
        if "samples" in found:
            notice = types.Error(label="Nothing to pretrain on here", description=found["samples"])
            refuse(inputs.view("samples", notice), found["samples"])
        if not found:
            say(inputs, "status", pretrain_status(samples, options))

    def work(self, ctx, progress):
        from fiftyone_latent_inr.datasets.priors.preview import read_steps

        samples, options = self._read(ctx)
        return self.call(samples, progress=progress, config=read_steps(options.pop("steps")), **options)

    def resolve_run_name(self, ctx):
        """The name in the list of delegated runs."""
        return f"Pretrain hypernetworks ({ctx.params.get('preset', 'fast')})"

    def _read(self, ctx):
        params = ctx.params
        options = {
            "preset": params.get("preset") or "fast",
            "steps": _STEPS if params.get("steps") is None else params["steps"],
            "teacher": read_teacher(params),
            "device": read_device(params),
            "name": (params.get("name") or "").strip() or None,
            "licence_field": (params.get("licence_field") or "").strip() or None,
            "resume": bool(params.get("resume", True)),
        }
        return target(ctx), options
