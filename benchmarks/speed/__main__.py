"""`python -m benchmarks.speed`, see `run`."""

from .run import main

main()
