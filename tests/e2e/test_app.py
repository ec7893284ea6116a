"""The real App in a headless browser: the operator, its form, a fit, and a search by text.

Screenshots go to the folder in LATENT_INR_SCREENSHOTS, or to pytest's temporary folder.
"""

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
try:
    from playwright.sync_api import Error as BrowserError
    from playwright.sync_api import expect, sync_playwright
except ImportError:
    sync_playwright = None

LIMIT_SECONDS = 600

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(LIMIT_SECONDS + 120),
    pytest.mark.skipif(sync_playwright is None, reason="needs the Python package playwright"),
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium (apt-get install chromium)"),
]

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--force-prefers-reduced-motion",
]
LABEL = re.compile(r"video [12]/2 · \d+\.\d dB · (\d+ s|\d+ min) left")


@pytest.fixture(scope="module")
def plugin(fiftyone_home, repository):
    """The checkout, linked into the plugins directory."""
    link = fiftyone_home / "plugins" / "latent-inr-app"
    link.symlink_to(repository, target_is_directory=True)
    yield link
    link.unlink()


@pytest.fixture(scope="module")
def screenshots(tmp_path_factory):
    folder = os.environ.get("LATENT_INR_SCREENSHOTS")
    folder = Path(folder) if folder else tmp_path_factory.mktemp("screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _clip(folder, colour, kind, ground):
    import numpy as np

    from fiftyone_latent_inr import shapes, video

    path = folder / f"{colour}_{kind}.mp4"
    spec = shapes.random_spec(np.random.default_rng(0), (colour, kind, ground), motion="right", aspect=1)
    video.write(path, shapes.render(spec, 8, (64, 64)), 8.0)
    return path


@pytest.fixture
def clips_dataset(make_dataset, tmp_path):
    """Two labelled clips, 64x64, 8 frames."""
    paths = [_clip(tmp_path, "red", "circle", "white"), _clip(tmp_path, "blue", "square", "yellow")]
    dataset = make_dataset(paths, name="latent-inr-app-test")
    dataset.persistent = True
    return dataset


@pytest.fixture
def page(plugin, clips_dataset, screenshots):
    """A browser on the App, on the dataset."""
    port = _free_port()
    # A server of its own: this process would share its caches with the App
    app = subprocess.Popen(
        [
            os.path.join(os.path.dirname(sys.executable), "fiftyone"), "app", "launch", clips_dataset.name,
            "--port", str(port), "--address", "127.0.0.1", "--remote", "--wait", "-1",
        ],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    # pytest's own limit is lost in Playwright's event loop; without its browser, the test ends with an error
    limit = threading.Timer(LIMIT_SECONDS, _end_browser)
    limit.start()
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=Path(__file__).with_name("chromium.sh"),
                args=FLAGS,
                env={**os.environ, "CHROMIUM": CHROMIUM},
            )
            page = browser.new_page(viewport={"width": 1280, "height": 860})
            page.set_default_timeout(60_000)
            _open(page, f"http://127.0.0.1:{port}/datasets/{clips_dataset.name}")
            yield page
            page.screenshot(path=screenshots / "last.png")
            browser.close()
    finally:
        limit.cancel()
        app.terminate()
        app.wait(60)


def _end_browser():
    """Ends the browsers that this process has started."""
    import psutil

    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if "chrom" in child.name():
                child.kill()


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _open(page, url):
    deadline = time.monotonic() + 180
    while True:
        try:
            page.goto(url, wait_until="domcontentloaded", timeout=60_000)
            break
        except BrowserError:
            assert time.monotonic() < deadline, "the App's server did not answer"
            time.sleep(1)
    with contextlib.suppress(BrowserError):
        page.get_by_role("button", name="Dismiss").click(timeout=30_000)
    page.get_by_text("filepath").first.wait_for(timeout=60_000)


def _open_form(page):
    """Finds the operator in the browser of operators, and opens its form."""
    page.keyboard.press("`")
    page.get_by_placeholder("Search operations by name...").fill("latent")
    entry = page.get_by_text("Fit Latent-INR", exact=True)
    expect(entry).to_be_visible(timeout=30_000)
    return entry


def test_fit_in_the_app_and_search_by_text(page, clips_dataset, screenshots, tmp_path, tiny):
    entry = _open_form(page)
    page.screenshot(path=screenshots / "1-operators.png")
    entry.click()
    status = page.get_by_text(re.compile(r"^2 videos · about .* on this machine$"))
    expect(status).to_be_visible(timeout=90_000)

    # What is wrong is said at the field, and the fit cannot be started
    field = page.get_by_text("Embeddings field").locator("xpath=following::input[1]")
    field.fill("frames.x")
    expect(page.get_by_text(re.compile("a frame-level field cannot hold"))).to_be_visible(timeout=30_000)
    page.screenshot(path=screenshots / "2-invalid.png")
    field.fill("latent_inr")
    expect(status).to_be_visible(timeout=30_000)

    page.get_by_text("balanced", exact=True).click()
    page.get_by_role("option").filter(has_text="fast").click()
    teacher = page.get_by_placeholder("Type or select a value")
    teacher.fill("small")
    page.get_by_role("option", name="small").click()
    expect(status).to_be_visible(timeout=30_000)
    page.wait_for_timeout(1500)
    page.screenshot(path=screenshots / "3-form.png")
    page.get_by_role("button", name="Fit", exact=True).click()

    progress = page.get_by_text(LABEL)
    expect(progress).to_be_visible(timeout=120_000)
    page.screenshot(path=screenshots / "4-progress.png")
    expect(page.get_by_text(re.compile(r"2 fitted in")).first).to_be_visible(timeout=400_000)
    page.screenshot(path=screenshots / "5-done.png")
    clips_dataset.reload()
    assert clips_dataset.count("latent_inr") == 2 and clips_dataset.list_brain_runs() == ["latent_inr"]
    # The App runs the operator's last steps (a note, and reading the dataset again) before it is really done
    expect(page.get_by_text("Fit Latent-INR: 2 fitted")).to_be_visible()
    expect(page.get_by_text("latent_inr_psnr").first).to_be_attached()
    page.wait_for_timeout(5_000)
    page.get_by_role("button", name="Done").click()
    page.wait_for_timeout(3_000)

    page.get_by_title("New panel").first.click()
    page.get_by_text("Similarity Search").first.click()
    blue = clips_dataset.match({"filepath": {"$regex": "blue_square"}}).first().id
    assert _search(page, "a blue square") == blue
    page.screenshot(path=screenshots / "6-search.png")

    # What another process fits is found, too, once the dataset is opened again
    green = _fit_one_more(clips_dataset, tmp_path, tiny)
    page.reload(wait_until="domcontentloaded")
    expect(page.get_by_role("button", name="New Search")).to_be_visible(timeout=90_000)
    page.wait_for_timeout(5_000)
    assert _search(page, "a green star") == green
    page.screenshot(path=screenshots / "7-search-again.png")


def _search(page, text):
    """Searches in the Similarity panel; returns the id of the first result that the App shows."""
    page.get_by_role("button", name="New Search").wait_for()
    cards = page.get_by_label("Show results")
    before, shown = cards.count(), _shown(page)
    page.get_by_role("button", name="New Search").click()
    page.get_by_role("button", name="Text Search").click()
    page.get_by_placeholder("Enter a text prompt...").fill(text)
    page.get_by_role("button", name="Search", exact=True).click()
    page.get_by_text("Run this operation synchronously").click()
    expect(cards).to_have_count(before + 1, timeout=240_000)
    expect(page.get_by_text("Completed")).to_have_count(before + 1, timeout=240_000)
    page.wait_for_timeout(5_000)
    if _shown(page) == shown:
        # The panel shows results by itself only where it saw the search running, and this one may be too quick.
        # Forced, since Playwright takes the button for disabled: something around it is marked so
        cards.first.click(force=True)
        page.wait_for_timeout(5_000)
    return _shown(page)[:24]


def _shown(page):
    """The ids that the view bar's Select stage holds, best first."""
    values = page.locator("input").evaluate_all("inputs => inputs.map(input => input.value)")
    return next((value for value in values if re.fullmatch(r"[0-9a-f]{24}(,.*)?", value)), "")


def _fit_one_more(dataset, folder, tiny):
    import fiftyone as fo

    from fiftyone_latent_inr import fit_dataset

    sample = fo.Sample(filepath=str(_clip(folder, "green", "star", "black")))
    dataset.add_sample(sample)
    fit_dataset(dataset.select(sample.id), teacher="small", config=tiny, device="cpu", progress=False)
    return sample.id
