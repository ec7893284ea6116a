"""What the operators about pretrained hypernetworks share: the token, the repository's fields, a plain run."""

from __future__ import annotations

import re

import fiftyone.operators as foo
from fiftyone.operators import types

from .base import WorkOperator

_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")


class HubOperator(WorkOperator):
    """An operator that talks to the Hugging Face Hub once; an error is shown as FiftyOne shows errors.

    Subclasses have `build_form(ctx, inputs)`; `call(**options)`, the package's function; and `work(ctx, progress)`.
    """

    def __call__(self, delegate=False, **options):
        """Runs from Python: `foo.get_operator(URI)(repo=..., ...)`.

        Args:
            delegate: schedule it for `fiftyone delegated launch` instead of running it here.
            **options: those of the package's function; for a delegated run, those of the form.

        Returns:
            what was done, or FiftyOne's result of scheduling.
        """
        self.require_package()
        if not delegate:
            return self.call(**options)
        return foo.execute_operator(self.uri, {"request_delegation": True}, params=options)

    def execute(self, ctx):
        """Runs it."""
        return self._run(ctx, lambda fraction, label: ctx.set_progress(progress=fraction, label=label))

    def describe(self, summary):
        return {"summary": str(summary), "place": summary.place}


def hub_config(**given):
    """The configuration of an operator that talks to the Hub.

    Args:
        **given: `name`, `label`, `description`, `icon`, `risk_level`.
    """
    return foo.OperatorConfig(dynamic=True, allow_delegated_execution=True, view_target=False, **given)


def token(ctx):
    """The plugin's secret HF_TOKEN; None leaves it to the Hub's own login."""
    secret = ctx.secrets["HF_TOKEN"]
    # FiftyOne gives the secret itself where it has just looked it up
    return getattr(secret, "value", secret) or None


def repository(ctx):
    """`OWNER/NAME` as it was typed, or None while it is none yet."""
    typed = (ctx.params.get("repo") or "").strip()
    return typed if _REPOSITORY.fullmatch(typed) else None


def add_repository(ctx, inputs, description):
    """Adds the field, marked while it names no repository."""
    prop = inputs.str("repo", required=True, label="Repository", description=description)
    if ctx.params.get("repo") and repository(ctx) is None:
        refuse(prop, "A repository of the Hugging Face Hub is named OWNER/NAME")
    return prop


def refuse(prop, message):
    """Marks a field."""
    prop.invalid, prop.error_message = True, message


def say(inputs, name, text):
    """Adds a line."""
    inputs.view(name, types.Notice(label=text))
