"""A FiftyOne of the tests' own: its database, zoo, plugins and files live in one folder that goes with them.

FiftyOne reads its settings when it is imported, so they are set here, before any test module is.
"""

import atexit
import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

_HOME = Path(tempfile.mkdtemp(prefix="latent-inr-tests-"))
# Registered before FiftyOne's own handler, so run after it has stopped the database
atexit.register(shutil.rmtree, _HOME, ignore_errors=True)
os.environ.update(
    FIFTYONE_DATABASE_DIR=str(_HOME / "db"),
    # With a database of the user's own (FIFTYONE_DATABASE_URI), at least not in the user's datasets
    FIFTYONE_DATABASE_NAME=f"latent_inr_tests_{os.getpid()}",
    FIFTYONE_PLUGINS_DIR=str(_HOME / "plugins"),
    FIFTYONE_MODEL_ZOO_DIR=str(_HOME / "zoo"),
    FIFTYONE_DATASET_ZOO_DIR=str(_HOME / "dataset_zoo"),
    FIFTYONE_DEFAULT_DATASET_DIR=str(_HOME / "data"),
    FIFTYONE_CONFIG_PATH=str(_HOME / "config.json"),
    FIFTYONE_APP_CONFIG_PATH=str(_HOME / "app_config.json"),
    FIFTYONE_DO_NOT_TRACK="true",
    FIFTYONE_SHOW_PROGRESS_BARS="false",
    FIFTYONE_ALLOW_LEGACY_ORCHESTRATORS="true",
)
(_HOME / "plugins").mkdir()

import pytest  # noqa: E402


@pytest.fixture(scope="session")
def fiftyone_home() -> Path:
    """The folder of the tests' FiftyOne."""
    return _HOME


@pytest.fixture(scope="session")
def repository() -> Path:
    """The checkout."""
    return Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def tiny():
    """A fit of a fraction of a second: good for plumbing, not for pictures."""
    from fiftyone_latent_inr.fitting import PRESETS

    return replace(PRESETS["fast"], preset="tiny", steps=60, points_per_step=512)


@pytest.fixture(scope="session")
def clips(tmp_path_factory):
    """Three labelled clips, 48x48, 6 frames."""
    import numpy as np

    from fiftyone_latent_inr import shapes, video

    folder = tmp_path_factory.mktemp("clips")
    paths, rng = {}, np.random.default_rng(1)
    for name, ground in {"red circle": "white", "blue square": "yellow", "green star": "black"}.items():
        colour, kind = name.split()
        spec = shapes.random_spec(rng, (colour, kind, ground), motion="still", aspect=1)
        paths[name] = str(folder / f"{name.replace(' ', '_')}.mp4")
        video.write(paths[name], shapes.render(spec, 6, (48, 48)), 10.0)
    return paths


@pytest.fixture
def make_dataset():
    """Makes datasets, and deletes them afterwards."""
    import fiftyone as fo

    made = []

    def make(paths=(), name=None):
        dataset = fo.Dataset(name)
        dataset.add_samples([fo.Sample(filepath=str(path)) for path in paths])
        made.append(dataset)
        return dataset

    yield make
    for dataset in made:
        if not dataset.deleted:
            dataset.delete()


@pytest.fixture
def dataset(make_dataset, clips):
    """A dataset of the three clips."""
    return make_dataset(clips.values())


@pytest.fixture
def fit(tiny, tmp_path):
    """`fit_dataset` with the tiny configuration and the small teacher, into a folder of the test's own."""
    from fiftyone_latent_inr import fit_dataset

    def run(samples, **options):
        defaults = {
            "config": tiny,
            "teacher": "small",
            "output_dir": tmp_path / "linr",
            "progress": False,
            "device": "cpu",
        }
        return fit_dataset(samples, **{**defaults, **options})

    return run
