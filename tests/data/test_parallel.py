"""One function over many inputs in forked processes: the same results, and nothing left behind, whatever happens."""

from __future__ import annotations

import concurrent.futures.process
import errno
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from isthmus.data import parallel
from isthmus.data.parallel import in_processes, in_threads, shared

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only there it forks")
PARENT = os.getpid()


@pytest.fixture(autouse=True)
def _nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Few inputs are many here; no test leaves a process, an open file or a thread."""
    monkeypatch.setattr(parallel, "MANY", 2)
    monkeypatch.setattr(parallel, "_fork_failed", False)
    in_processes(str, range(9))  # what the library opens once and for all
    before = descriptors(), threading.active_count()
    yield
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
    assert (descriptors(), threading.active_count()) == before


def descriptors() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


def killed(n: int) -> int:
    """-n, and the end of any child that comes upon 7."""
    if n == 7 and os.getpid() != PARENT:
        os.kill(os.getpid(), signal.SIGKILL)
    return -n


@pytest.mark.parametrize("count", [0, 1, 2, 3, 50, 1000, 5001])
def test_results_come_in_order(count: int) -> None:
    word = "é"
    for every in (in_processes, in_threads):
        assert every(lambda n: (n, word), range(count)) == [(n, word) for n in range(count)]


def test_it_is_other_processes_that_work(tmp_path: Path) -> None:
    end = time.monotonic() + 60

    def meet(n: int) -> int:
        (tmp_path / str(os.getpid())).touch()
        while n and len(list(tmp_path.iterdir())) <= parallel.workers() and time.monotonic() < end:
            time.sleep(0.001)  # a busy machine may start one late
        return os.getpid()

    pids = in_processes(meet, range(200))
    assert pids[0] == PARENT, "the first is done here, for what it imports"
    assert len(set(pids[1:]) - {PARENT}) == parallel.workers()


def test_writes_to_shared_memory_are_visible() -> None:
    whole = shared((50, 2), np.dtype("u2"))

    def fill(n: int) -> None:
        whole[n] = n

    in_processes(fill, range(50))
    assert whole[:, 1].tolist() == list(range(50))
    assert shared((0, 3), np.dtype("u1")).shape == (0, 3)


def test_an_error_is_raised_as_it_is() -> None:
    for every in (in_processes, in_threads):
        with pytest.raises(ZeroDivisionError):
            every(lambda n: 1 // (n - 7), range(50))


class Stubborn(Exception):
    """An error that cannot be read back from a pipe."""

    def __init__(self, one: str, two: str) -> None:
        super().__init__(one + two)


def test_an_unpicklable_error_or_result_does_not_hang() -> None:
    def fail(n: int) -> int:
        if n == 9:
            raise Stubborn("a", "b")
        return n

    with pytest.raises(Stubborn, match="ab"):
        in_processes(fail, range(50))
    made = in_processes(lambda n: lambda: n, range(50))
    assert [each() for each in made] == list(range(50))


def test_a_killed_process_costs_time_only() -> None:
    assert in_processes(killed, range(5000)) == [-n for n in range(5000)]


def test_nor_does_it_where_somebody_hears_sigterm() -> None:
    """As in a training: a child that heard it as its parent does would not end with the others."""
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        assert in_processes(killed, range(500)) == [-n for n in range(500)]
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("born", [0, 1])
def test_where_no_process_can_be_born(born: int, monkeypatch: pytest.MonkeyPatch) -> None:
    fork, forks = os.fork, []

    def limited() -> int:
        forks.append(1)
        if len(forks) > born:
            raise OSError(errno.EAGAIN, "no more processes")
        return fork()

    monkeypatch.setattr(os, "fork", limited)
    before = descriptors()
    assert in_processes(str, range(500)) == [str(n) for n in range(500)]
    for lost in descriptors() - before:  # by the library, and not twice
        os.close(int(lost))
    assert not parallel.can_fork()
    assert in_processes(str, range(500)) == [str(n) for n in range(500)]
    assert len(forks) == born + 1


def test_where_there_are_no_semaphores(monkeypatch: pytest.MonkeyPatch) -> None:
    def lacking() -> None:
        raise NotImplementedError("system provides too few semaphores")

    monkeypatch.setattr(concurrent.futures.process, "_check_system_limits", lacking)
    assert in_processes(str, range(500)) == [str(n) for n in range(500)]


def test_where_the_system_buries_children_by_itself() -> None:
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        assert in_processes(killed, range(500)) == [-n for n in range(500)]
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_threads_may_fork_at_once() -> None:
    """As the readers of two parts do; each child knows its own task."""
    with ThreadPoolExecutor(4) as pool:
        for _ in range(3):
            tasks = [pool.submit(in_processes, lambda n, k=k: n * k, range(400)) for k in range(4)]
            assert [task.result() for task in tasks] == [[n * k for n in range(400)] for k in range(4)]


def within(method: str, target: Callable[..., Any]) -> int | None:
    child = multiprocessing.get_context(method).Process(target=target, daemon=True)
    child.start()
    child.join(20)
    code = child.exitcode
    child.kill()
    child.join()
    return code


def test_within_a_process_that_may_have_no_children() -> None:
    """A worker of somebody's DataLoader, say."""

    def work() -> None:
        assert in_processes(str, range(500)) == [str(n) for n in range(500)]

    assert within("fork", work) == 0


# -- a whole program --

PROGRAM = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs are born deaf to it
sys.path.insert(0, sys.argv[1])
import parallel  # alone: torch need not be there
parallel.MANY = 2
def slow(n):
    time.sleep(0.01)
    if n == 40:
        print("at it", flush=True)
    return n
parallel.in_processes(slow, range(100_000))
"""


@pytest.fixture
def program() -> Iterator[subprocess.Popen[str]]:
    """A program in a group of its own that has many inputs in work."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(Path(parallel.__file__).parent)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    with process:
        assert process.stdout is not None
        yield process
        if members(process.pid):
            os.killpg(process.pid, signal.SIGKILL)


def members(group: int) -> list[int]:
    """The living processes of a group; a zombie is none."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, of = status.read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(of) == group and state != "Z":
            found.append(int(status.parent.name))
    return found


def gone(group: int, seconds: float = 120) -> bool:
    end = time.monotonic() + seconds
    while members(group) and time.monotonic() < end:
        time.sleep(0.02)
    return not members(group)


def test_ctrl_c_ends_all_and_only_the_parent_reports_it(program: subprocess.Popen[str]) -> None:
    assert program.stdout is not None
    assert program.stdout.readline() == "at it\n"
    os.killpg(program.pid, signal.SIGINT)
    assert gone(program.pid)
    _, said = program.communicate(timeout=120)
    assert program.returncode in (-signal.SIGINT, 130)
    assert said.count("Traceback") == said.count("KeyboardInterrupt") == 1, said


@pytest.mark.parametrize("after", [0.0, 0.003, 0.01, 0.03])
def test_ctrl_c_at_once(program: subprocess.Popen[str], after: float) -> None:
    """While the children are being born."""
    while len(members(program.pid)) < 2:
        pass
    time.sleep(after)
    os.killpg(program.pid, signal.SIGINT)
    assert gone(program.pid)
    _, said = program.communicate(timeout=120)
    assert said.count("Traceback") == said.count("KeyboardInterrupt") == 1, said


def test_orphans_end_by_themselves(program: subprocess.Popen[str]) -> None:
    while len(members(program.pid)) <= parallel.workers():
        time.sleep(0.02)
    os.kill(program.pid, signal.SIGKILL)
    assert gone(program.pid)
