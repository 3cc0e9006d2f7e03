"""The notes of many pictures: of each kind the first few are passed on, and at the end the number of the others."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from isthmus.errors import Note

FEW = 3


class Notes:
    """Two notes are of one kind where they differ in a file's name and in numbers alone; equal ones count once."""

    def __init__(self) -> None:
        self.texts: set[str] = set()
        self.kinds: Counter[str] = Counter()

    @contextmanager
    def caught(self) -> Iterator[None]:
        """Of the warnings that come up inside, those of a kind that has been noted often are held back."""
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always", Note)
            try:
                yield
            finally:
                kept = list(found)
        for one in kept:
            text = str(one.message)
            if not issubclass(one.category, Note):
                warnings.warn(one.message, one.category, stacklevel=4)
            elif text not in self.texts:
                self.texts.add(text)
                kind = re.sub(r"\d+", "#", text.partition(": ")[2] or text)
                self.kinds[kind] += 1
                if self.kinds[kind] <= FEW:
                    warnings.warn(one.message, Note, stacklevel=4)

    def close(self) -> None:
        if more := sum(max(0, count - FEW) for count in self.kinds.values()):
            warnings.warn(f"and {more} more such notes", Note, stacklevel=4)
