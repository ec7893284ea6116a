"""Keeps the App's searches fresh: another process (a delegated fit, a script) may have changed the index."""

from __future__ import annotations

import logging
from typing import Any

import fiftyone.operators as foo

logger = logging.getLogger(__name__)

# How the package marks its runs, see `fiftyone_latent_inr.datasets.runs`: a test holds the two together
_METHOD = "latent_inr"


class RefreshIndex(foo.Operator):
    """Runs unseen when a dataset is opened in the App.

    FiftyOne keeps a similarity index in the server's memory and never looks again; without this, videos that
    a delegated run has fitted would not be found until the App is restarted.
    """

    @property
    def config(self) -> Any:
        return foo.OperatorConfig(
            name="refresh",
            label="Latent-INR: read the index again",
            unlisted=True,
            on_dataset_open=True,
            view_target=False,
            risk_level="low",
        )

    def execute(self, ctx: Any) -> None:
        """Drops what the server remembers of this dataset's index, if it is one of ours."""
        try:
            dataset = ctx.dataset
            if dataset is not None and any(_is_ours(dataset, key) for key in dataset.list_runs()):
                dataset.clear_cache()
        except Exception as error:  # a dataset that is just being deleted: nobody has asked for this, so nobody is told
            logger.debug("the index is not read again: %s", error)


def _is_ours(dataset: Any, key: str) -> bool:
    try:
        return bool(dataset.get_run_info(key).config.method == _METHOD)
    except Exception:
        # Another plugin's run whose class is not installed here
        return False
