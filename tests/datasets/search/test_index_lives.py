"""An index is never lost to what is asked wrongly, and never counts samples that are gone."""

import functools
import json
import shutil
import socket
from pathlib import Path
from types import SimpleNamespace

import fiftyone as fo
import fiftyone.brain as fob
import numpy as np
import pytest

from fiftyone_latent_inr import InputError, reconstruct, to_grouped_dataset
from fiftyone_latent_inr.datasets import runs
from fiftyone_latent_inr.datasets.fields import FieldNames, ensure_fields
from fiftyone_latent_inr.datasets.search import index
from fiftyone_latent_inr.datasets.search.search import search, teacher_of
from fiftyone_latent_inr.encoding import fit as fits
from fiftyone_latent_inr.semantics.teachers import load_teacher

NAMES = FieldNames.of("latent_inr")
QUIET = {"progress": False, "device": "cpu"}


@pytest.fixture(scope="module")
def teacher():
    return load_teacher("small", device="cpu")


@pytest.fixture
def indexed(make_dataset, teacher, fitted_files, tmp_path):
    """Six samples with vectors and files, as a fit leaves them; the index is over them."""
    dataset = make_dataset([f"/videos/{k}.mp4" for k in range(6)])
    rng = np.random.default_rng(0)
    ensure_fields(dataset, NAMES)
    dataset.set_values("latent_inr", list(rng.normal(size=(6, teacher.embedding_dim)).astype(np.float32)))
    dataset.set_values("latent_inr_path", [shutil.copy(fitted_files[0], tmp_path)] * 6)
    runs.write(dataset, "latent_inr", {"teacher_id": teacher.id, "teacher": "small", "brain_key": "latent_inr"}, {})
    index.update_index(dataset, "latent_inr", NAMES, teacher)
    return dataset


def found(dataset, k=2):
    return dataset.sort_by_similarity("a red circle", k=k, brain_key="latent_inr").values("id")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"backend": "sklaern"}, r"unknown backend 'sklaern': did you mean 'sklearn'\?"),
        ({"backend": 5}, "unknown backend 5: FiftyOne knows"),
        ({"backend": "lancedb"}, "backend 'lancedb' cannot be used here: .*lancedb"),
        (
            {"backend": "sklearn", "backend_options": {"metric": "cosine", "config_cls": "no.such.Class"}},
            "does not take",
        ),
        ({"backend_options": {"metric": "nope"}}, "'metric'"),
        ({"backend_options": {"metric": 3}}, "'metric'"),
        *(
            ({"backend_options": {name: None}}, f"{name}.*leave them out")
            for name in (
                *("brain_key", "embeddings", "embeddings_field", "model", "model_kwargs"),
                *("patches_field", "roi_field", "supports_prompts"),
            )
        ),
    ],
)
def test_a_wrong_backend_is_known_before_anything_is_fitted(indexed, fit, no_fit, options, said):
    before = found(indexed)
    with pytest.raises(InputError, match=said):
        fit(indexed, **options)
    assert indexed.list_brain_runs() == ["latent_inr"] and found(indexed) == before


def test_a_server_that_does_not_answer(indexed, fit, no_fit, monkeypatch):
    """Its package is said to be there, so that its address is looked at."""
    from fiftyone.brain.internal.core.redis import RedisSimilarity

    monkeypatch.setattr(RedisSimilarity, "ensure_requirements", lambda self: None)
    monkeypatch.setattr("urllib.request.getproxies", dict)
    with socket.socket() as taken:  # bound, and nobody listens
        taken.bind(("127.0.0.1", 0))
        address = {"host": "127.0.0.1", "port": taken.getsockname()[1]}
        with pytest.raises(InputError, match=r"'redis': its server at 127\.0\.0\.1:\d+ does not answer"):
            fit(indexed, backend="redis", backend_options=address)
    assert indexed.list_brain_runs() == ["latent_inr"]


