"""One function over many inputs at once: in a few threads, or in forked processes where it is many small pictures."""

from __future__ import annotations

import gc
import json
import mmap
import os
import signal
import sys
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

import numpy as np

In = TypeVar("In")
Out = TypeVar("Out")
MANY = 512  # inputs from which on forks, some milliseconds, pay
MOST = 8  # workers


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


def in_processes(function: Callable[[In], Out], inputs: Sequence[In]) -> list[Out]:
    """The results in order: plain JSON values. What else `function` makes goes to the disk or into `shared` memory.

    Decoding is but half of what a small picture costs: two threads that hand the interpreter to and fro are no faster
    than one. Forked processes are, as torch's DataLoader has them; systems other than Linux do not fork safely, and
    have threads.
    """
    if len(inputs) < MANY or sys.platform != "linux":
        return in_threads(function, inputs)
    # There may be threads, whose locks a child would wait for: it only decodes, and asks for none.
    warnings.filterwarnings("ignore", ".*multi-threaded, use of fork", DeprecationWarning)
    results: list[Any] = [function(inputs[0])]  # what this imports, the children need not import again
    inputs = inputs[1:]
    results += [None] * len(inputs)
    parent, count = os.getpid(), workers()
    children: list[tuple[int, int]] = []
    try:
        for first in range(count):
            ours, theirs = os.pipe()
            children.append((0, ours))
            with suppress(OSError):  # no memory or number for one more process
                if (child := os.fork()) == 0:
                    _work(function, inputs[first::count], theirs, parent)
                children[-1] = child, ours
            os.close(theirs)
        for first, (_, pipe) in enumerate(children):
            with open(pipe, closefd=False) as file:
                told = file.read()
            # A child that was not born, was killed or met an error told nothing: its share is done, or raises, here.
            share = inputs[first::count]
            results[1 + first :: count] = json.loads(told) if told else [function(each) for each in share]
    finally:
        for child, pipe in children:
            os.close(pipe)
            with suppress(OSError):  # where the system buries children by itself
                if child:
                    os.kill(child, signal.SIGKILL)
                    os.waitpid(child, 0)
    return results


def _work(function: Callable[[In], Out], share: Sequence[In], pipe: int, parent: int) -> None:
    """The life of a child. It leaves without tidying up: what its parent opened is its parent's to close."""
    try:
        gc.freeze()  # the garbage of the parent is left alone, so that its memory stays shared
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is for the parent, who then ends its children
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        warnings.simplefilter("ignore")
        results = []
        for each in share:
            if os.getppid() != parent:
                return
            results.append(function(each))
        with open(pipe, "w") as file:
            file.write(json.dumps(results))
    finally:
        os._exit(0)


def shared(shape: Sequence[int], dtype: np.dtype) -> np.ndarray:
    """Zeros that forked processes can fill for their parent."""
    count = int(np.prod(shape))
    return np.frombuffer(mmap.mmap(-1, max(1, count * dtype.itemsize)), dtype, count).reshape(shape)
