"""The order of items in shards: a few shards at a time, the same for any number of ranks."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from helpers.shard_order import COUNTS, homes, plain

from isthmus import create
from isthmus.data import Data, base, choose_parts
from isthmus.data import shards as module
from isthmus.data.shards import Shards
from isthmus.training import settle
from isthmus.training.batches import LANES, SHUFFLED, batches, order, shard_order
from isthmus.training.loop import Training
from isthmus.training.start import first_samples
from isthmus.verbs.show import show


def even_batches(counts: list[int], size: int) -> int:
    """Batches that certainly take the same from every lane: the shortest is short of the mean by a shard at most."""
    lanes = min(np.gcd(size, LANES), 2 ** int(np.log2(len(counts))))
    shortest = len(counts) // lanes * counts[0] if len(set(counts)) == 1 else sum(counts) / lanes - max(counts)
    return int(shortest // (size // lanes))


def rank(number: int, of: int) -> Any:
    return SimpleNamespace(global_rank=number, world_size=of)


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
