"""Many measurements in some processes; one that fails does not cost the others."""

from __future__ import annotations

import multiprocessing
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from typing import Any

Job = tuple[Callable[..., Any], tuple[Any, ...]]


def run_jobs(work: Sequence[Job], jobs: int) -> Iterator[tuple[int, Any]]:
    """Calls functions with their arguments, in `jobs` processes.

    Args:
        work: functions of modules, each with its arguments.
        jobs: number of processes.

    Yields:
        (index in `work`, what the function gave), as they are done.

    Raises:
        SystemExit: at the end, where some failed; their tracebacks are printed.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    failed = 0
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        running: dict[Future[Any], int] = {pool.submit(function, *args): k for k, (function, args) in enumerate(work)}
        for done, future in enumerate(as_completed(running), 1):
            print(f"\n{done} of {len(work)}", flush=True)
            if error := future.exception():  # one clip's trouble must not cost the others' hour
                failed += 1
                traceback.print_exception(error)
            else:
                yield running[future], future.result()
    if failed:
        sys.exit(f"{failed} of {len(work)} could not be measured; run again for the rest")
