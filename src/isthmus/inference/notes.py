"""Shows the first few notes of each kind, and then the number of the others."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from isthmus.errors import Note

MAX_OF_KIND = 3


class Notes:
    """Notes are of one kind if they differ only in file name and numbers; identical notes count once."""

    def __init__(self) -> None:
        self.texts: set[str] = set()
        self.kinds: Counter[str] = Counter()

    @contextmanager
    def caught(self) -> Iterator[None]:
        """Pass on the warnings raised inside, except notes of a kind that was already shown MAX_OF_KIND times."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", Note)
            try:
                yield
            finally:
                kept = list(caught)
        for one in kept:
            text = str(one.message)
            if not issubclass(one.category, Note):
                warnings.warn(one.message, one.category, stacklevel=4)
            elif text not in self.texts:
                self.texts.add(text)
                kind = re.sub(r"\d+", "#", text.partition(": ")[2] or text)
                self.kinds[kind] += 1
                if self.kinds[kind] <= MAX_OF_KIND:
                    warnings.warn(one.message, Note, stacklevel=4)

    def close(self) -> None:
        if hidden := sum(max(0, count - MAX_OF_KIND) for count in self.kinds.values()):
            warnings.warn(f"and {hidden} more such notes", Note, stacklevel=4)
