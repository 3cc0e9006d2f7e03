"""The cache is bounded, and a full disk, removed files and invalid settings cost time only."""

from __future__ import annotations

import errno
import os
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.cache import COUNT, one_note, pixels, uncached

from isthmus.data import base, cache, open_data, parallel
from isthmus.errors import BadInput


def test_the_least_recently_used_makes_room(folder: Path, kept: Path, monkeypatch) -> None:
    sizes = {side: cache.Decoded(Path(), (3, side, side), np.dtype("u1"), COUNT).nbytes for side in (40, 41, 42)}
    (kept / "a folder of somebody").mkdir(parents=True)
    monkeypatch.setenv("ISTHMUS_CACHE_GB", str((sizes[41] + sizes[42] + 1000) / 1e9))
    files = {}
    for side in (40, 41):
        before = set(kept.glob("*"))
        open_data(folder, size=side)
        (files[side],) = set(kept.glob("*")) - before
        os.utime(files[side], (side, side))
    open_data(folder, size=40)  # used again, and so the later of the two
    open_data(folder, size=42)
    assert files[40].exists()
    assert not files[41].exists()
    assert sum(file.stat().st_size for file in kept.glob("*.items")) < sizes[41] + sizes[42] + 1000


@pytest.mark.parametrize("bound", ["0", "0.00001"])
def test_a_set_above_the_bound_is_decoded_each_time(
    folder: Path, kept: Path, held, decodings, monkeypatch, bound
) -> None:
    monkeypatch.setenv("ISTHMUS_CACHE_GB", bound)
    data = open_data(folder)
    assert len(pixels(data)) == len(pixels(data)) == COUNT
    assert not list(kept.iterdir())
    if held == "whole":
        assert (data.notes, decodings()) == ([], COUNT)
    else:
        (note,) = data.notes
        assert "more than the cache may hold" in note
        assert "ISTHMUS_CACHE_GB" in note
        assert decodings() == 2 * COUNT


def test_half_of_the_free_disk_is_the_most(folder: Path, kept: Path, monkeypatch) -> None:
    monkeypatch.setattr(base, "MEMORY_BUDGET", 100)
    usage = shutil.disk_usage(folder)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=30_000))
    assert "half of the free disk" in open_data(folder).notes[0]
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=60_000))
    for _ in range(3):  # what the set itself takes is free to it
        data = open_data(folder)
        assert data.notes == []
        pixels(data)
        monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=45_000))


@pytest.mark.parametrize("bound", ["much", "-1", "nan"])
def test_a_bound_that_is_no_number(folder: Path, monkeypatch, bound: str) -> None:
    monkeypatch.setenv("ISTHMUS_CACHE_GB", bound)
    with pytest.raises(BadInput, match=f"ISTHMUS_CACHE_GB={bound}: a number of gigabytes is accepted"):
        open_data(folder)


@pytest.mark.parametrize("how", ["an error", "half an item"])
@pytest.mark.parametrize("many", [1, 512])
def test_a_full_disk(folder: Path, kept: Path, held, monkeypatch, how: str, many: int) -> None:
    expected = uncached(folder, monkeypatch)
    write, written = os.pwrite, [0]

    def full(file: int, content: bytes, place: int) -> int:
        written[0] += 1
        if written[0] < 9:
            return write(file, content, place)
        if how == "an error":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(file, memoryview(content).cast("B")[:100], place)

    monkeypatch.setattr(os, "pwrite", full)
    monkeypatch.setattr(parallel, "MANY", many)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        data = open_data(folder)
        assert torch.equal(pixels(data), expected)
        assert torch.equal(pixels(data), expected)
    assert "cannot be kept (no space left on device)" in one_note(caught)
    assert not list(kept.iterdir()), "the disk is left to those who need it more"
    monkeypatch.undo()


def test_removed_while_in_use(folder: Path, kept: Path, held, monkeypatch) -> None:
    expected = uncached(folder, monkeypatch)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        data = open_data(folder)
        data.batch(range(10))
        shutil.rmtree(kept.parent)
        assert torch.equal(pixels(data), expected)
        assert torch.equal(pixels(data), expected)
        if held == "whole":
            assert not caught
        else:
            assert "cannot be kept (it was removed)" in one_note(caught)


def test_made_again_by_another_while_in_use(folder: Path, kept: Path, monkeypatch) -> None:
    """What was seen to be right in a file that is gone says nothing of the empty one in its place."""
    monkeypatch.setattr(base, "MEMORY_BUDGET", 100)
    data = open_data(folder)
    expected = pixels(data)
    shutil.rmtree(kept)
    open_data(folder)
    assert torch.equal(pixels(data), expected)


def test_nowhere_to_write(folder: Path, held, tmp_path: Path, monkeypatch) -> None:
    expected = uncached(folder, monkeypatch)
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ISTHMUS_CACHE", str(tmp_path / "file"))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert torch.equal(pixels(open_data(folder)), expected)
    assert "decoded pictures cannot be kept" in one_note(caught)
    monkeypatch.delenv("ISTHMUS_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", lambda: (_ for _ in ()).throw(RuntimeError("no home")))
    assert torch.equal(pixels(open_data(folder)), expected)
