"""The operator "Latent-INR: publish hypernetworks"."""

from __future__ import annotations

from typing import Any

from fiftyone.operators import types

from . import widgets
from .base import HubOperator, Progress, hub_config


class PublishPrior(HubOperator):
    """Stores hypernetworks that were pretrained here in a repository of the Hugging Face Hub.

    From Python: `foo.get_operator("@latent-inr/latent_inr/publish_prior")(prior=FOLDER, repo="OWNER/NAME")`.
    """

    verb = "Publish"

    @property
    def config(self) -> Any:
        return hub_config(
            name="publish_prior",
            label="Latent-INR: publish hypernetworks",
            description="Store pretrained hypernetworks in a repository of the Hugging Face Hub",
            icon="cloud_upload",
            risk_level="high",
        )

    def call(self, **options: Any) -> Any:
        from fiftyone_latent_inr.datasets.priors.known_priors import publish_prior

        return publish_prior(**options)

    def build_form(self, ctx: Any, inputs: Any) -> None:
        from fiftyone_latent_inr import InputError
        from fiftyone_latent_inr.datasets.priors.hub_preview import describe_upload
        from fiftyone_latent_inr.datasets.priors.known_priors import local_priors

        names = {str(folder): name for name, folder in local_priors().items()}
        if not names:
            nothing = "Pretrain some first: the operator Pretrain hypernetworks"
            notice = types.Error(label="No hypernetworks here", description=nothing)
            widgets.refuse(inputs.view("prior", notice), nothing)
            return
        view = types.DropdownView()
        for folder, name in names.items():
            view.add_choice(folder, label=name, description=folder)
        prior = inputs.enum("prior", list(names), required=True, label="Hypernetworks", view=view)
        repo = widgets.add_repository(ctx, inputs, "OWNER/NAME; is created where it is missing")
        inputs.str("branch", label="Branch", description="Is created where it is missing; empty: main")
        described = "Only its owners may see it; of a repository that exists already, nothing is changed"
        widgets.add_checkbox(inputs, "private", True, "Private", described)
        described = "Names and licences of the videos that they were pretrained on are in the model card"
        confirm = widgets.add_checkbox(inputs, "confirm", False, "Publish them", described)
        chosen, named = ctx.params.get("prior"), widgets.repository(ctx)
        if chosen not in names:
            if chosen:
                widgets.refuse(prior, f"There are no finished hypernetworks in {chosen}")
            return
        try:
            branch = widgets.text(ctx.params, "branch")
            widgets.say(inputs, "status", describe_upload(chosen, named, branch, widgets.token(ctx)))
        except InputError as error:
            widgets.refuse(repo, str(error))
        if named and not ctx.params.get("confirm"):
            widgets.refuse(confirm, "Tick this to publish")

    def work(self, ctx: Any, progress: Progress) -> Any:
        params = ctx.params
        return self.call(
            prior=params["prior"],
            repo=widgets.repository(ctx) or params["repo"],
            branch=widgets.text(params, "branch"),
            private=bool(params.get("private", True)),
            token=widgets.token(ctx),
            progress=progress,
        )

    def show_done(self, outputs: Any, results: dict[str, Any]) -> None:
        """The link to what was published."""
        outputs.str("summary", label="Result")
        place = results.get("place", "")
        if place.startswith(("https://", "http://")):
            outputs.str("place", label="On the Hub", view=types.LinkView(href=place, label="Open the commit"))

    def resolve_run_name(self, ctx: Any) -> str:
        """The name in the list of delegated runs."""
        return f"Publish to {ctx.params.get('repo', 'the Hub')}"
