"""Operators without a browser: their forms, and live runs."""

import fiftyone.operators as foo
import fiftyone.operators.executor as foe

URI = "@latent-inr/latent_inr/"


def context(name_, samples=None, target=None, selected=(), results=None, **params):
    """What the App gives an operator."""
    request = {"params": params, "results": results, "selected": list(selected)}
    if samples is not None:
        request |= {"dataset_name": samples._root_dataset.name, "view": samples.view()._serialize()}
    if target:
        request["view_target"] = params["view_target"] = target
    return foe.ExecutionContext(
        operator_uri=URI + name_,
        executor=foe.Executor(),
        request_params=request,
        required_secrets=foo.get_operator(URI + name_)._plugin_secrets,
    )


def form(name_, samples=None, **given):
    """The form's fields by name."""
    return foo.get_operator(URI + name_).resolve_input(context(name_, samples, **given)).type.properties


def status(properties):
    """The line about what is to be done."""
    return properties["status"].view.label


def run(name_, samples=None, **params):
    """What an operator does when it is run."""
    return foo.get_operator(URI + name_).execute(context(name_, samples, **params))


def live(name_, samples, **params):
    """The messages that a live run sends to the App."""
    return [message.to_json()["body"] for message in run(name_, samples, **params)]
