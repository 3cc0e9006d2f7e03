"""Reports corrupt images of a batch; in a training replaces each by the next intact image."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from torch import Tensor

from isthmus.data.base import Data, Read
from isthmus.data.parallel import in_threads
from isthmus.errors import BadInput, Note

TRIES = 16  # corrupt images in a row after which the error is raised: the cause is then not single files
NAMED = 20  # maximum number of corrupt images named in notes


class CorruptFiles(BadInput):
    """Images that cannot be read; reasons: by their position in the request. The message is the first reason."""

    def __init__(self, reasons: Mapping[int, str]) -> None:
        super().__init__(reasons[min(reasons)])
        self.reasons = reasons


def decode_each(decode: Callable[[int], None], positions: Sequence[int]) -> None:
    """Call `decode` with each position, in threads. Raises CorruptFiles with all positions that raised BadInput."""

    def attempt(position: int) -> str:
        try:
            decode(position)
        except BadInput as error:
            return str(error)
        return ""

    results = zip(positions, in_threads(attempt, positions), strict=True)
    if reasons := {position: reason for position, reason in results if reason}:
        raise CorruptFiles(reasons)


def skipping_corrupt(data: Data) -> Data:
    """The same set, with each unreadable image replaced by the next one and named once in a Note.

    For a training, which should not end for one image of millions. The next image is taken from this set, so pass the
    training split: no image of another part is read. The choice depends on the files only, so all ranks and a resumed
    run make the same one. If TRIES images in a row cannot be read, BadInput is raised.
    """
    sets = [data, *data.further.values()]
    lazy = next((each.items for each in sets if not isinstance(each.items, Tensor)), None)
    if lazy is None:
        return data
    named: set[int] = vars(lazy).setdefault("named", set())  # shared by the parts of a set
    return replace(data, skip=Replacements(range(len(data)) if data.rows is None else data.rows, named))


class Replacements:
    """Reads `rows` (ascending) of a set, with a replacement for each unreadable one. named: the rows named in Notes."""

    def __init__(self, rows: np.ndarray | range, named: set[int]) -> None:
        self.rows, self.named = rows, named
        self.replacement: dict[int, int] = {}  # row that is read in place of a corrupt one

    def __call__(self, read: Read, indices: Any) -> dict[str, Tensor]:
        """read(indices). Raises BadInput if the replacements cannot be read either."""
        indices = np.asarray(indices.cpu() if isinstance(indices, Tensor) else indices)
        reasons: dict[int, str] = {}
        for _ in range(TRIES):
            rows = indices
            if self.replacement:
                rows = np.array([self.replacement.get(row, row) for row in indices.tolist()], np.int64)
            try:
                fields = read(rows)
            except CorruptFiles as error:
                last = error
                for position, reason in error.reasons.items():
                    row = int(indices[position])
                    if row not in self.replacement:
                        reasons[row] = reason
                    self.replacement[row] = self.after(int(rows[position]))
            else:
                self.report(reasons)
                return fields
        raise last

    def after(self, row: int) -> int:
        """The next row, cyclically."""
        index = row if isinstance(self.rows, range) else int(np.searchsorted(self.rows, row))
        return int(self.rows[(index + 1) % len(self.rows)])

    def report(self, reasons: Mapping[int, str]) -> None:
        """Name corrupt images in Notes; called once replacements are read, as otherwise files are not the cause."""
        for row in sorted(reasons.keys() - self.named):
            self.named.add(row)
            if len(self.named) <= NAMED:
                warnings.warn(f"{reasons[row]}; the next picture replaces it", Note, stacklevel=2)
            elif len(self.named) == NAMED + 1:
                warnings.warn("more pictures cannot be read, and are not named", Note, stacklevel=2)
