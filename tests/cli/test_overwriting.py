"""What commands write over: their own results, others' when they are told to, and never what is of another kind."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import media
import numpy as np
import pytest
from command_line import fails, status_of
from linr_files import networks

import fiftyone_latent_inr as linr
from fiftyone_latent_inr.datasets.words import of_source
from fiftyone_latent_inr.demo.run import run as run_demo
from fiftyone_latent_inr.files import fingerprint
from fiftyone_latent_inr.latent_video.video import from_bytes
from fiftyone_latent_inr.latent_video.write import to_bytes


def made(seed: int = 0, **metadata: Any) -> linr.LatentVideo:
    return from_bytes(to_bytes(networks(2, seed=seed), fps=8.0, preset="fast", metadata=metadata))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of two films, the working one, in which a fit takes no time."""
    for k, name in enumerate(("a", "b")):
        media.encode(tmp_path / f"{name}.mp4", np.full((2, 24, 34, 3), 90 + 50 * k, np.uint8))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("fiftyone_latent_inr.encoding.fit.fit", lambda *_, metadata, **__: made(9, **metadata))
    return tmp_path


def encode(*names: str) -> int:
    return status_of(["encode", *names, "--quiet"])


def refused(capsys: pytest.CaptureFixture[str], place: Path, *arguments: str) -> str:
    """The one line of a command that fails; all files are what they were."""
    before = {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}
    line = fails(capsys, *arguments)
    assert {path: path.read_bytes() for path in place.rglob("*") if path.is_file()} == before
    return line


