"""The operator "Latent-INR: publish hypernetworks"."""

from __future__ import annotations

from fiftyone.operators import types

from .priors_form import HubOperator, add_repository, hub_config, refuse, repository, say, token


class PublishPrior(HubOperator):
    """Stores hypernetworks that were pretrained here in a repository of the Hugging Face Hub.

    From Python: `foo.get_operator("@latent-inr/latent_inr/publish_prior")(prior=FOLDER, repo="OWNER/NAME")`.
    """

    verb = "Publish"

    @property
    def config(self):
        return hub_config(
            name="publish_prior",
            label="Latent-INR: publish hypernetworks",
            description="Store pretrained hypernetworks in a repository of the Hugging Face Hub",
            icon="cloud_upload",
            risk_level="high",
        )

    def call(self, **options):
        from fiftyone_latent_inr.datasets.priors.known_priors import publish_prior

        return publish_prior(**options)

    def build_form(self, ctx, inputs):
        from fiftyone_latent_inr import InputError
        from fiftyone_latent_inr.datasets.priors.hub_preview import describe_upload
        from fiftyone_latent_inr.datasets.priors.known_priors import publishable_priors

        names = publishable_priors()
        if not names:
            nothing = "Pretrain some first: the operator Pretrain hypernetworks"
            prop = inputs.view("prior", types.Error(label="No hypernetworks here", description=nothing))
            refuse(prop, nothing)
            return
        view = types.DropdownView()
        for folder, name in names.items():
            view.add_choice(folder, label=name, description=folder)
        prior = inputs.enum("prior", list(names), required=True, label="Hypernetworks", view=view)
        repo = add_repository(ctx, inputs, "OWNER/NAME; is created where it is missing")
        inputs.str("branch", label="Branch", description="Is created where it is missing; empty: main")
        inputs.bool(
            "private", default=True, label="Private", view=types.CheckboxView(),
            description="Only its owners may see it; of a repository that exists already, nothing is changed",
        )  # fmt: skip
        confirm = inputs.bool(
            "confirm", default=False, label="Publish them", view=types.CheckboxView(),
            description="Names and licences of the videos that they were pretrained on are in the model card",
        )  # fmt: skip
        chosen = ctx.params.get("prior")
        if chosen not in names:
            if chosen:
                refuse(prior, f"There are no finished hypernetworks in {chosen}")
            return
        try:
            line = describe_upload(chosen, repository(ctx), ctx.params.get("branch"), token(ctx))
            say(inputs, "status", line)
        except InputError as error:
            refuse(repo, str(error))
        if repository(ctx) and not ctx.params.get("confirm"):
            refuse(confirm, "Tick this to publish")

    def work(self, ctx, progress):
        params = ctx.params
        return self.call(
            prior=params["prior"],
            repo=repository(ctx) or params["repo"],
            branch=params.get("branch") or None,
            private=bool(params.get("private", True)),
            token=token(ctx),
            progress=progress,
        )

    def resolve_output(self, ctx):
        """The link to what was published."""
        outputs = types.Object()
        outputs.str("summary", label="Result")
        place = (ctx.results or {}).get("place", "")
        if place.startswith(("https://", "http://")):
            outputs.str("place", label="On the Hub", view=types.LinkView(href=place, label="Open the commit"))
        return types.Property(outputs, view=types.View(label=self.config.label))

    def resolve_run_name(self, ctx):
        """The name in the list of delegated runs."""
        return f"Publish to {ctx.params.get('repo', 'the Hub')}"
