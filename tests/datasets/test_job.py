"""The loop over samples: what stops it, and what is kept."""

import errno
import functools

import pytest

from fiftyone_latent_inr.encoding import fit as fits
from fiftyone_latent_inr.errors import StorageError


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_disk_that_some_library_finds_full_stops_the_job(dataset, fit, monkeypatch, wrapped):
    """The next video would be lost the same way."""
    asked = []

    @functools.wraps(fits.fit)
    def full(source, **_):
        asked.append(source)
        try:
            raise OSError(errno.ENOSPC, "No space left on device", "/tmp/some-cache")
        except OSError as error:
            if not wrapped:
                raise
            raise RuntimeError("it did not work") from error

    monkeypatch.setattr(fits, "fit", full)
    with pytest.raises(StorageError, match=r"/tmp/some-cache: the disk is full.*fitted before is kept"):
        fit(dataset, teacher=None)
    assert len(asked) == 1 and dataset.get_run_info("latent_inr").config.status == "failed"
