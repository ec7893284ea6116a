"""A few threads that each draw on their own. Many small operations split over threads mostly wait for each other."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch

_pools: dict[int, ThreadPoolExecutor] = {}
_lock = threading.Lock()


def run_all(tasks: Sequence[Callable[[], None]]) -> None:
    """Runs tasks that do not depend on each other, in as many threads as torch has been given here, one task a thread.

    They run in inference mode. May be called from several threads at once, but not from a task.

    Raises:
        Exception: the first task's that failed; those that had not begun are left out.
    """
    count = torch.get_num_threads()
    if count == 1:
        for task in tasks:
            _run(task)
        return
    futures = [_pool(count).submit(_run, task) for task in tasks]
    try:
        for future in futures:
            future.result()
    finally:
        for future in futures:
            future.cancel()


@torch.inference_mode()
def _run(task: Callable[[], None]) -> None:
    task()


def _pool(count: int) -> ThreadPoolExecutor:
    """The pool of `count` threads, in each of which torch uses one thread."""
    with _lock:
        if count not in _pools:
            pool = ThreadPoolExecutor(count, "latent-inr-draw", initializer=_use_one_thread)
            ready = threading.Barrier(count + 1)
            try:
                for _ in range(count):
                    pool.submit(ready.wait)
                ready.wait()
            except RuntimeError:  # no more threads to be had: let go of those that wait for them
                ready.abort()
                pool.shutdown(wait=False)
                raise
            # The setting is each thread's own, but also what later threads start with: give that back.
            torch.set_num_threads(count)
            _pools[count] = pool
        return _pools[count]


def _use_one_thread() -> None:
    torch.get_num_threads()  # a thread takes the process's setting when it first asks, and would then forget its own
    torch.set_num_threads(1)


def _forget() -> None:
    """A forked process has none of its parent's threads, and perhaps a lock that nobody will open."""
    global _lock  # noqa: PLW0603
    _lock = threading.Lock()
    _pools.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
