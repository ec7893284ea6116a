"""The operator "Fit Latent-INR": its form, a live run in the App, and a delegated run."""

from __future__ import annotations

import queue
import threading

import fiftyone.operators as foo
from fiftyone.operators import types

from . import package
from .form import build_form, read_form

URI = "@latent-inr/latent_inr/fit"

# Seconds between two updates of the App's bar
_TICK = 0.3


class FitLatentINR(foo.Operator):
    """Fits videos, stores them, and indexes them for search by text."""

    # Version of the plugin's fiftyone.yml; set when FiftyOne registers the plugin
    plugin_version = None

    @property
    def config(self):
        return foo.OperatorConfig(
            name="fit",
            label="Fit Latent-INR",
            description="Fit videos as latents, store them in small files, and make them searchable by text",
            dynamic=True,
            execute_as_generator=True,
            allow_immediate_execution=True,
            allow_delegated_execution=True,
            risk_level="medium",
            icon="movie_filter",
        )

    def __call__(self, samples, delegate=False, **options):
        """Fits from Python: `foo.get_operator(URI)(view, preset="fast", teacher="small")`.

        Args:
            samples: a dataset or view of videos.
            delegate: schedule the fit for `fiftyone delegated launch` instead of running it here.
            **options: those of `fiftyone_latent_inr.fit_dataset`; for a delegated run, those of the form:
                `preset`, `quality`, `teacher`, `device`, `embeddings_field`, `brain_key`, `overwrite`.

        Returns:
            what became of the samples, or FiftyOne's result of scheduling.
        """
        self._require_package()
        if not delegate:
            from fiftyone_latent_inr import fit_dataset

            return fit_dataset(samples, **options)
        ctx = {"view": samples.view(), "request_delegation": True}
        return foo.execute_operator(self.uri, ctx, params=options)

    def resolve_input(self, ctx):
        """The form."""
        inputs = types.Object()
        trouble = package.problem(self.plugin_version)
        if trouble is not None:
            stop, text = trouble
            notice = (types.Error if stop else types.Warning)(label="Latent-INR", description=text)
            prop = inputs.view("package", notice)
            if stop:
                prop.invalid, prop.error_message = True, text
                return types.Property(inputs, view=types.View(label="Fit Latent-INR"))
        build_form(ctx, inputs)
        return types.Property(inputs, view=types.PromptView(label="Fit Latent-INR", submit_button_label="Fit"))

    def execute(self, ctx):
        """Runs the fit: a generator of App updates here, a plain result where the run is delegated."""
        if ctx.delegated:
            return self._run(ctx, lambda fraction, label: ctx.set_progress(progress=fraction, label=label))
        return self._stream(ctx)

    def resolve_output(self, ctx):
        """What a delegated run shows when it is done."""
        outputs = types.Object()
        outputs.str("summary", label="Result")
        if (ctx.results or {}).get("failed"):
            outputs.list("failed", types.String(), label="Failed")
        return types.Property(outputs, view=types.View(label="Fit Latent-INR"))

    def resolve_run_name(self, ctx):
        """The name in the list of delegated runs."""
        return f"Fit Latent-INR ({ctx.params.get('preset', 'balanced')})"

    def _require_package(self):
        trouble = package.problem(self.plugin_version)
        if trouble is not None and trouble[0]:
            raise RuntimeError(trouble[1])

    def _run(self, ctx, progress):
        self._require_package()
        from fiftyone_latent_inr import fit_dataset

        samples, options = read_form(ctx)
        summary = fit_dataset(samples, progress=progress, **options)
        return {
            "summary": str(summary).split("\n", 1)[0],
            "failed": [str(failure) for failure in summary.failed],
        }

    def _stream(self, ctx):
        """Fits in a thread and yields its progress; when the App goes away, the fit stops after this step."""
        updates, stop = queue.Queue(), threading.Event()

        def listen(fraction, label):
            if stop.is_set():
                stop.clear()
                raise KeyboardInterrupt
            updates.put((fraction, label))

        outcome = {}

        def work():
            try:
                outcome.update(self._run(ctx, listen))
            except BaseException as error:
                outcome["error"] = error

        thread = threading.Thread(target=work, name="latent-inr-fit", daemon=True)
        thread.start()
        try:
            while thread.is_alive():
                thread.join(_TICK)
                if (latest := _latest(updates)) is not None:
                    yield ctx.ops.set_progress(progress=latest[0], label=latest[1])
        except GeneratorExit:
            stop.set()
            raise
        yield from _conclude(ctx, outcome)


def _latest(updates):
    latest = None
    while not updates.empty():
        latest = updates.get_nowait()
    return latest


def _conclude(ctx, outcome):
    """Says how it went; what was stored before an error is shown, too."""
    error = outcome.get("error")
    if error is not None:
        # Raised in the middle of a stream an error would reach the App as a broken connection
        yield ctx.ops.notify(f"Fit Latent-INR: {error}", variant="error")
    else:
        yield ctx.ops.set_progress(progress=1.0, label=outcome["summary"])
        yield ctx.ops.notify(f"Fit Latent-INR: {outcome['summary']}", variant="success")
        if outcome["failed"]:
            first = outcome["failed"][0]
            yield ctx.ops.notify(f"{len(outcome['failed'])} failed, such as {first}", variant="warning")
    # New fields in the sidebar, the index in the Similarity panel
    yield ctx.ops.reload_dataset()