@pytest.mark.parametrize("error", [RuntimeError("page " * 1000), KeyboardInterrupt()])
def test_an_index_that_cannot_be_built_leaves_the_old_one(indexed, teacher, monkeypatch, error):
    before, real = found(indexed), fob.compute_similarity

    def half(*arguments, **options):
        real(*arguments, **options)
        raise error

    monkeypatch.setattr(index.fob, "compute_similarity", half)
    with pytest.raises(InputError if isinstance(error, Exception) else KeyboardInterrupt) as caught:
        index.update_index(indexed, "latent_inr", NAMES, teacher, options={"metric": "euclidean"})
    assert len(str(caught.value)) < 1400
    assert indexed.list_brain_runs() == ["latent_inr"] and found(indexed) == before
    monkeypatch.undo()
    assert index.update_index(indexed, "latent_inr", NAMES, teacher, options={"metric": "euclidean"})
    assert indexed.list_brain_runs() == ["latent_inr"]
    assert indexed.get_brain_info("latent_inr").config.metric == "euclidean" and len(found(indexed)) == 2


def test_an_index_that_cannot_be_searched_leaves_the_old_one(indexed, teacher):
    before = found(indexed)
    with pytest.raises(InputError, match="could not be built"):
        index.update_index(indexed, "latent_inr", NAMES, teacher, options={"metric": "haversine"})  # of 2 numbers
    assert indexed.list_brain_runs() == ["latent_inr"] and found(indexed) == before


def test_an_index_that_another_run_deletes_leaves_the_old_one(indexed, teacher, monkeypatch):
    """As a second run does that takes it for what a killed process has left; its own copy of the dataset is stale."""
    before, real = found(indexed), fob.compute_similarity

    def lost(*arguments, **options):
        real(*arguments, **options)
        monkeypatch.setattr(fo.Dataset, "reload", lambda self: self.delete_brain_run("latent_inr_building"))

    monkeypatch.setattr(index.fob, "compute_similarity", lost)
    with pytest.raises(InputError, match="run the fit again when no other one runs"):
        index.update_index(indexed, "latent_inr", NAMES, teacher, options={"metric": "euclidean"})
    monkeypatch.undo()
    assert indexed.list_brain_runs() == ["latent_inr"] and found(indexed) == before


@pytest.mark.parametrize("vector", [np.zeros(3, np.float32), np.nan, np.inf])
def test_vectors_that_somebody_changed_are_mended(make_dataset, clips, fit, vector):
    dataset = make_dataset([clips["red circle"], clips["blue square"]])
    fit(dataset)
    good = dataset.values("latent_inr")
    sample = dataset.first()
    sample["latent_inr"] = np.full_like(good[0], vector) if np.isscalar(vector) else vector
    sample.save()
    assert fit(dataset).adopted == [sample.id]
    assert np.allclose(dataset.values("latent_inr"), good) and len(found(dataset)) == 2


def test_what_a_killed_process_has_left_is_cleared_away(indexed, teacher):
    fob.compute_similarity(indexed, embeddings="latent_inr", brain_key="latent_inr_building")
    index.update_index(indexed, "latent_inr", NAMES, teacher, options={"metric": "euclidean"})
    assert indexed.list_brain_runs() == ["latent_inr"]


def test_an_index_that_was_registered_and_never_built(indexed, teacher):
    """As a process leaves it that is killed in between."""
    before = found(indexed)
    document = indexed._doc.brain_methods["latent_inr"]
    document.results.delete()
    document.results = None
    document.save()
    indexed.clear_cache()
    assert index.update_index(indexed, "latent_inr", NAMES, teacher) and found(indexed) == before


def test_an_index_that_cannot_be_read_is_built_anew(indexed, teacher, monkeypatch, caplog):
    def fail(*_, **__):
        raise ValueError("no such file")

    monkeypatch.setattr(index, "_refresh", fail)
    assert index.update_index(indexed, "latent_inr", NAMES, teacher) and len(found(indexed)) == 2
    assert "no such file" in caplog.text and indexed.list_brain_runs() == ["latent_inr"]


