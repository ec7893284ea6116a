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
import urllib.parse
from dataclasses import replace
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

    from fiftyone_latent_inr import video
    from fiftyone_latent_inr.small_world.drawing import render
    from fiftyone_latent_inr.small_world.world import random_spec

    path = folder / f"{colour}_{kind}.mp4"
    spec = random_spec(np.random.default_rng(0), (colour, kind, ground), motion="right", aspect=1)
    video.write(path, render(spec, 8, (64, 64)), 8.0)
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
            page.add_init_script(RECORD_VIDEOS)
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


def _find_operator(page, label):
    """Finds an operator in the browser of operators."""
    page.keyboard.press("`")
    page.get_by_placeholder("Search operations by name...").fill("latent")
    entry = page.get_by_text(label, exact=True)
    expect(entry).to_be_visible(timeout=30_000)
    return entry


def test_fit_in_the_app_and_search_by_text(page, clips_dataset, screenshots, tmp_path, tiny):
    entry = _find_operator(page, "Fit Latent-INR")
    page.screenshot(path=screenshots / "1-operators.png")
    entry.click()
    status = page.get_by_text(re.compile(r"^2 videos · about .* on this machine$"))
    expect(status).to_be_visible(timeout=90_000)
    expect(page.get_by_text(re.compile("closing or reloading this page stops the fit"))).to_be_attached()

    # What is wrong is said at the field, and the fit cannot be started
    field = page.get_by_text("Embeddings field").locator("xpath=following::input[1]")
    field.fill("frames.x")
    expect(page.get_by_text(re.compile("a frame-level field cannot hold"))).to_be_visible(timeout=30_000)
    page.screenshot(path=screenshots / "2-invalid.png")
    field.fill("latent_inr")
    expect(status).to_be_visible(timeout=30_000)

    page.get_by_text("balanced", exact=True).click()
    page.get_by_role("option").filter(has_text="fast").click()
    teacher = page.get_by_placeholder("Type or select a value").first  # the other one is what fits start from
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


def test_forms_about_hypernetworks(page, screenshots):
    _find_operator(page, "Latent-INR: pretrain hypernetworks").click()
    expect(page.get_by_text(re.compile(r"^2 videos · about .* · is stored as .*-fast$"))).to_be_visible(timeout=90_000)
    page.screenshot(path=screenshots / "8-pretrain.png")
    page.keyboard.press("Escape")
    _find_operator(page, "Latent-INR: get hypernetworks from the Hub").click()
    repo = page.get_by_text("Repository", exact=True).locator("xpath=following::input[1]")
    repo.fill("no repository")
    expect(page.get_by_text(re.compile("is named OWNER/NAME"))).to_be_visible(timeout=30_000)
    page.screenshot(path=screenshots / "9-get.png")
    page.keyboard.press("Escape")
    _find_operator(page, "Latent-INR: publish hypernetworks").click()
    expect(page.get_by_text(re.compile("Pretrain some first")).first).to_be_visible(timeout=30_000)
    page.screenshot(path=screenshots / "10-publish.png")


@pytest.fixture
def fitted_dataset(clips_dataset, tiny, tmp_path):
    """The same with sound and a label on each frame, and fitted already."""
    import fiftyone as fo
    import media

    from fiftyone_latent_inr import fit_dataset, video

    for sample in clips_dataset:
        frames = video.read(sample.filepath).array
        sample.filepath = str(media.sounding(tmp_path / f"sounding_{Path(sample.filepath).name}", frames, fps=8))
        for number in range(1, 9):
            box = fo.Detection(label=f"frame {number}", bounding_box=[0.3, 0.3, 0.4, 0.4])
            sample.frames[number] = fo.Frame(boxes=fo.Detections(detections=[box]))
        sample.save()
    config = replace(tiny, steps=1000)  # good enough to look at
    fit_dataset(clips_dataset, teacher=None, config=config, device="cpu", progress=False)
    return clips_dataset


