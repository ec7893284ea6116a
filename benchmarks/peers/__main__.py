"""`python -m benchmarks.peers`, see `run`."""

from .run import main

main()
