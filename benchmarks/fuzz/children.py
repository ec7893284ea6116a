"""What a function comes to in a process of its own, under a limit of address space: result, processor time, memory."""

from __future__ import annotations

import gc
import json
import os
import resource
import select
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Ending:
    """How a call has ended.

    Attributes:
        kind: `ok`, the name of the exception, `timeout`, or `died` where the process is gone without a word.
        text: what the call returned or the error said, shortened.
        seconds: of the processor, user and system.
        memory: bytes of the largest resident set beyond what the process began with.
    """

    kind: str
    text: str
    seconds: float
    memory: int


def in_child(call: Callable[[], object], address_space: int, patience: int) -> Ending:
    """Runs a call in a fork of this process, whose output is thrown away.

    Args:
        call: takes nothing; what it returns is told as text.
        address_space: bytes that the child may map in all (RLIMIT_AS), those that it begins with among them.
        patience: seconds of the processor (RLIMIT_CPU) after which it is killed; of a machine that is busy with other
            things a hundred times as many by the clock.
    """
    read, write = os.pipe()
    child = fork()
    if not child:
        os.close(read)
        resource.setrlimit(resource.RLIMIT_CPU, (patience, patience))
        _run(call, address_space, write)
    os.close(write)
    ready, _, _ = select.select([read], [], [], 100 * patience)
    if not ready:
        os.kill(child, signal.SIGKILL)
    with os.fdopen(read, "rb") as pipe:
        data = pipe.read()
    _, status, usage = os.wait4(child, 0)
    if not data:
        spent = usage.ru_utime + usage.ru_stime
        killed = not ready or (os.WIFSIGNALED(status) and spent >= patience - 1)
        return Ending("timeout" if killed else "died", f"status {status}", spent, usage.ru_maxrss << 10)
    kind, text, seconds, memory = json.loads(data)
    return Ending(kind, text, seconds, memory)


def fork() -> int:
    """`os.fork` whose child never collects what the parent has left: decoders and encoders wait for their threads then.

    Those threads are the parent's alone, and the child would wait for ever.
    """
    child = os.fork()
    if not child:
        gc.freeze()
    return child


def _run(call: Callable[[], object], address_space: int, write: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (address_space, address_space))
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    try:
        kind, text = "ok", str(call())
    except BaseException as error:  # a coder's panic is no Exception
        kind, text = type(error).__name__, str(error)
    seconds = time.process_time() - started
    memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) << 10
    os.write(write, json.dumps([kind, text[:300], seconds, memory]).encode())
    os._exit(0)


def mapped() -> int:
    """Bytes of address space that this process has mapped."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
