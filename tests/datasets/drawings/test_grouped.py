"""Side by side: a grouped dataset of originals and drawings."""

import fiftyone as fo
import pytest

from fiftyone_latent_inr import InputError, interpolate, reconstruct, super_resolve, to_grouped_dataset

QUIET = {"progress": False, "device": "cpu"}
NAME = "latent-inr-test-grouped"


@pytest.fixture(autouse=True)
def clean():
    yield
    if fo.dataset_exists(NAME):
        fo.delete_dataset(NAME)


@pytest.fixture
def drawn(fitted_dataset):
    """Two fitted videos with labels; x2 of both, fps x 2 of the first."""
    for number, sample in enumerate(fitted_dataset):
        sample["truth"] = fo.Classification(label=f"clip {number}")
        sample.tags.append("tagged")
        box = fo.Detection(label="square", bounding_box=[0.1, 0.1, 0.2, 0.2])
        sample.frames[3] = fo.Frame(boxes=fo.Detections(detections=[box]))
        sample.save()
    super_resolve(fitted_dataset, **QUIET)
    interpolate(fitted_dataset.limit(1), **QUIET)
    return fitted_dataset


def rows(grouped, slice_):
    view = grouped.select_group_slices(slice_)
    return dict(zip(*view.values(["source_id", "filepath"]), strict=True))


def test_slices_paths_and_labels(drawn):
    grouped = to_grouped_dataset(drawn, NAME)
    first, second = drawn.values("id")
    assert grouped.media_type == "group" and grouped.default_group_slice == "original"
    assert set(grouped.group_slices) == {"original", "x2", "fps2"} and not grouped.persistent
    assert rows(grouped, "original") == dict(zip(drawn.values("id"), drawn.values("filepath"), strict=True))
    assert rows(grouped, "x2") == dict(zip(drawn.values("id"), drawn.values("latent_inr_x2"), strict=True))
    assert rows(grouped, "fps2") == {first: drawn.first().latent_inr_fps2}
    originals = grouped.select_group_slices("original")
    assert originals.values("truth.label") == ["clip 0", "clip 1"]
    assert originals.values("frames.boxes.detections.label", unwind=True) == ["square"] * 2
    assert originals.first().frames[3].boxes.detections[0].label == "square"
    assert grouped.select_group_slices("x2").count("truth") == 0
    assert grouped.select_group_slices("x2").values("tags") == [["tagged"]] * 2
    group = grouped.get_group(originals.first().group.id)
    assert {sample.source_id for sample in group.values()} == {first} and len(group) == 3
    assert drawn.media_type == "video" and drawn.count() == 2, "the dataset that was given stays as it was"
    assert second in rows(grouped, "original")


def test_again_adds_only_what_is_new(drawn):
    grouped = to_grouped_dataset(drawn.limit(1), NAME, persistent=True)
    sample = grouped.first()
    sample["note"] = "mine"
    sample.save()
    ids = set(grouped.select_group_slices(media_type="video").values("id"))
    interpolate(drawn, **QUIET)
    reconstruct(drawn, **QUIET)
    super_resolve(drawn, crf=30, **QUIET)
    again = to_grouped_dataset(drawn, NAME)
    assert again.persistent and again.first().note == "mine"
    view = again.select_group_slices(media_type="video")
    assert len(view) == 8 and ids < set(view.values("id"))
    assert rows(again, "x2") == dict(zip(drawn.values("id"), drawn.values("latent_inr_x2"), strict=True))
    assert all(len(again.get_group(s.group.id)) == 4 for s in again)
    assert to_grouped_dataset(drawn, NAME).count() == 2 and len(again.select_group_slices(media_type="video")) == 8


def test_overwrite_makes_it_anew(drawn):
    sample = to_grouped_dataset(drawn, NAME).first()
    sample["note"] = "mine"
    sample.save()
    assert "note" not in to_grouped_dataset(drawn, NAME, overwrite=True).get_field_schema()


def test_own_slices(drawn):
    grouped = to_grouped_dataset(drawn, NAME, slices={"large": "latent_inr_x2"})
    assert set(grouped.group_slices) == {"original", "large"}
    with pytest.raises(InputError, match="no field of paths called 'nowhere'"):
        to_grouped_dataset(drawn, NAME, slices={"a": "nowhere"})
    with pytest.raises(InputError, match="'original'"):
        to_grouped_dataset(drawn, NAME, slices={"original": "latent_inr_x2"})


WRONG = [
    ({"slices": 3}, "slices must map"),
    ({"slices": ["latent_inr_x2"]}, "slices must map"),
    ({"slices": {"a": ["x"]}}, "no field of paths"),
    ({"slices": {"a": "latent_inr_path"}}, r"holds .*\.linr, which is no video"),
    *(({"slices": {key: "latent_inr_x2"}}, "cannot name a slice") for key in (3, None, "", " ", "a.b", "$a", "a\0")),
    *(({name: "no"}, f"{name} must be True or False") for name in ("overwrite", "persistent")),
    ({"name": None}, "cannot name a dataset"),
    ({"name": ["x"]}, "cannot name a dataset"),
]


