"""Pictures that turn out to be broken when they are read: all of a batch are named; in a training others stand in."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from isthmus.data.base import Data, LazyArray
from isthmus.data.parallel import in_threads
from isthmus.errors import BadInput, Note

TRIES = 16  # pictures in a row that are broken: then it is not they that are broken
NAMED = 20  # of more it is only said that there are more


class CorruptFiles(BadInput):
    """Pictures that cannot be read: why, by their position in what was asked for. Its one line is of the first."""

    def __init__(self, reasons: Mapping[int, str]) -> None:
        super().__init__(reasons[min(reasons)])
        self.reasons = reasons


def decode_each(decode: Callable[[int], None], positions: Sequence[int]) -> None:
    """Call `decode` with each position, in threads. Raises Broken with all for which it raised BadInput."""

    def attempt(position: int) -> str:
        try:
            decode(position)
        except BadInput as error:
            return str(error)
        return ""

    told = zip(positions, in_threads(attempt, positions), strict=True)
    if reasons := {position: reason for position, reason in told if reason}:
        raise CorruptFiles(reasons)


def skipping_corrupt(data: Data) -> Data:
    """The same set, in which the next picture stands in for one that cannot be read, which is named once (a Note).

    For a training, which should not end for one picture of millions. It is the next one of this set, so give it the
    part that is learned from: nothing of another part is read. It follows from the files alone, so that all ranks and
    a resumed run have the same. Where TRIES pictures in a row cannot be read, BadInput is raised as ever.
    """
    if isinstance(data.items, Tensor):
        return data
    return replace(data, items=StandIns(data.items, range(len(data)) if data.rows is None else data.rows))


class StandIns:
    """Lazy items, of which those at `rows`, ascending, are asked for."""

    def __init__(self, items: LazyArray, rows: np.ndarray | range) -> None:
        self.items, self.rows = items, rows
        self.instead: dict[int, int] = {}  # which row is read for one that is broken
        self.named: set[int] = vars(items).setdefault("named", set())  # by any part of the set
        if hasattr(items, "starts"):
            self.starts = items.starts  # by which others know that it is of shards

    @property
    def dtype(self) -> torch.dtype:
        return self.items.dtype

    def read(self, indices: np.ndarray) -> Tensor:
        """N×shape. Raises BadInput where the stand-ins cannot be read either."""
        found: dict[int, str] = {}
        for _ in range(TRIES):
            rows = indices
            if self.instead:
                rows = np.array([self.instead.get(row, row) for row in indices.tolist()], np.int64)
            try:
                items = self.items.read(rows)
            except CorruptFiles as error:
                last = error
                for position, reason in error.reasons.items():
                    row = int(indices[position])
                    if row not in self.instead:
                        found[row] = reason
                    self.instead[row] = self.after(int(rows[position]))
            else:
                self.name(found)
                return items
        raise last

    def after(self, row: int) -> int:
        """The next row, and after the last one the first."""
        place = row if isinstance(self.rows, range) else int(np.searchsorted(self.rows, row))
        return int(self.rows[(place + 1) % len(self.rows)])

    def name(self, found: Mapping[int, str]) -> None:
        """Only when others could be read: where none can, it is not the pictures that are broken."""
        for row in sorted(found.keys() - self.named):
            self.named.add(row)
            if len(self.named) <= NAMED:
                warnings.warn(f"{found[row]}; the next picture stands in for it", Note, stacklevel=2)
            elif len(self.named) == NAMED + 1:
                warnings.warn("more pictures cannot be read, and are not named", Note, stacklevel=2)
