"""It is `python -m training.fast_prior.train` now; the old name goes on working."""

import runpy
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # it was run by its path, too
    runpy.run_module("training.fast_prior.train", run_name="__main__", alter_sys=True)
