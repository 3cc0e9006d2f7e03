"""Several processes share the cache, and decode in advance."""

from __future__ import annotations

import errno
import multiprocessing
import os
import shutil
import signal
import sys
import time
import warnings
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.cache import COUNT, one_note, pixels, uncached

from isthmus.data import base, cache, decoding, open_data, parallel
from isthmus.errors import BadInput


class Reader:
    """A process that opens the folder and reads all of it, slowly."""

    def __init__(self, folder: Path, budget: int, seconds: float) -> None:
        forks = multiprocessing.get_context("fork")
        self.told, told = forks.Pipe(duplex=False)
        self.process = forks.Process(target=self.read, args=(folder, budget, seconds, told))
        self.process.start()
        told.close()

    @staticmethod
    def read(folder: Path, budget: int, seconds: float, told: Connection) -> None:
        def slow(*args, **kwargs):
            time.sleep(seconds)
            return decoding_of_file(*args, **kwargs)

        decoding_of_file, decoding.read_picture = decoding.read_picture, slow
        base.MEMORY_BUDGET = budget
        data = open_data(folder)
        told.send("opened")
        for i in range(len(data)):
            told.send(data.batch([i]).numpy())

    def whole(self) -> torch.Tensor:
        assert self.told.recv() == "opened"
        whole = torch.from_numpy(np.concatenate([self.told.recv() for _ in range(COUNT)]))
        self.process.join()
        assert self.process.exitcode == 0
        return whole

    def kill(self, after: int) -> None:
        """Once it has read so many."""
        for _ in range(1 + after):
            self.told.recv()
        assert self.process.pid is not None
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.join()


@pytest.mark.skipif(sys.platform != "linux", reason="forks")
def test_two_processes_at_once_and_one_that_is_killed(folder: Path, kept: Path, monkeypatch, decodings) -> None:
    expected = uncached(folder, monkeypatch)
    victim, one, two = Reader(folder, 100, 0.01), Reader(folder, 100, 0.003), Reader(folder, 2**30, 0.003)
    victim.kill(after=3)
    assert torch.equal(one.whole(), expected)
    assert torch.equal(two.whole(), expected)
    decodings()
    assert torch.equal(pixels(open_data(folder)), expected)
    assert decodings() == 0
    assert len(list(kept.iterdir())) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="forks")
def test_killed_while_filling_and_gone_on(folder: Path, held, monkeypatch, decodings) -> None:
    expected = uncached(folder, monkeypatch)
    Reader(folder, 100, 0.01).kill(after=5)
    decodings()
    assert torch.equal(pixels(open_data(folder)), expected)
    assert 10 < decodings() <= COUNT - 5


def test_forked_processes_give_the_same(folder: Path, held, monkeypatch) -> None:
    (folder / "05.png").write_bytes((folder / "05.png").read_bytes()[:200])
    plain = open_data(folder, first=5)
    expected = None
    for many, worth in [(512, 2**60), (1, 2**60), (1, 0), (1, 0)]:
        monkeypatch.setattr(parallel, "MANY", many)
        monkeypatch.setattr(cache, "MIN_BYTES", worth)
        data = open_data(folder, first=5)
        assert torch.equal(data.batch(range(5)), plain.batch(range(5)))
        data = open_data(folder).subset([i for i in range(20) if i != 5])
        expected = pixels(data) if expected is None else expected
        assert torch.equal(pixels(data), expected)
    monkeypatch.setattr(decoding, "read_picture", lambda *args, **kwargs: 1 / 0)
    assert torch.equal(pixels(data), expected), "and nothing is decoded any more"


class Ahead:
    """A set that is read in batches of 4 in a drawn order, most of it decoded in processes before it is asked for."""

    def __init__(self, folder: Path, expected: torch.Tensor) -> None:
        self.data, self.expected = open_data(folder), expected
        self.order = torch.randperm(COUNT, generator=torch.Generator().manual_seed(0)).tolist()

    def epoch(self, but: int | None = None) -> None:
        for first in range(0, COUNT, 4):
            rows = [row for row in self.order[first : first + 4] if row != but]
            assert torch.equal(self.data.batch(rows), self.expected[rows])


@pytest.fixture
def ahead(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Ahead]:
    monkeypatch.setattr(base, "MEMORY_BUDGET", 100)
    monkeypatch.setattr(decoding, "SMALL", 1e9)
    monkeypatch.setattr(decoding, "BLOCK", 40)
    monkeypatch.setattr(parallel, "MANY", 8)
    expected = uncached(folder, monkeypatch)
    return lambda: Ahead(folder, expected)


forks = pytest.mark.skipif(sys.platform != "linux", reason="only there it forks")


@forks
def test_a_first_epoch_is_decoded_in_advance(ahead, decodings) -> None:
    reader = ahead()
    decodings()
    reader.epoch()
    assert 0 < decodings() < COUNT - 8, "the others were decoded in other processes"
    reader.epoch()
    assert decodings() == 0


@forks
def test_not_where_there_are_other_ranks(ahead, decodings, tmp_path: Path) -> None:
    from torch import distributed

    reader = ahead()
    decodings()
    distributed.init_process_group("gloo", init_method=f"file://{tmp_path / 'meet'}", rank=0, world_size=1)
    try:
        reader.epoch()
    finally:
        distributed.destroy_process_group()
    assert decodings() == COUNT


@forks
@pytest.mark.parametrize("what", ["broken", "gone", "another", "touched"])
def test_files_changed_before_decoding_in_advance(ahead, folder: Path, save, decodings, what) -> None:
    reader = ahead()
    row = reader.order[-1]
    path = folder / f"{row:02d}.png"
    content, status = path.read_bytes(), path.stat()
    if what == "broken":
        path.write_bytes(content[: len(content) // 2] + bytes(len(content) - len(content) // 2))
    elif what == "gone":
        path.unlink()
    elif what == "another":
        save(np.zeros((10, 12, 3), np.uint8), f"photos/{path.name}")
    else:
        os.utime(path, (1, 1))
    reader.epoch(but=row)
    if what in ("broken", "gone"):
        for _ in range(2):
            with pytest.raises(BadInput, match=f"{path.name}: "):
                reader.data.batch([row])
    else:
        assert torch.equal(reader.data.batch([row])[0], reader.expected[row] * (what == "touched"))
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    decodings()
    again = open_data(folder)
    assert torch.equal(pixels(again), reader.expected)
    assert decodings() == 1, "what it was meanwhile has not been kept"


@forks
@pytest.mark.parametrize("how", ["full", "removed", "killed"])
def test_cache_changed_while_it_is_filled_in_advance(ahead, kept: Path, monkeypatch, decodings, how: str) -> None:
    reader, write, parent = ahead(), os.pwrite, os.getpid()

    def struck(file: int, content: bytes, place: int) -> int:
        if os.getpid() != parent:
            if how == "full":
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            if how == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            shutil.rmtree(kept, ignore_errors=True)
        return write(file, content, place)

    with monkeypatch.context() as patch, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        patch.setattr(os, "pwrite", struck)
        reader.epoch()
        reader.epoch()
    if how != "killed":
        assert f"cannot be kept ({'no space' if how == 'full' else 'it was removed'}" in one_note(caught)
        assert not list(kept.glob("*"))
    decodings()
    reader.epoch()
    assert (decodings() > 0) == (how != "killed"), "where all is well with the cache, it is filled by threads"
