"""The loop over samples: what stops it, and what is kept."""

import pytest

from fiftyone_latent_inr import InputError


def test_a_full_disk_stops_the_job_and_keeps_what_is_done(dataset, fit, monkeypatch):
    from fiftyone_latent_inr.latent_video.video import LatentVideo

    saved, save = [], LatentVideo.save

    def full(self, path):
        if saved:
            raise OSError(28, "No space left on device", str(path))
        saved.append(path)
        save(self, path)

    monkeypatch.setattr(LatentVideo, "save", full)
    with pytest.raises(InputError, match="No space left"):
        fit(dataset)
    assert dataset.count("latent_inr") == 1 and len(saved) == 1
