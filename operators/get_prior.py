"""The operator "Latent-INR: get hypernetworks from the Hub"."""

from __future__ import annotations

from .priors_form import HubOperator, add_repository, hub_config, refuse, repository, say, token


class GetPrior(HubOperator):
    """Fetches pretrained hypernetworks from the Hugging Face Hub, for fits to start from.

    From Python: `foo.get_operator("@latent-inr/latent_inr/get_prior")(repo="OWNER/NAME", revision=None)`.
    """

    verb = "Get"

    @property
    def config(self):
        return hub_config(
            name="get_prior",
            label="Latent-INR: get hypernetworks from the Hub",
            description="Fetch pretrained hypernetworks, for fits to start from",
            icon="cloud_download",
            risk_level="medium",
        )

    def call(self, **options):
        from fiftyone_latent_inr.datasets.priors.known_priors import fetch_prior

        return fetch_prior(**options)

    def build_form(self, ctx, inputs):
        from fiftyone_latent_inr import InputError
        from fiftyone_latent_inr.datasets.priors.hub_preview import describe

        repo = add_repository(ctx, inputs, "OWNER/NAME of the Hugging Face Hub")
        revision = inputs.str("revision", label="Revision", description="Branch, tag or commit; empty: main")
        if repository(ctx) is None:
            return
        try:
            say(inputs, "status", describe(repository(ctx), ctx.params.get("revision"), token(ctx)))
        except InputError as error:
            refuse(revision if ctx.params.get("revision") else repo, str(error))

    def work(self, ctx, progress):
        return self.call(
            repo=repository(ctx) or ctx.params["repo"],
            revision=ctx.params.get("revision") or None,
            token=token(ctx),
            progress=progress,
        )

    def resolve_run_name(self, ctx):
        """The name in the list of delegated runs."""
        return f"Get {ctx.params.get('repo', 'hypernetworks')}"
