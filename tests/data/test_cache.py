"""A folder is decoded once, and any state of the cache gives the values of the files."""

from __future__ import annotations

import errno
import multiprocessing
import os
import pickle
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

from isthmus.data import base, cache, decoding, open_data, parallel, record_parts
from isthmus.data.folders import changed
from isthmus.errors import BadInput, Note

COUNT = 30
Decodings = Callable[[], int]


@pytest.fixture
def folder(save, rng) -> Path:
    for i in range(COUNT):
        path = save(rng.integers(0, 256, (10, 12, 3), np.uint8), f"photos/{i:02d}.png")
    return path.parent


@pytest.fixture(autouse=True)
def kept(tmp_path: Path, monkeypatch) -> Path:
    """Where the decoded pictures of a test lie; sets of any size are kept."""
    monkeypatch.setenv("ISTHMUS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "MIN_BYTES", 0)
    return tmp_path / "cache" / "decoded"


@pytest.fixture(params=["whole", "in batches"])
def held(request, monkeypatch) -> str:
    """A set that is held whole, and one that is read a batch at a time."""
    if request.param == "in batches":
        monkeypatch.setattr(base, "MEMORY_BUDGET", 100)
    return request.param


@pytest.fixture
def decodings(monkeypatch) -> Decodings:
    """How many pictures were decoded since it was asked last."""
    count, read = [0], decoding.read_picture

    def counted(*args, **kwargs):
        count[0] += 1
        return read(*args, **kwargs)

    def since() -> int:
        count[0], before = 0, count[0]
        return before

    monkeypatch.setattr(decoding, "read_picture", counted)
    return since


def pixels(data) -> torch.Tensor:
    return torch.cat([data.batch([i]) for i in range(len(data))])


def uncached(folder: Path, monkeypatch, **options) -> torch.Tensor:
    with monkeypatch.context() as patch:
        patch.setattr(cache, "MIN_BYTES", 2**60)
        return pixels(open_data(folder, **options))


def test_a_second_opening_decodes_nothing(folder: Path, held, decodings, monkeypatch) -> None:
    expected = uncached(folder, monkeypatch)
    decodings()
    first = open_data(folder)
    assert torch.equal(pixels(first), expected)
    assert decodings() == COUNT
    assert torch.equal(pixels(first), expected)
    second = open_data(folder)
    assert torch.equal(pixels(second), expected)
    assert torch.equal(second.subset([4, 1]).batch([1, 0]), expected[[1, 4]])
    assert decodings() == 0
    assert (first.source, list(first.names), first.notes) == (second.source, list(second.names), [])


@pytest.mark.parametrize(("kind", "dtype"), [("gray", np.uint8), ("deep gray", np.uint16), ("deep color", np.uint16)])
def test_gray_and_16_bits(save, rng, held, decodings, kind: str, dtype: type) -> None:
    made = rng.integers(0, np.iinfo(dtype).max, (5, 3 if "color" in kind else 1, 6, 7), dtype, endpoint=True)
    for i, item in enumerate(made):
        if "color" in kind:
            import tifffile

            path = save(np.zeros((1, 1), np.uint8), "x.png").parent / f"{i}.tif"
            tifffile.imwrite(path, np.moveaxis(item, 0, -1), photometric="rgb")
        else:
            path = save(item[0], f"{i}.png")
    (path.parent / "x.png").unlink(missing_ok=True)
    for count in (5, 0):
        assert torch.equal(pixels(open_data(path.parent)), torch.from_numpy(made))
        assert decodings() == count


def test_a_set_goes_to_other_processes(folder: Path, held, decodings) -> None:
    data = open_data(folder)
    expected = pixels(data)
    decodings()
    assert torch.equal(pixels(pickle.loads(pickle.dumps(data))), expected)
    assert decodings() == 0


def test_small_sets_and_single_files_are_not_kept(folder: Path, kept: Path, monkeypatch) -> None:
    open_data(folder / "00.png")
    monkeypatch.setattr(cache, "MIN_BYTES", COUNT * 360 + 1)
    open_data(folder)
    assert not kept.exists()


def test_wrong_bytes_are_detected_and_decoded_again(folder: Path, kept: Path, held, decodings) -> None:
    expected = pixels(open_data(folder))
    (file,) = kept.iterdir()
    whole = file.read_bytes()

    def after(content: bytes) -> int:
        file.write_bytes(content)
        decodings()
        assert torch.equal(pixels(open_data(folder)), expected)
        assert file.read_bytes() == whole, "made good"
        return decodings()

    item = len(whole) - 360 * 3
    assert after(whole[:item] + bytes([whole[item] ^ 1]) + whole[item + 1 :]) == 1
    assert after(whole[: item + 100]) == COUNT, "a file of the wrong length is thrown away"
    assert after(b"") == COUNT
    assert after(whole.replace(b'"shape": [3', b'"shape": [1', 1)) == COUNT, "and so is one that says something else"
    assert after(whole[:item] + bytes(360) + whole[item + 360 :]) == 1
    assert after(whole[:4096] + bytes(4) + whole[4100:]) == 1, "an item without its code was never written"
    assert after(whole) == 0


def test_preprocessing_and_content_decide_the_cache_file(folder: Path, kept: Path, save, rng) -> None:
    open_data(folder)
    for number, options in enumerate(
        [{"size": 8}, {"gray": True}, {"like": {"shape": (3, 10, 12), "range": (0, 65535)}}]
    ):
        open_data(folder, **options)
        assert len(list(kept.iterdir())) == number + 2
    changes = rng.integers(0, 256, (10, 12, 3), np.uint8)
    save(changes, "photos/07.png")
    assert torch.equal(open_data(folder).batch([7])[0], torch.from_numpy(changes).permute(2, 0, 1))
    (folder / "07.png").rename(folder / "99.png")
    assert torch.equal(open_data(folder).batch([COUNT - 1])[0], torch.from_numpy(changes).permute(2, 0, 1))


def test_a_large_file_retouched_in_its_middle_is_decoded_again(save, rng) -> None:
    for name in ("a.bmp", "b.bmp"):
        path = save(rng.integers(0, 256, (300, 300, 3), np.uint8), f"large/{name}")
    before = open_data(path.parent)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)
    os.utime(path, ns=(0, 0))  # another time of its change, however coarse the clock of the file system
    after = open_data(path.parent)
    assert before.source["fingerprint"] == after.source["fingerprint"], "neither length nor ends have changed"
    assert not torch.equal(pixels(after), pixels(before))
    assert torch.equal(after.batch([1]), open_data(path).batch([0]))


