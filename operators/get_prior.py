"""The operator "Latent-INR: get hypernetworks from the Hub"."""

from __future__ import annotations

from typing import Any

from . import widgets
from .base import HubOperator, Progress, hub_config


class GetPrior(HubOperator):
    """Fetches pretrained hypernetworks from the Hugging Face Hub, for fits to start from.

    From Python: `foo.get_operator("@latent-inr/latent_inr/get_prior")(repo="OWNER/NAME", revision=None)`.
    """

    verb = "Get"

    @property
    def config(self) -> Any:
        return hub_config(
            name="get_prior",
            label="Latent-INR: get hypernetworks from the Hub",
            description="Fetch pretrained hypernetworks, for fits to start from",
            icon="cloud_download",
            risk_level="medium",
        )

    def call(self, **options: Any) -> Any:
        from fiftyone_latent_inr.datasets.priors.known_priors import fetch_prior

        return fetch_prior(**options)

    def build_form(self, ctx: Any, inputs: Any) -> None:
        from fiftyone_latent_inr import InputError
        from fiftyone_latent_inr.datasets.priors.hub_preview import describe

        repo = widgets.add_repository(ctx, inputs, "OWNER/NAME of the Hugging Face Hub")
        revision = inputs.str("revision", label="Revision", description="Branch, tag or commit; empty: main")
        name, asked = widgets.repository(ctx), widgets.text(ctx.params, "revision")
        if name is None:
            return
        try:
            widgets.say(inputs, "status", describe(name, asked, widgets.token(ctx)))
        except InputError as error:
            widgets.refuse(revision if asked else repo, str(error))

    def work(self, ctx: Any, progress: Progress) -> Any:
        return self.call(
            repo=widgets.repository(ctx) or ctx.params["repo"],
            revision=widgets.text(ctx.params, "revision"),
            token=widgets.token(ctx),
            progress=progress,
        )

    def resolve_run_name(self, ctx: Any) -> str:
        """The name in the list of delegated runs."""
        return f"Get {ctx.params.get('repo', 'hypernetworks')}"
