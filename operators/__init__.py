"""FiftyOne's face of Latent-INR: thin forms over `fiftyone_latent_inr.datasets`, one operator a file.

The App imports this to list its operators, so nothing here imports torch, the zoo, or the package itself
before an operator is used.
"""

from .fit import FitLatentINR
from .refresh import RefreshIndex


def register(plugin):
    """Called by FiftyOne with the plugin's context; only operators named in `fiftyone.yml` are kept.

    Args:
        plugin: a `fiftyone.plugins.context.PluginContext`.
    """
    FitLatentINR.plugin_version = plugin.plugin_definition.version
    plugin.register(FitLatentINR)
    plugin.register(RefreshIndex)