def test_a_file_changed_since_the_opening_is_not_kept(folder: Path, save, monkeypatch, decodings) -> None:
    monkeypatch.setattr(base, "MEMORY_BUDGET", 100)
    data = open_data(folder)
    original = (folder / "03.png").read_bytes()
    status = (folder / "03.png").stat()
    expected = data.batch([2])
    save(np.zeros((10, 12, 3), np.uint8), "photos/03.png")
    assert data.batch([3]).max() == 0
    (folder / "03.png").write_bytes(original)
    os.utime(folder / "03.png", ns=(status.st_atime_ns, status.st_mtime_ns))
    decodings()
    again = open_data(folder)
    assert again.batch([3]).max() > 0
    assert torch.equal(again.batch([2]), expected)
    assert decodings() == 1


@pytest.mark.parametrize("seconds", [-(10**8), 10**10])
def test_files_of_another_century(folder: Path, held, decodings, seconds: int) -> None:
    """Before 1970, and after 2262, where 64 bits of nanoseconds end."""
    os.utime(folder / "03.png", (seconds, seconds))
    expected = pixels(open_data(folder))
    decodings()
    assert torch.equal(pixels(open_data(folder)), expected)
    assert decodings() == 0


def test_nor_are_rotten_bytes_believed_in_its_place(folder: Path, kept: Path, held, monkeypatch) -> None:
    expected = pixels(open_data(folder))
    (file,) = kept.iterdir()
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    monkeypatch.setattr(decoding, "is_unchanged", lambda path, seen: False)
    assert torch.equal(pixels(open_data(folder)), expected)


def test_broken_files_are_named_every_time(folder: Path, monkeypatch) -> None:
    (folder / "05.png").write_bytes((folder / "05.png").read_bytes()[:200])
    (folder / "06.png").write_text("hello")
    expected = uncached(folder, monkeypatch)
    for _ in range(3):
        data = open_data(folder)
        assert dict(data.skipped).keys() == {"05.png", "06.png"}
        assert "photos" not in dict(data.skipped)["05.png"]
        assert len(data) == len(data.names) == COUNT - 2
        assert torch.equal(pixels(data), expected)
        assert torch.equal(data.to("cpu").batch([6]), expected[[6]])


# -- bounded --


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


# -- whatever happens to it --


def one_note(caught) -> str:
    notes = [str(each.message) for each in caught if issubclass(each.category, Note)]
    assert len(notes) == 1, notes
    assert "\n" not in notes[0]
    return notes[0]


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


# -- in processes --


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


# -- what has changed --


def test_differences_are_reported_in_one_line(folder: Path, save, rng) -> None:
    before = open_data(folder)
    parts = record_parts(before, {"train": np.arange(20), "validation": np.arange(20, COUNT), "test": np.arange(0)})

    def said() -> str | None:
        return changed(open_data(folder), before.source, parts)

    assert said() is None
    original = (folder / "04.png").read_bytes()
    save(rng.integers(0, 256, (10, 12, 3), np.uint8), "photos/04.png")
    assert said() == "the contents of some file have changed"
    (folder / "04.png").write_bytes(b"spoiled")
    assert said() == "1 file is broken (04.png)"
    (folder / "04.png").unlink()
    assert said() == "1 file is gone (04.png)"
    for i in range(5):
        save(rng.integers(0, 256, (10, 12, 3), np.uint8), f"photos/new{i}.png")
    assert said() == "1 file is gone (04.png), 5 files are new (new0.png, new1.png, new2.png, …)"
    (folder / "04.png").write_bytes(original)
    for path in folder.glob("new*"):
        path.unlink()
    assert said() is None
    rows = open_data(np.zeros((5, 3), np.uint8))
    recorded = record_parts(rows, {"train": np.arange(5)})
    assert changed(open_data(np.ones((5, 3), np.uint8)), rows.source, recorded) == "its contents have changed"