def on_terminal(monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    """Standard streams that say they are a terminal."""
    asked = io.StringIO(answer)
    monkeypatch.setattr(asked, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdin", asked)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)


@pytest.mark.parametrize("more", [[], ["--overwrite"]])
def test_encode_never_replaces_a_film(place: Path, capsys: pytest.CaptureFixture[str], more: list[str]) -> None:
    for names in (["a.mp4", "b.mp4"], ["a.mp4", "new.mp4"], ["a.mp4", "new"], ["a.mp4", "new.linr.gz"]):
        assert "a stored video is named .linr" in refused(capsys, place, "encode", *names, *more)
    assert "unrecognized arguments: c.linr" in refused(capsys, place, "encode", "a.mp4", "b.mp4", "c.linr", *more)
    (place / "b.mp4").rename(place / "film.linr")
    assert "film.linr is there and is no .linr file" in refused(capsys, place, "encode", "a.mp4", "film.linr", *more)


def test_encode_with_its_names_swapped(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made(source="b.mp4").save("b.linr")
    assert "b.linr is a stored video already" in refused(capsys, place, "encode", "b.linr", "a.mp4")
    assert "b.linr is a stored video already" in refused(capsys, place, "encode", "b.linr", "c.linr", "--overwrite")


def test_encode_replaces_what_it_made_of_the_same_video(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert encode("a.mp4", "a.LINR") == 0
    first = (place / "a.LINR").stat().st_mtime_ns
    assert encode("a.mp4", "a.LINR") == 0 and (place / "a.LINR").stat().st_mtime_ns > first
    (place / "a.mp4").rename(place / "moved.mp4")
    assert encode("moved.mp4", "a.LINR") == 0  # it is known by its content
    assert "holds" not in capsys.readouterr().err
    Path("empty.linr").touch()
    assert encode("b.mp4", "empty.linr") == 0


@pytest.mark.parametrize(
    ("held", "words"),
    [
        ({"source": "b\x1b.mp4", "fingerprint": "0" * 12}, r"holds another video, b\x1b.mp4"),
        ({}, "holds a video, and not of which file"),
        (None, "holds a video that cannot be read"),
    ],
)
def test_encode_asks_before_it_replaces_another_video(
    place: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    held: dict[str, Any] | None,
    words: str,
) -> None:
    made(**(held or {})).save("x.linr")
    if held is None:
        Path("x.linr").write_bytes(Path("x.linr").read_bytes()[:-9])
    line = refused(capsys, place, "encode", "a.mp4", "x.linr", "--quiet")
    assert f"x.linr {words}; --overwrite replaces it" in line
    for answer in ("n\n", "\n", "", "nay\n"):
        with monkeypatch.context() as patched:
            on_terminal(patched, answer)
            assert encode("a.mp4", "x.linr") == 2
        err = capsys.readouterr().err
        assert "replace it? [y/N] " in err and "and stays" in err and "\x1b" not in err
    old = Path("x.linr").read_bytes()
    with monkeypatch.context() as patched:
        on_terminal(patched, "y\n")
        assert encode("a.mp4", "x.linr") == 0
    assert Path("x.linr").read_bytes() != old
    assert linr.load("x.linr").metadata["fingerprint"] == fingerprint("a.mp4")
    made(fingerprint="0" * 12).save("x.linr")
    assert encode("a.mp4", "x.linr", "--overwrite") == 0
    assert linr.load("x.linr").metadata["source"] == "a.mp4"


def test_decode_replaces_its_own_drawings(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made().save("a.linr")
    made(1).save("y.linr")
    assert "name it .mp4" in refused(capsys, place, "decode", "a.linr", "y.linr", "--overwrite")
    assert "a.mp4 is there and is no drawing; --overwrite" in refused(capsys, place, "decode", "a.linr", "a.mp4")
    for suffix in (".mp4", ".mkv", ".mov", ".m4v"):
        for options in ([], ["--scale", "2"]):
            assert status_of(["decode", "a.linr", f"new{suffix}", "--quiet", *options]) == 0
    assert status_of(["decode", "a.linr", "a.mp4", "--quiet", "--overwrite"]) == 0


def test_save_keeps_films(place: Path) -> None:
    before = Path("a.mp4").read_bytes()
    with pytest.raises(linr.InputError, match=r"a\.mp4 is there and is no \.linr file"):
        made().save("a.mp4")
    assert Path("a.mp4").read_bytes() == before
    Path("damaged.linr").write_bytes(b"\0" * 100)
    for name in ("damaged.linr", "new", "new"):
        made().save(name)
        assert linr.load(name).num_frames == 2


def test_pretrain_keeps_other_models(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = place / "model"
    model.mkdir()
    (model / "model.safetensors").write_bytes(b"theirs")
    assert "model.safetensors is there and is no Latent-INR prior's" in refused(
        capsys, place, "pretrain", "a.mp4", "--out", "model", "--quiet", "--overwrite"
    )
    (model / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(linr.InputError, match=r"config\.json is there and is no Latent-INR prior's"):
        linr.load_prior("fast-prior").save_pretrained(model)
    linr.load_prior("fast-prior").save_pretrained(place / "prior")
    line = refused(capsys, place, "pretrain", "a.mp4", "--out", "prior", "--quiet")
    assert "prior holds a prior that is finished; --overwrite replaces it" in line
    linr.load_prior("fast-prior").save_pretrained(place / "prior")


def test_the_demo_keeps_out_of_others_folders(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = place / "clips" / "generated" / "mine.mp4"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"mine")
    assert "holds things that the demo did not make" in refused(capsys, place, "demo", "--output", ".")


def test_the_demo_knows_its_folder_again(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class BegunError(Exception):
        """The demo has begun."""

    def begin(folder: Path) -> None:
        raise BegunError

    monkeypatch.setattr("fiftyone_latent_inr.demo.clips.prepare_clips", begin)
    for earlier in (False, True):
        folder = place / f"demo{earlier}"
        if earlier:  # of a release that set no mark
            (folder / "clips" / "generated").mkdir(parents=True)
            (folder / "clips" / "generated" / "recipe.json").touch()
        for _ in range(2):
            with pytest.raises(BegunError):
                run_demo(folder)
            (folder / "clips").mkdir(exist_ok=True)


# --- bytes beside the source's


@pytest.mark.parametrize(
    ("size", "source", "words"),
    [
        (15_899, 7_733, "2.1x the source's 7,733 bytes"),
        (1000, 1000, "1.0x the source's 1,000 bytes"),
        (990, 1000, "99 % of the source's 1,000 bytes"),
        (16_000, 133_000, "12 % of the source's 133,000 bytes"),
        (57, 10_000, "0.6 % of the source's 10,000 bytes"),
        (1, 10**9, "0.1 % of the source's 1,000,000,000 bytes"),
    ],
)
def test_sizes_are_said_beside_the_sources(size: int, source: int, words: str) -> None:
    assert of_source(size, source) == words


def test_encode_and_info_say_the_size_beside_the_sources(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert encode("a.mp4", "a.linr") == 0
    size, source = (Path(name).stat().st_size for name in ("a.linr", "a.mp4"))
    assert f"{size:,} bytes ({of_source(size, source)}), 2 frames of 33x24" in capsys.readouterr().out
    assert status_of(["info", "a.linr"]) == 0
    assert of_source(size, source) in capsys.readouterr().out
    assert status_of(["info", "a.linr", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["source_bytes"], facts["source_ratio"]) == (source, size / source)
    assert encode("a.mp4", "part.linr", "--frames", "1") == 0
    assert "source's" not in capsys.readouterr().out, "of a part no ratio is known"


@pytest.mark.parametrize("said", [0, -1, True, 1.5, "7", None, 2**63, [1]])
def test_info_believes_no_source_of_such_a_size(said: Any, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made(source_bytes=said).save("a.linr")
    assert status_of(["info", "a.linr", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["source_ratio"] is None
    assert status_of(["info", "a.linr"]) == 0 and "source's" not in capsys.readouterr().out