def test_what_is_wrong_is_known_before_the_old_one_is_deleted(drawn):
    grouped = to_grouped_dataset(drawn, NAME)
    before = fo.list_datasets()
    for options, said in WRONG:
        with pytest.raises(InputError, match=said):
            to_grouped_dataset(drawn, **{"name": NAME, "overwrite": True, **options})
    assert not grouped.deleted and fo.list_datasets() == before
    assert set(grouped.group_slices) == {"original", "x2", "fps2"} and grouped.count() == 2


@pytest.mark.parametrize("there", [True, False])
def test_the_old_one_is_deleted_once_the_new_one_is_whole(drawn, monkeypatch, there):
    grouped = to_grouped_dataset(drawn, NAME) if there else None
    before = fo.list_datasets()

    def fail(*_, **__):
        raise ConnectionError("the database is down")

    with monkeypatch.context() as patch, pytest.raises(ConnectionError):
        patch.setattr(fo.Dataset, "add_samples", fail)
        to_grouped_dataset(drawn, NAME, overwrite=True)
    assert fo.list_datasets() == before and (grouped is None or grouped.count() == 2)


@pytest.mark.parametrize(
    "edit",
    [
        lambda grouped: grouped.delete_sample_field("source_id"),
        lambda grouped: grouped.rename_sample_field("group", "other"),
    ],
)
def test_fields_that_say_what_is_what_are_gone(drawn, edit):
    edit(to_grouped_dataset(drawn, NAME))
    with pytest.raises(InputError, match=r"has lost its field .* overwrite=True"):
        to_grouped_dataset(drawn, NAME)
    again = to_grouped_dataset(drawn, NAME, overwrite=True)
    assert again.name == NAME and fo.load_dataset(NAME) is again
    assert to_grouped_dataset(drawn, NAME).count() == 2 and again.group_field == "group"


def test_a_slice_of_a_grouped_dataset_is_a_source(drawn):
    first = to_grouped_dataset(drawn, NAME)
    try:
        second = to_grouped_dataset(first.select_group_slices("original"), NAME + "-2")
        assert set(second.group_slices) == {"original", "x2", "fps2"} and second.count() == 2
    finally:
        if fo.dataset_exists(NAME + "-2"):
            fo.delete_dataset(NAME + "-2")


def test_both_may_be_renamed(drawn, make_dataset):
    first = to_grouped_dataset(drawn.limit(1), NAME)
    drawn.name = f"{NAME}-source"
    assert to_grouped_dataset(drawn, NAME) is first and first.count() == 2
    first.name = f"{NAME}-other"
    try:
        assert to_grouped_dataset(drawn, f"{NAME}-other").count() == 2 and not fo.dataset_exists(NAME)
        assert first.info["grouped_by_latent_inr"] == f"{NAME}-source"
        again = to_grouped_dataset(drawn, f"{NAME}-other", overwrite=True)
        assert again.count() == 2 and first.deleted
    finally:
        fo.delete_datasets(f"{NAME}-*")


def test_another_source_is_told_apart(drawn, make_dataset):
    """A clone has its source's sample ids; a dataset made anew has its name."""
    grouped = to_grouped_dataset(drawn, NAME)
    clone = drawn.clone(f"{NAME}-clone")
    try:
        for overwrite in (False, True):
            with pytest.raises(InputError, match=rf"was made .* of dataset '{drawn.name}', not of this '{clone.name}'"):
                to_grouped_dataset(clone, NAME, overwrite=overwrite)
        name = drawn.name
        drawn.delete()
        clone.name = name
        for overwrite in (False, True):
            with pytest.raises(InputError, match="had that name before"):
                to_grouped_dataset(clone, NAME, overwrite=overwrite)
        assert grouped.count() == 2 and len(grouped.select_group_slices(media_type="video")) == 5
    finally:
        clone.delete()


def test_a_clone_of_the_grouped_dataset_is_extended_too(drawn):
    to_grouped_dataset(drawn.limit(1), NAME).clone(f"{NAME}-clone")
    try:
        assert to_grouped_dataset(drawn, f"{NAME}-clone").count() == 2 and fo.load_dataset(NAME).count() == 1
    finally:
        fo.delete_dataset(f"{NAME}-clone")


def test_one_of_an_earlier_version_is_known_by_name(drawn):
    """Then it learns the id."""
    grouped = to_grouped_dataset(drawn.limit(1), NAME)
    del grouped.info["grouped_by_latent_inr_id"]
    grouped.save()
    assert to_grouped_dataset(drawn, NAME).count() == 2
    drawn.name = f"{NAME}-source"
    assert to_grouped_dataset(drawn, NAME).count() == 2


@pytest.mark.parametrize("name", ["", "...", 5])
def test_names_that_no_dataset_can_have(drawn, name):
    with pytest.raises(InputError, match="cannot name a dataset"):
        to_grouped_dataset(drawn, name)


def test_nothing_drawn_and_names_that_are_taken(fitted_dataset, make_dataset):
    with pytest.raises(InputError, match="nothing is drawn of dataset"):
        to_grouped_dataset(fitted_dataset, NAME)
    assert not fo.dataset_exists(NAME)
    reconstruct(fitted_dataset, **QUIET)
    other = make_dataset(["a.mp4"], name="latent-inr-test-somebody-elses")
    for name in (other.name, fitted_dataset.name):
        with pytest.raises(InputError, match="choose another name"):
            to_grouped_dataset(fitted_dataset, name, overwrite=True)
    assert other.count() == 1 and fitted_dataset.count() == 2
