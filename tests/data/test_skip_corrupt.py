"""A picture that is broken is named; in a training the next one stands in, the same for all ranks and a resumed run."""

from __future__ import annotations

import io
import os
import shutil
import signal
import tarfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from isthmus import create, fit
from isthmus.data import Data, base, open_data, shards_of
from isthmus.data.skip_corrupt import NAMED, TRIES, CorruptFiles, skipping_corrupt
from isthmus.errors import BadInput, Note
from isthmus.training.batches import batches, order

COUNT, EACH = 60, 6  # pictures, of which row i has the value i everywhere; in a shard
BAD = (7, 20, 21, 22, 59)  # one in a shard, three in a row, and the last


@pytest.fixture(autouse=True)
def _lazily(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_thread: None) -> None:
    monkeypatch.setenv("ISTHMUS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(base, "MEMORY_BUDGET", 0)


def contents(bad: tuple[int, ...]) -> Iterator[tuple[str, bytes]]:
    for row in range(COUNT):
        file = io.BytesIO()
        Image.fromarray(np.full((8, 8), row, np.uint8)).save(file, "PNG")
        data = file.getvalue()
        yield f"{row:02d}.png", data[:45] + bytes(len(data) - 45) if row in bad else data  # the header is whole


def make(place: Path, kind: str, bad: tuple[int, ...] = BAD) -> Data:
    """A folder of pictures, or one of shards, with some broken ones; read as they are needed."""
    place.mkdir()
    members = list(contents(bad))
    if kind == "folder":
        for name, data in members:
            (place / name).write_bytes(data)
    else:
        for first in range(0, COUNT, EACH):
            with tarfile.open(place / f"{first:02d}.tar", "w") as tar:
                for name, data in members[first : first + EACH]:
                    info = tarfile.TarInfo(name)
                    info.size = len(data)
                    tar.addfile(info, io.BytesIO(data))
    return open_data(place)


@pytest.fixture(params=["folder", "shards"])
def data(request: pytest.FixtureRequest, tmp_path: Path) -> Data:
    return make(tmp_path / "set", request.param)


def values(items: torch.Tensor) -> list[int]:
    return items[:, 0, 0, 0].tolist()


@contextmanager
def notes() -> Iterator[list[str]]:
    told: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield told
    told += [str(each.message) for each in caught if issubclass(each.category, Note)]


def stood_in(row: int) -> int:
    """The row that is read for `row` where all are asked for."""
    while row % COUNT in BAD:
        row += 1
    return row % COUNT


def test_all_corrupt_items_of_a_batch_are_counted_and_the_first_named(data: Data) -> None:
    with pytest.raises(CorruptFiles, match=r"21\.png: broken picture") as error:
        data.batch([3, 21, 4, 7])
    assert error.value.reasons.keys() == {1, 3}
    assert "\n" not in str(error.value)
    assert isinstance(error.value, BadInput)


def test_the_next_one_stands_in_and_each_is_named_once(data: Data) -> None:
    whole = skipping_corrupt(data)
    with notes() as told:
        assert values(whole.batch([19, 20, 8, 21, 7])) == [19, 23, 8, 23, 8]
        for rows in np.random.default_rng(0).permutation(COUNT).reshape(6, 10):
            assert values(whole.batch(rows)) == [stood_in(row) for row in rows]
        assert values(whole.batch(np.arange(COUNT))) == [stood_in(row) for row in range(COUNT)]
    assert len(told) == len(BAD)
    for line, row in zip(sorted(told), BAD, strict=True):
        assert f"{row:02d}.png: broken picture (" in line
        assert line.endswith("; the next picture replaces it")
        assert "\n" not in line
    assert (len(whole), whole.shape, whole.dtype, whole.names[0]) == (COUNT, data.shape, data.dtype, data.names[0])


def test_it_is_one_of_the_same_part(data: Data) -> None:
    """What is held back is not read by the back door."""
    part = skipping_corrupt(data.subset([2, 7, 19, 20, 22, 30, 59]))
    with notes() as told:
        assert values(part.batch(np.arange(7))) == [2, 19, 19, 30, 30, 30, 2]
        assert values(part.subset([1, 6]).batch([1, 0])) == [2, 19]
    assert len(told) == 4
    with notes() as told:
        skipping_corrupt(data.subset(np.arange(30))).batch(np.arange(30))
    assert [line.partition(".png")[0][-2:] for line in told] == ["21"], "another part names what is not named yet"


def test_replacements_do_not_depend_on_earlier_batches(data: Data) -> None:
    one, other, rows = skipping_corrupt(data), skipping_corrupt(data), np.random.default_rng(1).permutation(COUNT)
    with notes():
        a = torch.cat([one.batch(rows[first : first + 7]) for first in range(0, COUNT, 7)])
        b = torch.cat([other.batch([row]) for row in reversed(rows)])
    assert torch.equal(a, b.flip(0))


def test_sets_without_broken_pictures_are_as_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in ("folder", "shards"):
        data = make(tmp_path / kind, kind, bad=())
        with notes() as told:
            assert torch.equal(skipping_corrupt(data).batch(np.arange(COUNT)), data.batch(np.arange(COUNT)))
        assert not told
        ours, theirs = shards_of(skipping_corrupt(data)), shards_of(data)
        assert (ours is None and theirs is None) if kind == "folder" else np.array_equal(ours, theirs)
    monkeypatch.setattr(base, "MEMORY_BUDGET", 2**30)
    held = open_data(np.zeros((4, 1, 8, 8), np.uint8))
    assert skipping_corrupt(held) is held


def test_a_whole_shard_that_is_gone_is_no_broken_picture(tmp_path: Path) -> None:
    data = skipping_corrupt(make(tmp_path / "set", "shards"))
    (tmp_path / "set" / "24.tar").unlink()
    with pytest.raises(BadInput, match=r"24\.tar: ") as error:
        data.batch([1, 25])
    assert not isinstance(error.value, CorruptFiles)


def test_a_disk_that_is_gone_ends_it_with_one_line(tmp_path: Path) -> None:
    data = skipping_corrupt(make(tmp_path / "set", "folder"))
    shutil.rmtree(tmp_path / "set")
    with notes() as told, pytest.raises(BadInput, match=r"cannot be read \(no such file"):
        data.batch([1, 25])
    assert not told


@pytest.mark.parametrize("many", [TRIES - 1, TRIES])
def test_so_many_in_a_row_and_no_more(tmp_path: Path, many: int) -> None:
    data = skipping_corrupt(make(tmp_path / "set", "folder", bad=tuple(range(10, 10 + many))))
    with notes() as told:
        if many < TRIES:
            assert values(data.batch([10, 3])) == [10 + many, 3]
        else:
            with pytest.raises(BadInput, match=r"\.png: broken"):
                data.batch([10, 3])
    assert len(told) == (many < TRIES)


def test_of_many_the_first_are_named(tmp_path: Path) -> None:
    bad = tuple(range(1, COUNT, 2))
    data = skipping_corrupt(make(tmp_path / "set", "shards", bad=bad))
    with notes() as told:
        data.batch(np.arange(COUNT))
    assert len(told) == NAMED + 1 < len(bad)
    assert told[-1] == "more pictures cannot be read, and are not named"


def test_shards_open_though_a_picture_that_is_looked_at_is_broken(tmp_path: Path) -> None:
    assert make(tmp_path / "some", "shards", bad=(0, 3)).shape == (1, 8, 8)
    with pytest.raises(BadInput, match=r"00\.tar/00\.png: broken picture .*, and 5 more$") as error:
        make(tmp_path / "all", "shards", bad=tuple(range(COUNT)))
    assert "\n" not in str(error.value)


# -- in a training --

HOW: dict[str, Any] = {"epochs": 3, "batch_size": 8, "device": "cpu", "quiet": True, "validation": 0.1, "test": 0.1}


def weights(run: Any) -> list[torch.Tensor]:
    return list(run.model.state_dict().values())


def model() -> Any:
    return create("undercomplete", shape=(1, 8, 8), code=2)


def test_a_training_survives_and_resumes_to_the_bit(data: Data, tmp_path: Path) -> None:
    with notes() as told:
        whole = fit(model(), data, **HOW)
    assert 0 < len(set(told)) == len(told) <= len(BAD)
    stop = {"step": lambda training: os.kill(os.getpid(), signal.SIGINT) if training.step == 9 else None}
    with notes():
        with pytest.raises(KeyboardInterrupt):
            fit(model(), data, out=tmp_path / "run", callbacks=stop, **HOW)
        resumed = fit(model(), data, out=tmp_path / "run", resume=True, **HOW)
    assert all(torch.equal(a, b) for a, b in zip(weights(whole), weights(resumed), strict=True))


def test_any_number_of_ranks_sees_the_same(data: Data) -> None:
    rows = order(data, 0, 0, 8)

    def seen(number: int, of: int) -> list[torch.Tensor]:
        fabric: Any = SimpleNamespace(global_rank=number, world_size=of)
        return [batch.sample.x[: batch.counted] for batch in batches(skipping_corrupt(data), rows, 8, fabric)]

    with notes():
        alone, *ranks = seen(0, 1), seen(0, 2), seen(1, 2)
    for whole, *parts in zip(alone, *ranks, strict=True):
        assert torch.equal(whole, torch.cat(parts))


def test_data_in_memory_have_replacements_too(data: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "MEMORY_BUDGET", 2**30)
    with notes() as told:
        assert values(skipping_corrupt(data).to("cpu").items) == [stood_in(row) for row in range(COUNT)]
    assert len(told) == len(BAD)


def test_tries_are_few_reads(data: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    """One broken picture costs its batch one more reading, once."""
    reads, read = [], type(data.items).read
    monkeypatch.setattr(type(data.items), "read", lambda self, rows: reads.append(len(rows)) or read(self, rows))
    part = skipping_corrupt(data)
    with notes():
        for _ in range(3):
            part.batch(np.arange(5, 15))
    assert reads == [10] * 4
