"""FiftyOne's face of Latent-INR: thin forms over `fiftyone_latent_inr.datasets`, one operator a file.

The App imports this to list its operators, so nothing here imports torch, the zoo, or the package itself
before an operator is used.
"""

from __future__ import annotations

from typing import Any

from .base import WorkOperator
from .fit import FitLatentINR
from .get_prior import GetPrior
from .interpolate import Interpolate
from .pretrain import Pretrain
from .publish_prior import PublishPrior
from .reconstruct import Reconstruct
from .refine import Refine
from .refresh import RefreshIndex
from .super_resolve import SuperResolve


def register(plugin: Any) -> None:
    """Called by FiftyOne with the plugin's context; only operators named in `fiftyone.yml` are kept.

    Args:
        plugin: a `fiftyone.plugins.context.PluginContext`.
    """
    WorkOperator.plugin_version = plugin.plugin_definition.version
    fits = (FitLatentINR, Refine, Reconstruct, SuperResolve, Interpolate, RefreshIndex)
    for operator in (*fits, Pretrain, GetPrior, PublishPrior):
        plugin.register(operator)
