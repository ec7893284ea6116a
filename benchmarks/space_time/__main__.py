"""`python -m benchmarks.space_time`, see `run`."""

from .run import main

main()
