"""The batches of a training: the order of an epoch, the rows of this rank, and reading ahead."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import pairwise
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from isthmus.data import Data, shards_of, skipping_corrupt
from isthmus.distributed import rank_rows
from isthmus.layers import seeded
from isthmus.types import Sample

if TYPE_CHECKING:
    from lightning_fabric import Fabric

AHEAD = 3  # batches that are read in advance
LANES = 64  # shards open at a time, over all ranks: a power of two, as the number of ranks usually is
SHUFFLED = 4  # shards of a lane that are shuffled together


class Batch(NamedTuple):
    """A Sample of stored values, or one that a worker has prepared. rows: its part of a global batch of `total` items.

    counted: the items that count. A rank without items gets one item that does not count, because it has to take part
    in the all-reduce.
    """

    sample: Sample
    rows: slice
    total: int
    counted: int

    def split(self, size: int) -> Iterator[Batch]:
        """The same in micro-batches of at most `size` items."""
        count = self.rows.stop - self.rows.start
        if count <= size:
            yield self
            return
        for first in range(0, count, size):
            part = slice(first, min(first + size, count))
            rows = slice(self.rows.start + part.start, self.rows.start + part.stop)
            yield Batch(self.sample.each(itemgetter(part)), rows, self.total, min(self.counted, part.stop - part.start))


def split_of(data: Data, rows: np.ndarray, device: torch.device | str) -> Data:
    """These items without those that cannot be read; on the device if the data fit in memory."""
    split = skipping_corrupt(data.subset(rows))
    return split.to(device) if data.in_memory else split


def order(data: Data, seed: int, epoch: int, size: int) -> Tensor:
    """The permutation of an epoch, which follows from (seed, epoch) alone; a few shards are open at a time."""
    shards = shards_of(data)
    if shards is None or data.in_memory:
        return torch.randperm(len(data), generator=seeded(seed * 1_000_003 + epoch))
    return torch.from_numpy(shard_order(shards, seed, epoch, size))


def shard_order(shards: np.ndarray, seed: int, epoch: int, size: int) -> np.ndarray:
    """Rows in an order that reads a few shards at a time. shards: the shard of each row, ascending.

    The shards are dealt to lanes; each lane shuffles SHUFFLED shards together, and each batch of `size` takes the same
    number from every lane, lane by lane. A rank takes consecutive rows of a batch, so it has lanes, and thereby shards,
    of its own, while the batches are the same for any number of ranks. The rest of longer lanes comes last.
    """
    random = np.random.RandomState((seed * 1_000_003 + epoch) % 2**32)
    edges = np.flatnonzero(np.diff(shards, prepend=-1, append=shards[-1] + 1))
    runs = [np.arange(first, stop) for first, stop in pairwise(edges)]
    lanes: list[list[np.ndarray]] = [[] for _ in range(min(math.gcd(size, LANES), 2 ** int(math.log2(len(runs)))))]
    held = np.zeros(len(lanes), np.int64)
    for number in random.permutation(len(runs)):
        lanes[held.argmin()].append(runs[number])
        held[held.argmin()] += len(runs[number])
    mixed = []
    for lane in lanes:
        groups = [np.concatenate(lane[first : first + SHUFFLED]) for first in range(0, len(lane), SHUFFLED)]
        mixed.append(np.concatenate([group[random.permutation(len(group))] for group in groups]))
    each = size // len(lanes)
    full = min(map(len, mixed)) // each
    even = np.stack([lane[: full * each].reshape(full, each) for lane in mixed], axis=1).reshape(-1)
    rest = np.concatenate([lane[full * each :] for lane in mixed])
    return np.concatenate([even, rest[random.permutation(len(rest))]])


def batches(data: Data, rows: Tensor, size: int, fabric: Fabric) -> Iterator[Batch]:
    """The share of this rank of each global batch of `size` rows."""

    def read(chosen: Tensor) -> Batch:
        mine = rank_rows(len(chosen), fabric)
        count = mine.stop - mine.start
        mine = mine if count else slice(0, 1)
        return Batch(data.sample(chosen[mine]), mine, len(chosen), count)

    chunks = rows.split(size)
    if data.in_memory:
        yield from map(read, chunks)
        return
    with ThreadPoolExecutor(1) as reader:
        coming: deque[Future[Batch]] = deque()
        try:
            for chosen in chunks:
                coming.append(reader.submit(read, chosen))
                if len(coming) > AHEAD:
                    yield coming.popleft().result()
            while coming:
                yield coming.popleft().result()
        finally:
            for future in coming:
                future.cancel()
