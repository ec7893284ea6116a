"""A FiftyOne of the tests' own: its database, zoo, plugins and files live in one folder that goes with them.

FiftyOne reads its settings when it is imported, so they are set here, before any test module is.
"""

import atexit
import functools
import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

_HOME = Path(tempfile.mkdtemp(prefix="latent-inr-tests-"))
os.environ.update(
    FIFTYONE_DATABASE_DIR=str(_HOME / "db"),
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
# The fits' tensors are small: more threads only wait for each other, several times as long where the machine is busy
os.environ.setdefault("OMP_NUM_THREADS", "1")
for _name in ("plugins", "mongo"):
    (_HOME / _name).mkdir()


def _start_database() -> None:
    """Starts a MongoDB for the tests, and points FiftyOne to it.

    Left to itself, FiftyOne joins whichever database another FiftyOne of this user has started, wherever that
    one's folder is: tests would work in somebody's datasets, and lose theirs when that process ends.
    """
    spec = importlib.util.find_spec("fiftyone")  # finds it without importing it
    bundled = Path(spec.origin).parent / "db" / "bin" / "mongod" if spec and spec.origin else Path("mongod")
    binary = str(bundled) if bundled.is_file() else shutil.which("mongod")
    if binary is None:
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    # Not waited for: FiftyOne's client waits for the server, and many tests need neither
    server = subprocess.Popen(
        [binary, "--dbpath", str(_HOME / "mongo"), "--port", port, "--bind_ip", "127.0.0.1", "--quiet"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.environ["FIFTYONE_DATABASE_URI"] = f"mongodb://127.0.0.1:{port}"

    def stop() -> None:
        server.terminate()
        server.wait(30)

    atexit.register(stop)


# Handlers run last to first: FiftyOne's own, the database's, and then the folder goes
atexit.register(shutil.rmtree, _HOME, ignore_errors=True)
if "FIFTYONE_DATABASE_URI" not in os.environ:
    _start_database()

import pytest  # noqa: E402


def pytest_configure() -> None:
    """Perturbs every training where `PERTURB` names a number, see `perturbation.py`."""
    if os.environ.get("PERTURB"):
        from perturbation import perturb

        perturb(int(os.environ["PERTURB"]))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begins with the files that take longest, so that processes end about together (with --no-loadscope-reorder)."""
    first = ("tests/e2e/", "tests/test_packaging.py", "tests/cli/test_main.py", "tests/operators/test_base.py")

    def place(item: pytest.Item) -> int:
        return next((k for k, name in enumerate(first) if item.nodeid.startswith(name)), len(first))

    items.sort(key=place)


def pytest_sessionfinish() -> None:
    """Leaves nothing in a database of the user's own, where FIFTYONE_DATABASE_URI names one."""
    if "fiftyone.core.odm" in sys.modules:
        sys.modules["fiftyone.core.odm"].drop_database()


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


@pytest.fixture
def short_fits(monkeypatch):
    """The preset `fast` with hardly a step, in this process: for what asks for it by its name."""
    from fiftyone_latent_inr.fitting import PRESETS

    monkeypatch.setitem(PRESETS, "fast", replace(PRESETS["fast"], steps=20))


@pytest.fixture(scope="session")
def clips(tmp_path_factory):
    """Three labelled clips, 48x48, 6 frames."""
    import numpy as np

    from fiftyone_latent_inr import video
    from fiftyone_latent_inr.small_world.drawing import render
    from fiftyone_latent_inr.small_world.world import random_spec

    folder = tmp_path_factory.mktemp("clips")
    paths, rng = {}, np.random.default_rng(1)
    for name, ground in {"red circle": "white", "blue square": "yellow", "green star": "black"}.items():
        colour, kind = name.split()
        spec = random_spec(rng, (colour, kind, ground), motion="still", aspect=1)
        paths[name] = str(folder / f"{name.replace(' ', '_')}.mp4")
        video.write(paths[name], render(spec, 6, (48, 48)), 10.0)
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
def no_fit(monkeypatch):
    """Fails where a video is fitted."""
    from fiftyone_latent_inr.encoding import fit as fits

    @functools.wraps(fits.fit)
    def fail(*_, **__):
        raise AssertionError("a video was fitted")

    monkeypatch.setattr(fits, "fit", fail)


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


@pytest.fixture(scope="session")
def sounding_clips(tmp_path_factory):
    """Two clips with sound, 48x64, 8 frames at 10 fps, a tone half a second in."""
    import media

    folder = tmp_path_factory.mktemp("sounding")
    return [str(media.sounding(folder / f"{k}.mp4", media.moving_square(8, 48, 64, k), click=0.5)) for k in range(2)]


@pytest.fixture(scope="session")
def fitted_files(tiny, sounding_clips, tmp_path_factory):
    """The `.linr` files of the two clips with sound."""
    from fiftyone_latent_inr import fit
    from fiftyone_latent_inr.files import fingerprint

    folder = tmp_path_factory.mktemp("fitted")
    paths = []
    for clip in sounding_clips:
        notes = {"source": Path(clip).name, "fingerprint": fingerprint(clip)}
        paths.append(str(folder / f"{Path(clip).stem}.linr"))
        fit(clip, config=tiny, teacher=None, device="cpu", progress=False, metadata=notes).save(paths[-1])
    return paths


@pytest.fixture
def fitted_dataset(make_dataset, sounding_clips, fitted_files, tmp_path):
    """A dataset of the two clips with sound, as a fit without a teacher leaves it; its files are the test's own."""
    dataset = make_dataset(sounding_clips)
    copies = [shutil.copy(path, tmp_path) for path in fitted_files]
    dataset.set_values("latent_inr_path", copies)
    return dataset


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A Hub on this machine that the client in this process talks to, with an empty cache and nobody logged in."""
    from hub_server import HubServer, set_endpoint
    from huggingface_hub import constants

    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    with HubServer() as running:
        set_endpoint(monkeypatch, running.url)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub_cache"))
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "hub_home" / "token"))
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True, raising=False)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        yield running


@pytest.fixture(scope="session")
def prior_folder(tmp_path_factory):
    """A prior for the `tiny` fits and the small teacher, from noise."""
    import torch

    from fiftyone_latent_inr.pretraining.pretrain import prior_config
    from fiftyone_latent_inr.priors.prior import Prior
    from fiftyone_latent_inr.semantics.teachers import load_teacher

    folder = tmp_path_factory.mktemp("priors") / "noise"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = prior_config("fast", 4, load_teacher("small", device="cpu"), semantic_width=4)
        Prior(config, {"description": "Made by a test."}).save_pretrained(folder)
    return folder
