"""Which items a step sees: the order of an epoch, this rank's rows of each batch, and the next ones read ahead."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from isthmus.data import Data
from isthmus.layers import seeded
from isthmus.machines import share

if TYPE_CHECKING:
    from lightning_fabric import Fabric

AHEAD = 3  # batches read while the one before is learned from


class Batch(NamedTuple):
    """Items as they are stored, n×shape; `rows` are their places in a global batch of `total`; `counted` of them count.

    A rank for which nothing is left takes one item that counts for nothing, because it has to take part in the sums.
    """

    items: Tensor
    rows: slice
    total: int
    counted: int

    def split(self, size: int) -> Iterator[Batch]:
        """The same in micro-batches of at most `size` items."""
        for first in range(0, len(self.items), size):
            items = self.items[first : first + size]
            start = self.rows.start + first
            yield Batch(items, slice(start, start + len(items)), self.total, min(self.counted, len(items)))


def order(seed: int, epoch: int, count: int) -> Tensor:
    """The permutation of an epoch, which follows from (seed, epoch) alone."""
    return torch.randperm(count, generator=seeded(seed * 1_000_003 + epoch))


def batches(data: Data, rows: Tensor, size: int, fabric: Fabric) -> Iterator[Batch]:
    """Global batches of `size` rows in turn, of each the share of this rank."""

    def read(chosen: Tensor) -> Batch:
        mine = share(len(chosen), fabric)
        count = mine.stop - mine.start
        mine = mine if count else slice(0, 1)
        return Batch(data.batch(chosen[mine]), mine, len(chosen), count)

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
