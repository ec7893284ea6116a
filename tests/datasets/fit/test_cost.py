"""How long fits take: of each video from its metadata, else from the files that can be read."""

import fiftyone as fo
import pytest

from fiftyone_latent_inr.datasets.fields import FieldNames
from fiftyone_latent_inr.datasets.fit.cost import relative_costs, seconds_each

NAMES = FieldNames.of("latent_inr")
OPTIONS = {"preset": "fast", "device": "cpu"}


def test_broken_files_do_not_hide_the_estimate(make_dataset, clips, tmp_path):
    (tmp_path / "broken.mp4").write_bytes(b"no video" * 99)
    broken = [tmp_path / "broken.mp4", tmp_path / "gone.mp4"]
    dataset = make_dataset([*broken, *clips.values()])
    whole = seconds_each(make_dataset(clips.values()), NAMES, OPTIONS)
    assert seconds_each(dataset, NAMES, OPTIONS) == pytest.approx(whole)
    assert seconds_each(make_dataset(broken), NAMES, OPTIONS) is None


def test_costs_follow_the_metadata_where_there_is_some(dataset):
    ids = dataset.values("id")
    assert relative_costs(dataset, ids, OPTIONS) is None
    sizes = [fo.VideoMetadata(total_frame_count=n, frame_width=640, frame_height=360) for n in (64, 6400)]
    dataset.set_values("metadata", [*sizes, None])
    short, long, unknown = relative_costs(dataset, ids, OPTIONS)
    assert long > 20 * short and short < unknown < long
    assert relative_costs(dataset, ids[::-1], OPTIONS) == [unknown, long, short]
    cut = relative_costs(dataset, ids, {**OPTIONS, "max_frames": 64, "size": (36, 64)})
    assert cut[0] == cut[1] < short
