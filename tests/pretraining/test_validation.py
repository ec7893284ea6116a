"""Videos that are held out."""

from __future__ import annotations

from fiftyone_latent_inr.pretraining.validation import hold_out


def test_some_of_many_videos_are_held_out() -> None:
    many = [(f"{k}.mp4", f"{k}.mp4") for k in range(200)]
    held, kept = hold_out(many, None)
    assert 2 <= len(held) <= 25 and sorted(held + kept) == sorted(many)
    assert hold_out(many, None) == (held, kept)
    assert hold_out(many[:10], None) == ([], many[:10])
    assert hold_out(many, many[:1]) == (many[:1], many)
