"""Parallel map of a function over many inputs: in threads, or, for many small images, in forked processes."""

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
MANY = 512  # inputs from which on the cost of forks, some milliseconds, is worth it
MAX_WORKERS = 8
SHARE = 128  # maximum number of inputs that a process is given at a time

_task: tuple[Callable[[Any], Any], Sequence[Any], np.ndarray]  # of a forked process: function, inputs, stop flag
_fork_failed = False  # whether a process could not be started once


def workers() -> int:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(2, min(MAX_WORKERS, cores))


def in_threads(function: Callable[[In], Out], inputs: Sequence[In]) -> list[Out]:
    """The results in order. Suits large images: Pillow releases the GIL while it decodes."""
    if len(inputs) < 2:
        return [function(each) for each in inputs]
    results: list[Any] = [None] * len(inputs)
    shares = [range(first, len(inputs), workers()) for first in range(min(workers(), len(inputs)))]

    def work(share: range) -> None:
        for index in share:
            results[index] = function(inputs[index])

    with ThreadPoolExecutor(len(shares)) as pool:
        list(pool.map(work, shares))
    return results


def can_fork() -> bool:
    """Whether forks may be tried: they are unsafe outside of Linux; if SIGCHLD is ignored the kernel reaps children and
    multiprocessing waits forever; and each failed fork leaves descriptors open.
    """
    return sys.platform == "linux" and not _fork_failed and signal.getsignal(signal.SIGCHLD) != signal.SIG_IGN


def in_processes(function: Callable[[In], Out], inputs: Sequence[In]) -> list[Out]:
    """The results in order; they should be small, so large outputs of `function` go to disk or into `shared` memory.

    Decoding is only half of the cost of a small image: two threads that compete for the GIL are no faster than one.
    Forked processes are faster, as in torch's DataLoader.
    """
    if len(inputs) < MANY or not can_fork():
        return in_threads(function, inputs)
    # A child could wait forever for a lock of another thread, but it only decodes, and takes none.
    warnings.filterwarnings("ignore", ".*multi-threaded, use of fork", DeprecationWarning)
    results = [function(inputs[0])]  # its imports need not be repeated in the children
    with suppress(Exception):
        _fork(function, inputs, results)
    # If no process could be started, or one was killed or raised an error, the rest is computed, or raises, here.
    return results + in_threads(function, inputs[len(results) :])


def _fork(function: Callable[[Any], Any], inputs: Sequence[Any], results: list[Any]) -> None:
    """Append to `results` in order, up to the end or an error."""
    global _fork_failed
    stop, others = shared((1,), np.dtype(bool)), set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(workers(), multiprocessing.get_context("fork"), _init_worker, (function, inputs, stop))
    share, futures = min(SHARE, -(-len(inputs) // (4 * workers()))), list[Future[list[Any]]]()
    try:
        old_mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # children inherit it: no Ctrl-C
        try:
            for first in range(len(results), len(inputs), share):
                futures.append(pool.submit(_work, first, first + share))  # the first one forks
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, old_mask)
        for future in futures:
            results += future.result()
    finally:
        stop[0] = True
        pool.shutdown(cancel_futures=True)
        if not futures:
            _fork_failed = True
            for child in set(multiprocessing.active_children()) - others:  # started before the failure
                child.kill()
                child.join()


def _init_worker(*task: Any) -> None:
    """Initialize a child. It exits without cleanup: its parent's resources are its parent's to close."""
    global _task
    _task = task
    gc.freeze()  # the parent's objects are not collected, so that their memory stays shared
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    warnings.simplefilter("ignore")
    util.Finalize(None, os._exit, (0,), exitpriority=100)
    threading.Thread(target=_exit_with_parent, args=(multiprocessing.parent_process(),), daemon=True).start()


def _exit_with_parent(parent: Any) -> None:
    """Exit when the parent ends, even if it was killed."""
    connection.wait([parent.sentinel])
    os._exit(1)


def _work(first: int, end: int) -> list[Any]:
    function, inputs, stop = _task
    return [function(each) for each in inputs[first:end] if not stop[0]]


def shared(shape: Sequence[int], dtype: np.dtype) -> np.ndarray:
    """Zeros that forked processes can fill for their parent."""
    count = int(np.prod(shape))
    return np.frombuffer(mmap.mmap(-1, max(1, count * dtype.itemsize)), dtype, count).reshape(shape)