def test_runs_of_others_are_never_deleted(indexed, teacher, fit, no_fit):
    fob.compute_uniqueness(indexed, embeddings="latent_inr", uniqueness_field="unique")
    with pytest.raises(InputError, match="already has a uniqueness run under brain_key 'unique'"):
        fit(indexed, brain_key="unique")
    indexed.rename_brain_run("unique", "latent_inr_building")
    index.update_index(indexed, "latent_inr", NAMES, teacher, options={"metric": "euclidean"})
    assert indexed.list_brain_runs() == ["latent_inr", "latent_inr_building"]
    assert indexed.get_brain_info("latent_inr_building").config.type == "uniqueness"


@pytest.mark.parametrize("key", ["a.b", "", "with space", "1st", 5])
def test_brain_keys_that_cannot_be(indexed, fit, no_fit, key):
    with pytest.raises(InputError, match="brain_key"):
        fit(indexed, brain_key=key)
    assert indexed.list_brain_runs() == ["latent_inr"]


def test_vectors_of_the_old_teacher_stay_until_one_of_the_new_is_there(make_dataset, clips, fit, monkeypatch, teacher):
    """A run of which nothing comes, such as one of unreadable files, takes nothing away."""
    dataset = make_dataset(list(clips.values())[:2])
    ensure_fields(dataset, NAMES)
    vectors = np.random.default_rng(0).normal(size=(2, teacher.embedding_dim)).astype(np.float32)
    dataset.set_values("latent_inr", list(vectors))
    runs.write(dataset, "latent_inr", {"teacher_id": "an-old-one", "teacher": "old"}, {})
    index.update_index(dataset, "latent_inr", NAMES, teacher)
    with monkeypatch.context() as patch:

        @functools.wraps(fits.fit)
        def fail(*_, **__):
            raise InputError("cannot be read")

        patch.setattr(fits, "fit", fail)
        assert len(fit(dataset).failed) == 2
    assert np.allclose(dataset.values("latent_inr"), vectors) and dataset.list_brain_runs() == ["latent_inr"]
    assert runs.read_config(dataset, "latent_inr")["teacher_id"] == "an-old-one"
    assert len(fit(dataset).fitted) == 2 and not np.allclose(dataset.values("latent_inr"), vectors)
    assert runs.read_config(dataset, "latent_inr")["teacher_id"] == teacher.id


def test_removed_samples_do_not_take_places(indexed):
    order = found(indexed, 6)
    indexed.delete_samples(order[:3])
    assert [result.sample_id for result in search(indexed, "a red circle", k=2)] == order[3:5]
    assert len(search(indexed, "a red circle", k=9)) == 3
    assert found(indexed) == order[3:5], "our own search has mended FiftyOne's, too"


@pytest.mark.parametrize("call", ["reconstruct", "grouped", "fit"])
def test_every_function_mends_the_index(indexed, call, fit):
    order = found(indexed, 6)
    indexed.delete_samples(order[:3])
    assert found(indexed) == [], "FiftyOne has begun to look itself: say less in the docs"
    if call == "fit":
        assert len(fit(indexed).failed) == 3
    elif call == "reconstruct":
        reconstruct(indexed, audio=False, **QUIET)
    else:
        with pytest.raises(InputError, match="nothing is drawn"):
            to_grouped_dataset(indexed, "latent-inr-test-never-made")
    assert found(indexed) == order[3:5]


def test_mending_never_stops_what_was_asked_for(indexed, monkeypatch, caplog):
    found(indexed)

    def fail(*_, **__):
        raise ConnectionError("the server is down")

    monkeypatch.setattr(index, "_refresh", fail)
    assert len(reconstruct(indexed, audio=False, **QUIET).drawn) == 1
    assert "the server is down" in caplog.text and not [r for r in caplog.records if r.exc_info]


def test_cleared_renamed_cloned_and_merged(indexed, make_dataset, teacher):
    order = found(indexed, 6)
    first = indexed[order[0]]
    first["latent_inr"] = None
    first.save()
    assert [result.sample_id for result in search(indexed, "a red circle", k=2)] == order[1:3]
    indexed.name = f"{indexed.name}-renamed"
    clone = indexed.clone()
    try:
        assert [result.sample_id for result in search(clone.name, "a red circle", k=2)] == order[1:3]
        other = make_dataset(["/videos/other.mp4"])
        other.set_values("latent_inr", [teacher.embed_text(["a red circle"])[0].astype(np.float32)])
        clone.merge_samples(other)
        assert search(clone, "a red circle", k=1)[0].filepath == "/videos/other.mp4"
    finally:
        clone.delete()
    indexed.rename_sample_field("latent_inr", "elsewhere")
    with pytest.raises(InputError, match="latent_inr"):
        search(indexed, "a red circle")


