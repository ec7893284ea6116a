"""`python -m benchmarks.rate_distortion`, see `run`."""

from .run import main

main()
