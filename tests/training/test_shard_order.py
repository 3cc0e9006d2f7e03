"""The order in shards: every item once, few shards at a time, to each rank its own, and the same batches for all."""

from __future__ import annotations

import csv
import io
import os
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

from isthmus import create, fit
from isthmus.data import Data, base, choose_parts, open_data, read_parts, record_parts, shards_of
from isthmus.data import shards as module
from isthmus.data.base import Numbered
from isthmus.data.shards import Shards
from isthmus.training import settle
from isthmus.training.batches import LANES, SHUFFLED, batches, order, shard_order
from isthmus.training.loop import Training
from isthmus.training.start import first_samples
from isthmus.verbs.show import show

RECIPE: dict[str, Any] = {"epochs": 2, "batch_size": 64, "device": "cpu", "quiet": True, "validation": 0.1, "test": 0.1}
# Uneven shards, as they are where somebody's tars are of a size in bytes: of most of them a last one is left over.
COUNTS = {
    "even": [16] * 128,
    "not a power of two": [7] * 100,
    "uneven": np.random.default_rng(0).integers(1, 40, 200).tolist(),
    "one giant": [1000, *[3] * 70],
    "fewer than lanes": [9, 2, 30, 5, 8],
    "two": [3, 3],
    "one": [50],
    "one item": [1],
}


def homes(counts: list[int]) -> np.ndarray:
    """The shard of each row."""
    return np.repeat(np.arange(len(counts)), counts)


