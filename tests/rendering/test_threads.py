"""Tasks in threads of their own, and torch's setting of threads left as it was."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
import torch

from fiftyone_latent_inr.rendering.threads import run_all


@pytest.fixture(autouse=True)
def threads() -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield 3
    torch.set_num_threads(before)


def test_all_tasks_are_done_at_once_by_threads_that_use_one_each(threads: int) -> None:
    met = threading.Barrier(threads)
    seen: list[tuple[int, bool]] = []

    def task() -> None:
        met.wait(30)  # nobody gets past alone
        seen.append((torch.get_num_threads(), torch.is_inference_mode_enabled()))

    run_all([task] * threads * 2)
    assert seen == [(1, True)] * threads * 2
    assert torch.get_num_threads() == threads and not torch.is_inference_mode_enabled()
    with ThreadPoolExecutor(1) as fresh:
        assert fresh.submit(torch.get_num_threads).result() == threads


def test_one_thread_runs_them_itself() -> None:
    torch.set_num_threads(1)
    seen: list[str] = []
    run_all([lambda: seen.append(threading.current_thread().name)] * 2)
    assert seen == [threading.current_thread().name] * 2


def test_many_callers_at_once() -> None:
    def caller(number: int) -> list[int]:
        done: list[int] = []
        run_all([partial(done.append, number + k) for k in range(50)])
        return sorted(done)

    with ThreadPoolExecutor(6) as callers:
        assert list(callers.map(caller, range(6))) == [list(range(n, n + 50)) for n in range(6)]


def test_an_error_comes_out() -> None:
    def fails() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        run_all([int, fails, int])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_makes_threads_of_its_own() -> None:
    run_all([int] * 4)
    child = os.fork()
    if child == 0:
        try:
            done: list[int] = []
            run_all([partial(done.append, 1)] * 4)
            os._exit(0 if done == [1] * 4 else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
