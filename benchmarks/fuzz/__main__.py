"""`python -m benchmarks.fuzz`, see `run`."""

from .run import main

main()