def test_who_waits_is_told_for_what(indexed, capsys):
    from fiftyone_latent_inr.cli.main import main

    assert main(["search", indexed.name, "a red circle", "-k", "1"]) == 0
    out, err = capsys.readouterr()
    assert err == "latent-inr: loading the teacher that embeds the text: small\n"
    assert len(out.splitlines()) == 1 and "/videos/" in out


def test_words_that_the_teacher_never_learned_are_named(indexed, capsys, caplog):
    from fiftyone_latent_inr.cli.main import main

    assert main(["search", indexed.name, "a rabbit", "-k", "2", "--json"]) == 0
    out, err = capsys.readouterr()
    assert [set(hit) for hit in json.loads(out)] == [{"path", "score", "teacher"}] * 2
    assert {hit["teacher"] for hit in json.loads(out)} == {"small"}
    (warning,) = [line for line in err.splitlines() if "rabbit" in line]
    assert warning.startswith("latent-inr: ") and "means nothing" in warning and "--teacher" in warning
    assert caplog.records == []  # said once
    search(indexed, "a red rabbit")
    indexed.sort_by_similarity("red rabbits", brain_key="latent_inr")
    assert ["'rabbit'" in caplog.messages[0], "'rabbits'" in caplog.messages[1]] == [True, True]
    told = []
    search(indexed, "a red circle", notify=told.append)
    assert len(caplog.records) == 2 and len(told) == 1


def test_the_zoos_copy_of_an_earlier_version_is_renewed(indexed, caplog):
    copy = Path(fo.config.model_zoo_dir) / "latent-inr"
    (copy / "small-teacher" / "known_words.json").unlink()
    search(indexed, "a rabbit")
    assert "'rabbit'" in caplog.text and (copy / "small-teacher" / "known_words.json").is_file()


def test_a_teacher_is_named_as_the_user_named_it():
    def of(model, **named):
        return teacher_of(SimpleNamespace(model=model, model_kwargs=named))

    assert (
        of("latent-inr/small-teacher") == "small" and of("latent-inr/teacher", directory="/my/teacher") == "/my/teacher"
    )
    assert of("open-clip-torch", clip_model="ViT-B-32", pretrained="openai", text_prompt="") == "ViT-B-32/openai"
    assert of("clip-vit-base32-torch") == "clip-vit-base32-torch"


def test_vectors_of_two_teachers_are_said_to_be(indexed):
    indexed.add_sample(fo.Sample(filepath="/videos/more.mp4", latent_inr=np.zeros(7, np.float32)))
    with pytest.raises(InputError, match=r"the index 'latent_inr' cannot be read .*fit the dataset again"):
        search(indexed, "a red circle")


def test_the_same_file_twice_is_found_twice(indexed):
    order = found(indexed, 6)
    twin = indexed[order[0]].copy()
    indexed.add_sample(twin)
    results = search(indexed, "a red circle", k=2)
    assert {result.sample_id for result in results} == {order[0], twin.id}
    assert len({result.filepath for result in results}) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        *(({"k": k}, "k must be a whole number of at least 1") for k in ("3", None, 2.0, np.nan, True, 0)),
        *(({"text": text}, "the text to search for") for text in (3, ["a"], b"a", None, " ")),
        *(({"samples": samples}, "samples must be a FiftyOne dataset") for samples in (None, 3, Path("clips"))),
    ],
)
def test_searches_with_wrong_arguments(indexed, arguments, said):
    with pytest.raises(InputError, match=said):
        search(**{"samples": indexed, "text": "a red circle", **arguments})


def test_a_search_in_what_is_deleted(indexed):
    view = indexed.limit(2)
    indexed.delete()
    for samples in (indexed, view):
        with pytest.raises(InputError, match="has been deleted"):
            search(samples, "a red circle")