def even_batches(counts: list[int], size: int) -> int:
    """Batches that certainly take the same from every lane: the shortest is short of the mean by a shard at most."""
    lanes = min(np.gcd(size, LANES), 2 ** int(np.log2(len(counts))))
    shortest = len(counts) // lanes * counts[0] if len(set(counts)) == 1 else sum(counts) / lanes - max(counts)
    return int(shortest // (size // lanes))


class Plain:
    """Items without files, which remember what was asked: item i is the number i, of which `starts` tells the shard."""

    dtype = torch.int64

    def __init__(self, counts: list[int]) -> None:
        self.starts = np.cumsum([0, *counts])[:-1]
        self.asked: list[np.ndarray] = []

    def read(self, indices: np.ndarray) -> torch.Tensor:
        self.asked.append(indices)
        return torch.from_numpy(indices)[:, None]


def plain(counts: list[int]) -> Data:
    total = sum(counts)
    return Data(Plain(counts), (1,), (0.0, 1.0), Numbered(range(total)))


def rank(number: int, of: int) -> Any:
    return SimpleNamespace(global_rank=number, world_size=of)


@pytest.fixture
def lazily(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is small enough to be held."""
    monkeypatch.setattr(base, "MEMORY_BUDGET", 0)


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """14 shards of 8×8 digits, of 5 to 18 pictures each, 161 in all."""
    folder = tmp_path_factory.mktemp("digits")
    pictures = iter((load_digits(return_X_y=True)[0].reshape(-1, 8, 8) * 15.9).astype(np.uint8))
    for shard in range(14):
        with tarfile.open(folder / f"{shard:03d}.tar", "w") as tar:
            for i in range(5 + shard):
                file = io.BytesIO()
                Image.fromarray(next(pictures)).save(file, "PNG")
                info = tarfile.TarInfo(f"{i}.png")
                info.size = file.tell()
                file.seek(0)
                tar.addfile(info, file)
    return folder


# -- the order --


@pytest.mark.parametrize("size", [1, 7, 50, 64, 128, 4096])
@pytest.mark.parametrize("counts", COUNTS.values(), ids=COUNTS)
def test_every_row_comes_once_an_epoch(counts: list[int], size: int) -> None:
    rows = shard_order(homes(counts), 0, 0, size)
    assert np.array_equal(np.sort(rows), np.arange(sum(counts)))


def test_the_order_follows_from_seed_and_epoch() -> None:
    shards = homes(COUNTS["uneven"])
    first = shard_order(shards, 3, 5, 64)
    assert np.array_equal(first, shard_order(shards, 3, 5, 64))
    others = [shard_order(shards, *other, 64) for other in ((3, 6), (4, 5), (5, 3))]
    assert not any(np.array_equal(first, other) for other in others)
    assert not np.array_equal(np.unique(shards[first[:640]]), np.unique(shards[others[0][:640]])), "other shards begin"


@pytest.mark.parametrize("size", [64, 128, 512])
@pytest.mark.parametrize("counts", [COUNTS["even"], COUNTS["uneven"], [20] * 1000], ids=["even", "uneven", "many"])
def test_few_shards_are_open_at_a_time(counts: list[int], size: int) -> None:
    """Open: its first row has come, and its last has not."""
    shards = homes(counts)
    even = even_batches(counts, size) * size
    assert even > len(shards) / 3
    seen = shards[shard_order(shards, 0, 0, size)]
    first, last = np.full(len(counts), len(shards)), np.zeros(len(counts), int)
    np.minimum.at(first, seen, np.arange(len(seen)))
    np.maximum.at(last, seen, np.arange(len(seen)))
    change = np.zeros(len(shards) + 1, int)
    np.add.at(change, first, 1)
    np.add.at(change, last + 1, -1)
    assert np.cumsum(change)[:even].max() <= LANES * SHUFFLED


@pytest.mark.parametrize("counts", [COUNTS["even"], COUNTS["uneven"]], ids=["even", "uneven"])
def test_a_batch_mixes_many_shards(counts: list[int]) -> None:
    shards = homes(counts)
    rows = shard_order(shards, 0, 0, 128)
    for first in range(0, even_batches(counts, 128) * 128, 128):
        assert len(np.unique(shards[rows[first : first + 128]])) >= LANES
    later = rows[:-1] < rows[1:]
    assert 0.4 < later.mean() < 0.6, "within a shard, too, the rows are shuffled"


@pytest.mark.parametrize("ranks", [2, 4, 32])
@pytest.mark.parametrize("counts", [COUNTS["even"], COUNTS["uneven"]], ids=["even", "uneven"])
def test_each_rank_reads_shards_of_its_own(counts: list[int], ranks: int, lazily: None) -> None:
    size = 64
    shards, rows = homes(counts), order(plain(counts), 0, 0, size)[: even_batches(counts, size) * size]
    read = []
    for number in range(ranks):
        data = plain(counts)
        list(batches(data, rows, size, rank(number, ranks)))
        read.append(set(shards[np.concatenate(data.items.asked)]))
    assert sum(map(len, read)) == len(set.union(*read)) >= len(counts) / 2


@pytest.mark.parametrize(
    ("name", "size"),
    [("uneven", 64), ("uneven", 50), ("fewer than lanes", 1), ("fewer than lanes", 6), ("one", 64), ("one item", 8)],
)
def test_the_batches_are_the_same_for_any_number_of_ranks(name: str, size: int, lazily: None) -> None:
    counts = COUNTS[name]
    rows = order(plain(counts), 1, 2, size)
    alone = list(batches(plain(counts), rows, size, rank(0, 1)))
    assert torch.equal(torch.cat([batch.sample.x for batch in alone])[:, 0], rows)
    for ranks in (2, 4):
        each = [list(batches(plain(counts), rows, size, rank(number, ranks))) for number in range(ranks)]
        assert {len(one) for one in each} == {len(alone)}, "every rank takes part in every step"
        for whole, parts in zip(alone, zip(*each, strict=True), strict=True):
            assert torch.equal(torch.cat([part.sample.x[: part.counted] for part in parts]), whole.sample.x)
            assert {part.total for part in parts} == {len(whole.sample.x)}
            assert all(len(part.sample.x) for part in parts), (
                "one for which nothing is left takes one that does not count"
            )


def test_in_memory_the_order_is_that_of_any_other_data(lazily: None, monkeypatch: pytest.MonkeyPatch) -> None:
    data = plain(COUNTS["uneven"])
    in_shards = order(data, 0, 0, 64)
    monkeypatch.setattr(base, "MEMORY_BUDGET", 2**30)
    anywhere = order(data, 0, 0, 64)
    assert torch.equal(anywhere, order(Data(torch.zeros(len(data), 1), (1,), (0.0, 1.0), data.names), 0, 0, 64))
    assert not torch.equal(anywhere, in_shards)


def test_a_tar_is_looked_through_once_an_epoch(tmp_path: Path, lazily: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """One process that has all lanes to itself keeps the places of the members of all shards that are open."""
    looked: list[int] = []
    told = [{"name": f"{i}.tar", "count": 8, "bytes": 1} for i in range(384)]
    monkeypatch.setattr(module, "members_of", lambda path: looked.append(int(path.stem)) or [("", 0, 0)] * 8)
    items = Shards(str(tmp_path), told)
    shards = homes([8] * 384)
    for rows in order(plain([8] * 384), 0, 0, 128).split(128):
        for number in np.unique(shards[rows]):
            items.members(int(number))
    assert sorted(looked) == list(range(384))


def test_before_the_first_step_few_shards_are_looked_into(tmp_path: Path, lazily: None) -> None:
    """A codebook starts from the first features: drawn from everywhere they would lie in every shard there is."""
    counts = [500] * 40
    data = plain(counts)
    model, options = create("undercomplete", shape=(1,), code=1), settle({}, {"device": "cpu"})
    training = Training(model, data, choose_parts(data), options, None, True)
    assert sum(len(sample.x) for sample in first_samples(training)) == 4096
    assert len(np.unique(homes(counts)[np.concatenate(data.items.asked)])) <= 10


def test_a_look_at_shards_looks_into_few(lazily: None) -> None:
    data = plain([500] * 40)
    data.shape = (1, 1, 1)
    assert show(data)[0]["items"] == 20_000
    assert len(np.unique(homes([500] * 40)[np.concatenate(data.items.asked)])) <= 5


def test_the_time_of_dealing_shards_is_linear_in_their_number() -> None:
    def seconds(count: int) -> float:
        began = time.process_time()
        shard_order(homes([2] * count), 0, 0, 64)
        return time.process_time() - began

    few = min(seconds(2_000) for _ in range(5))
    assert min(seconds(40_000) for _ in range(2)) < 100 * few  # 20 times the shards; 400 times the seconds if quadratic


# -- the parts --


@pytest.mark.parametrize(
    "counts", [COUNTS["even"], COUNTS["uneven"], COUNTS["one giant"]], ids=["even", "uneven", "giant"]
)
def test_parts_consist_of_complete_shards_and_are_written_short(counts: list[int]) -> None:
    data = plain(counts)
    parts = choose_parts(data, validation=0.1, test=0.05)
    assert np.array_equal(np.sort(np.concatenate(list(parts.values()))), np.arange(sum(counts)))
    shards = {part: set(homes(counts)[rows]) for part, rows in parts.items()}
    assert sum(map(len, shards.values())) == len(counts), "none is of two parts"
    assert len(shards["validation"]) == round(0.1 * len(counts))
    assert len(shards["test"]) == round(0.05 * len(counts))
    recorded = record_parts(data, parts)
    assert sum(map(len, recorded.values())) < 25 * len(counts)
    assert all(np.array_equal(parts[part], rows) for part, rows in read_parts(data, recorded).items())
    again = choose_parts(data, seed=1, validation=0.1, test=0.05)
    assert not np.array_equal(again["test"], parts["test"])


def test_a_part_is_learned_from_shard_by_shard(lazily: None) -> None:
    counts = COUNTS["uneven"]
    data = plain(counts)
    train = data.subset(choose_parts(data)["train"])
    shards = shards_of(train)
    assert np.array_equal(shards, homes(counts)[choose_parts(data)["train"]])
    rows = order(train, 0, 0, 64)
    assert np.array_equal(np.sort(rows), np.arange(len(train)))
    items = train.batch(rows[:64])[:, 0]
    assert set(homes(counts)[items]) <= set(shards)


@pytest.mark.parametrize(("shards", "of_whole"), [(9, False), (10, True)])
def test_ten_shards_or_more_are_split_by_shard(shards: int, of_whole: bool) -> None:
    counts = [30] * shards
    parts = choose_parts(plain(counts), validation=0.1, test=0.1)
    assert of_whole != bool(set(homes(counts)[parts["train"]]) & set(homes(counts)[parts["test"]]))


def test_of_few_shards_items_are_held_back() -> None:
    counts = [40, 40, 40]
    parts = choose_parts(plain(counts), validation=0.1, test=0.1)
    assert {part: len(rows) for part, rows in parts.items()} == {"train": 96, "validation": 12, "test": 12}
    assert set(homes(counts)[parts["train"]]) == {0, 1, 2}


# -- training --


def model() -> Any:
    return create("undercomplete", shape=(1, 8, 8), code=4)


def curve(history: list[dict[str, Any]]) -> list[dict[str, float]]:
    return [{key: float(value) for key, value in row.items() if key != "seconds"} for row in history]


def test_shards_read_as_they_are_needed_train_and_resume_to_the_bit(
    digits: Path, tmp_path: Path, lazily: None, one_thread: None
) -> None:
    whole = fit(model(), str(digits), **RECIPE | {"batch_size": 16})
    stop = {"step": lambda training: os.kill(os.getpid(), signal.SIGINT) if training.step == 11 else None}
    with pytest.raises(KeyboardInterrupt):
        fit(model(), str(digits), out=tmp_path / "run", callbacks=stop, **RECIPE | {"batch_size": 16})
    resumed = fit(model(), str(digits), out=tmp_path / "run", resume=True, **RECIPE | {"batch_size": 16})
    assert not whole.data.in_memory
    assert 11 % -(-len(whole.parts["train"]) // 16), "the stop is within an epoch"
    assert curve(resumed.history) == curve(whole.history)
    for ours, theirs in zip(resumed.model.parameters(), whole.model.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_from_the_disk_and_from_memory_hold_back_the_same(
    digits: Path, monkeypatch: pytest.MonkeyPatch, one_thread: None
) -> None:
    held = fit(model(), str(digits), **RECIPE | {"epochs": 1})
    monkeypatch.setattr(base, "MEMORY_BUDGET", 0)
    streamed = fit(model(), str(digits), **RECIPE | {"epochs": 1})
    assert {part: rows.tolist() for part, rows in held.parts.items()} == {
        part: rows.tolist() for part, rows in streamed.parts.items()
    }
    own = shards_of(open_data(str(digits)))
    assert own is not None
    assert not set(own[held.parts["train"]]) & set(own[held.parts["validation"]])


def test_two_processes_learn_from_shards_as_one_does(digits: Path, tmp_path: Path, lazily: None) -> None:
    driver = tmp_path / "driver.py"
    driver.write_text("from isthmus.data import base\nfrom isthmus.cli import main\nbase.MEMORY_BUDGET = 0\nmain()\n")
    arguments = ["train", "undercomplete", str(digits), "--out", str(tmp_path / "two"), "--code", "4"]
    arguments += ["--epochs", "2", "--batch-size", "64", "--device", "cpu", "--devices", "2", "--validation", "0.1"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run([sys.executable, driver, *arguments], env=environment, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr.decode()
    one = fit(model(), str(digits), **RECIPE)
    assert not one.data.in_memory
    with (tmp_path / "two" / "history.csv").open() as file:
        two = curve(list(csv.DictReader(file)))
    assert len(two) == len(one.history) == 2
    for ours, theirs in zip(two, curve(one.history), strict=True):
        assert ours == pytest.approx(theirs, rel=1e-5)
