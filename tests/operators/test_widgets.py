"""What forms say without the package, which is not imported to list the operators, is what the package says."""

import inspect

from fiftyone_latent_inr import fit_dataset
from fiftyone_latent_inr.datasets import runs
from fiftyone_latent_inr.datasets.teachers import DEFAULT_TEACHER
from fiftyone_latent_inr.encoding.choose_prior import resolve_prior
from fiftyone_latent_inr.fitting import PRESETS
from operators import fit, pretrain, refresh, widgets


def test_presets_are_the_packages_but_for_the_papers():
    assert set(widgets._PRESETS) == set(PRESETS) - {"paper"}
    assert {fit._PRESET, pretrain._PRESET} <= set(PRESETS)


def test_names_are_the_packages():
    defaults = {name: one.default for name, one in inspect.signature(fit_dataset).parameters.items()}
    assert defaults["embeddings_field"] == defaults["brain_key"] == widgets.FIT_NAME
    assert defaults["preset"] == fit._PRESET and defaults["teacher"] == DEFAULT_TEACHER == widgets.DEFAULT
    assert resolve_prior(widgets.NONE) is None and refresh._METHOD == runs.METHOD
