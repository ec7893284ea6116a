"""What operators share that do some work: a live run in the App, a delegated run, what they say."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any

import fiftyone.operators as foo
from fiftyone.operators import types

from . import package
from .widgets import refuse

# Seconds between two updates of the App's bar
_TICK = 0.3

Progress = Callable[[float, str], None]


def video_config(**given: Any) -> Any:
    """The configuration of an operator that works through videos: a live form, a live run or a delegated one.

    Args:
        **given: `name`, `label`, `description`, `icon`, and more of `OperatorConfig`.
    """
    return foo.OperatorConfig(
        dynamic=True,
        execute_as_generator=True,
        allow_immediate_execution=True,
        allow_delegated_execution=True,
        risk_level="medium",
        **given,
    )


def hub_config(**given: Any) -> Any:
    """The configuration of an operator that talks to the Hub.

    Args:
        **given: `name`, `label`, `description`, `icon`, `risk_level`.
    """
    return foo.OperatorConfig(dynamic=True, allow_delegated_execution=True, view_target=False, **given)


class WorkOperator(foo.Operator):
    """An operator whose work is one call of the package that reports progress.

    Subclasses have `build_form(ctx, inputs)`, and `work(ctx, progress)`, which calls the package's function with what
    was filled in. It returns a summary whose first line is for people and whose `failed` lists what could not be done.
    """

    # Version of the plugin's fiftyone.yml; set when FiftyOne registers the plugin
    plugin_version: str | None = None

    # What the button of the form says
    verb = "Run"

    def resolve_input(self, ctx: Any) -> Any:
        """The form."""
        inputs = types.Object()
        label = self.config.label
        trouble = package.problem(self.plugin_version)
        if trouble is not None:
            stop, text = trouble
            notice = (types.Error if stop else types.Warning)(label="Latent-INR", description=text)
            prop = inputs.view("package", notice)
            if stop:
                refuse(prop, text)
                return types.Property(inputs, view=types.View(label=label))
        self.build_form(ctx, inputs)
        return types.Property(inputs, view=types.PromptView(label=label, submit_button_label=self.verb))

    def execute(self, ctx: Any) -> Any:
        """Runs it: a generator of App updates here, a plain result where the run is delegated."""
        return self._run_delegated(ctx) if ctx.delegated else self._stream(ctx)

    def resolve_output(self, ctx: Any) -> Any:
        """What a delegated run shows when it is done."""
        outputs = types.Object()
        outputs.str("summary", label="Result")
        if (ctx.results or {}).get("failed"):
            outputs.list("failed", types.String(), label="Failed")
        return types.Property(outputs, view=types.View(label=self.config.label))

    def require_package(self) -> None:
        """Raises a `RuntimeError` where the package is missing, broken, or does not go with the plugin."""
        trouble = package.problem(self.plugin_version)
        if trouble is not None and trouble[0]:
            raise RuntimeError(trouble[1])

    def describe(self, summary: Any) -> dict[str, Any]:
        """A summary as a result that FiftyOne can store."""
        return {"summary": str(summary).split("\n", 1)[0], "failed": [str(failure) for failure in summary.failed]}

    def _run(self, ctx: Any, progress: Progress) -> dict[str, Any]:
        self.require_package()
        return self.describe(self.work(ctx, progress))

    def _run_delegated(self, ctx: Any) -> dict[str, Any]:
        return self._run(ctx, lambda fraction, label: ctx.set_progress(progress=fraction, label=label))

    def _stream(self, ctx: Any) -> Iterator[Any]:
        """Works in a thread and yields its progress; when the App goes away, it stops after this step."""
        updates: queue.Queue[tuple[float, str]] = queue.Queue()
        stop = threading.Event()

        def listen(fraction: float, label: str) -> None:
            if stop.is_set():
                stop.clear()
                raise KeyboardInterrupt
            updates.put((fraction, label))

        outcome: dict[str, Any] = {}

        def work() -> None:
            try:
                outcome.update(self._run(ctx, listen))
            except BaseException as error:
                outcome["error"] = error

        thread = threading.Thread(target=work, name=f"latent-inr-{self.name}", daemon=True)
        thread.start()
        try:
            while thread.is_alive():
                thread.join(_TICK)
                if (latest := _latest(updates)) is not None:
                    yield ctx.ops.set_progress(progress=latest[0], label=latest[1])
        except GeneratorExit:
            stop.set()
            raise
        yield from _conclude(ctx, outcome, self.config.label)


class VideoOperator(WorkOperator):
    """An operator that works through videos: it also has `call(samples, **options)`, the package's function."""

    def __call__(self, samples: Any, delegate: bool = False, **options: Any) -> Any:
        """Runs from Python: `foo.get_operator(URI)(view, ...)`.

        Args:
            samples: a dataset or view of videos.
            delegate: whether to schedule it for `fiftyone delegated launch` instead of running it here.
            **options: those of the package's function; for a delegated run, those of the form.

        Returns:
            what became of the samples, or FiftyOne's result of scheduling.
        """
        self.require_package()
        if not delegate:
            return self.call(samples, **options)
        ctx = {"view": samples.view(), "request_delegation": True}
        return foo.execute_operator(self.uri, ctx, params=options)


class HubOperator(WorkOperator):
    """An operator that talks to the Hugging Face Hub once; an error is shown as FiftyOne shows errors.

    Subclasses also have `call(**options)`, the package's function.
    """

    def __call__(self, delegate: bool = False, **options: Any) -> Any:
        """Runs from Python: `foo.get_operator(URI)(repo=..., ...)`.

        Args:
            delegate: whether to schedule it for `fiftyone delegated launch` instead of running it here.
            **options: those of the package's function; for a delegated run, those of the form.

        Returns:
            what was done, or FiftyOne's result of scheduling.
        """
        self.require_package()
        if not delegate:
            return self.call(**options)
        return foo.execute_operator(self.uri, {"request_delegation": True}, params=options)

    def execute(self, ctx: Any) -> dict[str, Any]:
        """Runs it, here as where the run is delegated."""
        return self._run_delegated(ctx)

    def describe(self, summary: Any) -> dict[str, Any]:
        """A summary as a result that FiftyOne can store."""
        return {"summary": str(summary), "place": summary.place}


def _latest(updates: queue.Queue[tuple[float, str]]) -> tuple[float, str] | None:
    latest = None
    while not updates.empty():
        latest = updates.get_nowait()
    return latest


def _conclude(ctx: Any, outcome: dict[str, Any], label: str) -> Iterator[Any]:
    """Says how it went; what was stored before an error is shown, too."""
    error = outcome.get("error")
    if error is not None:
        # Raised in the middle of a stream an error would reach the App as a broken connection
        yield ctx.ops.notify(f"{label}: {error}", variant="error")
    else:
        yield ctx.ops.set_progress(progress=1.0, label=outcome["summary"])
        yield ctx.ops.notify(f"{label}: {outcome['summary']}", variant="success")
        if outcome["failed"]:
            first = outcome["failed"][0]
            yield ctx.ops.notify(f"{len(outcome['failed'])} failed, such as {first}", variant="warning")
    # New fields in the sidebar and among the media fields, the index in the Similarity panel
    yield ctx.ops.reload_dataset()
