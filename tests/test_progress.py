"""What a fit says where there is no terminal: a line now and then, none of them drawn over another."""

from __future__ import annotations

import time

import pytest

from fiftyone_latent_inr.progress import FitProgress, reporting


def test_a_file_gets_few_whole_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with reporting(True, time.monotonic()) as report:
        report(FitProgress("decode", 0, 1, message="odd\nname"))
        for step in range(1, 1001):
            report(FitProgress("fit", step, 1000, psnr=30.0))
    out, err = capsys.readouterr()
    assert out == "" and "\r" not in err
    assert "odd\\nname\n" in err and "fit 1000/1000, 30.00 dB\n" in err and err.count("\n") < 20
