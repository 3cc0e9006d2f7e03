"""One function over many inputs at once: in a few threads, or in forked processes where it is many small pictures."""

from __future__ import annotations

import gc
import mmap
import multiprocessing
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import suppress
from multiprocessing import connection, util
from typing import Any, TypeVar

import numpy as np

In = TypeVar("In")
Out = TypeVar("Out")
MANY = 512  # inputs from which on forks, some milliseconds, pay
MOST = 8  # workers
SHARE = 128  # inputs handed to a process at a time, at most

_task: tuple[Callable[[Any], Any], Sequence[Any], np.ndarray]  # of a forked process: what it was born for
_barren = False  # whether a process could not be born once


def workers() -> int:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(2, min(MOST, cores))


def in_threads(function: Callable[[In], Out], inputs: Sequence[In]) -> list[Out]:
    """The results in order. Good for large pictures: Pillow lets go of the interpreter while it decodes."""
    if len(inputs) < 2:
        return [function(each) for each in inputs]
    results: list[Any] = [None] * len(inputs)
    shares = [range(first, len(inputs), workers()) for first in range(min(workers(), len(inputs)))]

    def work(share: range) -> None:
        for place in share:
            results[place] = function(inputs[place])

    with ThreadPoolExecutor(len(shares)) as pool:
        list(pool.map(work, shares))
    return results


def can_fork() -> bool:
    """Whether to try it. It is not safe outside of Linux; where the system buries children by itself, the library would
    look for them for ever; and where it failed once, it leaves descriptors open each time.
    """
    return sys.platform == "linux" and not _barren and signal.getsignal(signal.SIGCHLD) != signal.SIG_IGN


def in_processes(function: Callable[[In], Out], inputs: Sequence[In]) -> list[Out]:
    """The results in order: small ones. What else `function` makes goes to the disk or into `shared` memory.

    Decoding is but half of what a small picture costs: two threads that hand the interpreter to and fro are no faster
    than one. Forked processes are, as torch's DataLoader has them.
    """
    if len(inputs) < MANY or not can_fork():
        return in_threads(function, inputs)
    # There may be threads, whose locks a child would wait for: it only decodes, and asks for none.
    warnings.filterwarnings("ignore", ".*multi-threaded, use of fork", DeprecationWarning)
    results = [function(inputs[0])]  # what this imports, the children need not import again
    with suppress(Exception):
        _fork(function, inputs, results)
    # Where no process could be born, or one was killed or met an error, the rest is done, or raises, here.
    return results + in_threads(function, inputs[len(results) :])


def _fork(function: Callable[[Any], Any], inputs: Sequence[Any], results: list[Any]) -> None:
    """Add to `results` in order, up to the end or an error."""
    global _barren
    over, others = shared((1,), np.dtype(bool)), set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(workers(), multiprocessing.get_context("fork"), _born, (function, inputs, over))
    share, told = min(SHARE, -(-len(inputs) // (4 * workers()))), list[Future[list[Any]]]()
    try:
        heard = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # children are born deaf to a Ctrl-C
        try:
            for first in range(len(results), len(inputs), share):
                told.append(pool.submit(_work, first, first + share))  # the first one forks
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, heard)
        for each in told:
            results += each.result()
    finally:
        over[0] = True
        pool.shutdown(cancel_futures=True)
        if not told:
            _barren = True
            for child in set(multiprocessing.active_children()) - others:  # born before one could not be
                child.kill()
                child.join()


def _born(*task: Any) -> None:
    """What a child begins with. It will leave without tidying up: what its parent opened is its parent's to close."""
    global _task
    _task = task
    gc.freeze()  # the garbage of the parent is left alone, so that its memory stays shared
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    warnings.simplefilter("ignore")
    util.Finalize(None, os._exit, (0,), exitpriority=100)
    threading.Thread(target=_follow, args=(multiprocessing.parent_process(),), daemon=True).start()


def _follow(parent: Any) -> None:
    """Die with the parent, who may have been killed."""
    connection.wait([parent.sentinel])
    os._exit(1)


def _work(first: int, stop: int) -> list[Any]:
    function, inputs, over = _task
    return [function(each) for each in inputs[first:stop] if not over[0]]


def shared(shape: Sequence[int], dtype: np.dtype) -> np.ndarray:
    """Zeros that forked processes can fill for their parent."""
    count = int(np.prod(shape))
    return np.frombuffer(mmap.mmap(-1, max(1, count * dtype.itemsize)), dtype, count).reshape(shape)