@pytest.mark.skipif(shutil.which("ffprobe") is None, reason="the App needs ffmpeg to show videos")
def test_draw_in_the_app_and_play(fitted_dataset, page, screenshots):
    for label, field, picture in (
        ("super-resolve", "latent_inr_x2", "8-super-resolve.png"),
        ("interpolate", "latent_inr_fps2", "9-interpolate.png"),
    ):
        _find_operator(page, f"Latent-INR: {label}").click()
        cost = page.get_by_text(re.compile(rf"^2 videos · about \d+ s · about \d+ KB · into {field}$"))
        expect(cost).to_be_visible(timeout=90_000)
        page.wait_for_timeout(1500)
        page.screenshot(path=screenshots / picture)
        page.get_by_role("button", name="Draw", exact=True).click()
        expect(page.get_by_text(f"Latent-INR: {label}: 2 drawn in")).to_be_visible(timeout=200_000)
        page.wait_for_timeout(5_000)
        page.get_by_role("button", name="Done").click()
        page.wait_for_timeout(2_000)
    fitted_dataset.reload()

    # The new fields are offered without reading the page again
    page.locator("[data-cy=fo-grid] [data-cy=looker]").first.click()
    modal = page.locator("[data-cy=modal]")
    modal.locator("[data-cy=looker-controls]").wait_for(state="attached")
    sample = fitted_dataset.first()
    for field, side, fps in (("filepath", 64, 8), ("latent_inr_x2", 128, 8), ("latent_inr_fps2", 64, 16)):
        modal.locator("[data-cy=action-display-options]").click()
        page.locator(f"[data-cy=radio-button-{field}]").click()
        page.wait_for_timeout(3_000)
        page.screenshot(path=screenshots / f"10-{field}.png")
        modal.locator("[data-cy=action-display-options]").click()
        played = _play(page, sample[field])
        assert (played["width"], played["height"]) == (side, side) and played["duration"] == pytest.approx(1, abs=0.03)
        assert _rate(sample[field]) == (fps, fps)
    _side_by_side(page, fitted_dataset, screenshots)


def _side_by_side(page, dataset, screenshots):
    """Opens the grouped dataset: the original and what was drawn, at once."""
    import fiftyone as fo

    from fiftyone_latent_inr import to_grouped_dataset

    grouped = to_grouped_dataset(dataset, f"{dataset.name}-grouped", persistent=True)
    try:
        page.goto(page.url.split("/datasets/")[0] + f"/datasets/{grouped.name}", wait_until="domcontentloaded")
        page.locator("[data-cy=fo-grid] [data-cy=looker]").first.click()
        page.locator("[data-cy=modal]").wait_for()
        page.wait_for_timeout(6_000)
        page.screenshot(path=screenshots / "11-side-by-side.png")
        shown = {Path(path).name for path in _videos(page) if path}
        sample = dataset.first()
        assert {Path(sample[field]).name for field in ("filepath", "latent_inr_x2", "latent_inr_fps2")} <= shown
    finally:
        fo.delete_dataset(grouped.name)


def _rate(path):
    """Frames in a file of one second, and the frames a second that it declares."""
    from fiftyone_latent_inr import video

    frames = video.read(path)
    return len(frames.array), round(frames.fps, 3)


# The App plays videos that are not in the page and draws them on a canvas: they are noted when they are made
RECORD_VIDEOS = """
    window.videosMade = [];
    const create = document.createElement.bind(document);
    document.createElement = (name, ...more) => {
        const made = create(name, ...more);
        if (String(name).toLowerCase() === "video") window.videosMade.push(made);
        return made;
    };
"""


def _videos(page):
    """Paths of the files that the page's videos show."""
    sources = page.evaluate("window.videosMade.map(video => video.src)")
    return [urllib.parse.unquote(source.partition("filepath=")[2]) for source in sources]


def _play(page, path):
    """Plays what the modal shows until its time has gone on; returns what the browser says of it."""
    deadline, place = time.monotonic() + 60, None
    while place is None:
        assert time.monotonic() < deadline, f"{path} is not shown; the page has {_videos(page)}"
        page.wait_for_timeout(500)
        found = [k for k, shown in enumerate(_videos(page)) if shown == str(path)]
        place = found[-1] if found else None
    look = f"""(() => {{
        const v = window.videosMade[{place}];
        return {{time: v.currentTime, ready: v.readyState, width: v.videoWidth, height: v.videoHeight,
                 duration: v.duration, paused: v.paused, error: v.error && v.error.message}};
    }})()"""
    times = set()
    page.keyboard.press("Space")
    while len(times) < 3:
        now = page.evaluate(look)
        assert now["error"] is None and time.monotonic() < deadline, (path, now, times)
        if now["ready"] >= 2:
            times.add(now["time"])
        page.wait_for_timeout(100)
    return now


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
