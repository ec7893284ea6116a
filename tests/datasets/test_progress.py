"""One callback over a whole dataset."""

from fiftyone_latent_inr.datasets.progress import Reporter
from fiftyone_latent_inr.progress import FitProgress


def test_fractions_only_grow_and_labels_say_what_is_left():
    seen = []
    reporter = Reporter(lambda fraction, label: seen.append((round(fraction, 3), label)))
    reporter.begin(2)
    reporter.video(0)
    reporter.event(FitProgress("fit", 1, 4, psnr=30.0, seconds=10, seconds_left=30))
    reporter.event(FitProgress("fit", 2, 4, psnr=31.0, seconds=20, seconds_left=80))
    reporter.done(40.0, "a.mp4: fitted 31.0 dB")
    reporter.video(1)
    reporter.stage(1.0, "indexing")
    assert seen == [
        (0.0, "video 1/2"),
        (0.125, "video 1/2 · 30.0 dB · 1 min left"),
        (0.125, "video 1/2 · 31.0 dB · 3 min left"),
        (0.5, "video 1/2 · fitted 31.0 dB"),
        (0.5, "video 2/2 · 40 s left"),
        (1.0, "indexing"),
    ]
