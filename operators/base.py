"""What operators share that do some work: a live run in the App, a delegated run, what they say."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any

import fiftyone as fo
import fiftyone.operators as foo
from fiftyone.operators import types

from . import package
from .widgets import refuse, say

logger = logging.getLogger(__name__)

# Seconds between two updates of the App's bar
_TICK = 0.3
# Estimated seconds above which work is scheduled unless the user chooses otherwise
LONG = 300.0

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


class PackageError(RuntimeError):
    """The package cannot be used; the message says what to install."""


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
        try:
            self.build_form(ctx, inputs)
        except Exception as error:  # the App would show a traceback in place of the form
            line = in_a_line(error)
            refuse(inputs.view("trouble", types.Error(label=label, description=line)), line)
        return types.Property(inputs, view=types.PromptView(label=label, submit_button_label=self.verb))

    def execute(self, ctx: Any) -> Any:
        """Runs it: a generator of App updates here, a plain result where the run is delegated."""
        return self._run_delegated(ctx) if ctx.delegated else self._stream(ctx)

    def resolve_output(self, ctx: Any) -> Any:
        """What a delegated run shows when it is done."""
        outputs, results = types.Object(), ctx.results or {}
        if results.get("failed"):
            outputs.view("trouble", types.Error(label=results["summary"], description=results.get("trouble", "")))
            outputs.list("failed", types.String(), label="Failed")
        else:
            outputs.str("summary", label="Result")
        return types.Property(outputs, view=types.View(label=self.config.label))

    def require_package(self) -> None:
        """Raises a `PackageError` where the package is missing, broken, or does not go with the plugin."""
        trouble = package.problem(self.plugin_version)
        if trouble is not None and trouble[0]:
            raise PackageError(trouble[1])

    def describe(self, summary: Any) -> dict[str, Any]:
        """A summary as a result that FiftyOne can store."""
        failed = [str(failure) for failure in summary.failed]
        result = {"summary": str(summary).split("\n", 1)[0], "failed": failed}
        if failed:
            tag = getattr(summary, "failed_tag", "")
            where = f". Filter by the tag {tag} to see them; run it again to try them again" if tag else ""
            result["trouble"] = f"{len(failed)} failed, such as {failed[0]}{where}"
        return result

    def _run(self, ctx: Any, progress: Progress) -> dict[str, Any]:
        self.require_package()
        return self.describe(self.work(ctx, progress))

    def _run_delegated(self, ctx: Any) -> dict[str, Any]:
        try:
            return self._run(ctx, lambda fraction, label: ctx.set_progress(progress=fraction, label=label))
        except Exception as error:
            # The record of the operation says it failed, in one line, not with all that a library was doing
            raise RuntimeError(in_a_line(error)) from None

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
    """An operator that works through videos: it also has `call(samples, **options)`, the package's function.

    And `seconds(ctx)`, an estimate of what was filled in: long work is scheduled by default.
    """

    def seconds(self, ctx: Any) -> float | None:
        """Estimated wall seconds of the work on this machine, None where they are not known."""
        raise NotImplementedError

    def resolve_execution_options(self, ctx: Any) -> Any:
        """Here or scheduled, as the user likes; scheduled by default where it takes more than some minutes."""
        return foo.ExecutionOptions(
            allow_immediate_execution=True,
            allow_delegated_execution=True,
            default_choice_to_delegated=self.config.default_choice_to_delegated or self._is_long(ctx),
        )

    def _is_long(self, ctx: Any) -> bool:
        try:
            return (self.seconds(ctx) or 0) > LONG
        except Exception:  # what is wrong is said in the form
            return False

    def parameters(self, options: dict[str, Any]) -> dict[str, Any]:
        """What a scheduled run is given of the options of a call from Python."""
        return options

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
        return foo.execute_operator(self.uri, ctx, params=self.parameters(options))


class HubOperator(WorkOperator):
    """An operator that talks to the Hugging Face Hub once; what it cannot do is its result: one line, in `error`.

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
        """Runs it, here as where the run is delegated, which fails where this gives an error as its result."""
        if ctx.delegated:
            return self._run_delegated(ctx)
        try:
            return self._run(ctx, lambda *_: None)
        except Exception as error:
            return {"error": in_a_line(error)}

    def resolve_output(self, ctx: Any) -> Any:
        """What was done, or why it was not."""
        outputs, results = types.Object(), ctx.results or {}
        if results.get("error"):
            outputs.view("trouble", types.Error(label="Nothing was done", description=results["error"]))
        else:
            self.show_done(outputs, results)
        return types.Property(outputs, view=types.View(label=self.config.label))

    def show_done(self, outputs: Any, results: dict[str, Any]) -> None:
        """Adds what was done."""
        outputs.str("summary", label="Result")

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
        line = in_a_line(error)
        yield _show_trouble(ctx, label, "It was stopped by an error", line)
        yield ctx.ops.notify(f"{label}: {line}", variant="error")
    elif outcome["failed"]:
        yield _show_trouble(ctx, label, outcome["summary"], outcome["trouble"])
        yield ctx.ops.notify(f"{label}: {outcome['summary']}. {outcome['trouble']}", variant="error")
    else:
        yield ctx.ops.set_progress(progress=1.0, label=outcome["summary"])
        yield ctx.ops.notify(f"{label}: {outcome['summary']}", variant="success")
    # New fields in the sidebar and among the media fields, the index in the Similarity panel
    yield ctx.ops.reload_dataset()


def _show_trouble(ctx: Any, label: str, headline: str, line: str) -> Any:
    """Puts a red notice in the place of the bar, which would be green at its end."""
    outputs = types.Object()
    outputs.view("trouble", types.Error(label=headline, description=line))
    return ctx.ops.show_output(types.Property(outputs, view=types.View(label=label)).to_json(), {})


def in_a_line(error: BaseException) -> str:
    """An error for people; where its kind is none of the package's, that is said, too, and the log has the rest."""
    if isinstance(error, PackageError):
        return str(error)
    from fiftyone_latent_inr.errors import LatentINRError
    from fiftyone_latent_inr.text import brief

    if isinstance(error, LatentINRError):
        return brief(error)
    logger.warning("unexpected %s", type(error).__name__, exc_info=error)
    return brief(f"{type(error).__name__}: {error}")


def say_what_closing_does(inputs: Any, seconds: float | None, what: str) -> None:
    """Says what becomes of the work when the App's page is closed, and how long work is scheduled.

    Args:
        inputs: the form.
        seconds: estimate of the work, None where it is not known.
        what: what it is: "the fit".
    """
    closing = f"Run here, closing or reloading this page stops {what}; what is done is kept: run it again to go on"
    if seconds is None or seconds <= LONG:
        say(inputs, "closing", closing)
        return
    if getattr(fo.config, "allow_legacy_orchestrators", True):
        how = (
            "It is long, so it is scheduled unless you choose otherwise; `fiftyone delegated launch`, in a terminal, "
            "runs it"
        )
    else:
        how = (
            "It is long. To schedule it, start the App with FIFTYONE_ALLOW_LEGACY_ORCHESTRATORS=true, and run "
            "`fiftyone delegated launch` in a terminal"
        )
    inputs.view("closing", types.Warning(label=how, description=closing))
