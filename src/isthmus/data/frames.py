"""What every kind of film has in common: frames one after another, and a place to put what becomes of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from isthmus.data.photo import Photo


@dataclass(frozen=True)
class Frame:
    """A picture of a film. start and duration count in the film's own unit of time; 0 where it knows none."""

    photo: Photo
    start: int = 0
    duration: int = 0
    beside: Any = None  # what else the file says of it, for the writer of its kind


Put = Callable[[Photo, Frame], None]


class Film(ABC):
    """A film file, looked through once but not decoded: path, and count, of its frames.

    Raises BadInput, naming the file, for one that cannot be read, or that ends before its end.
    """

    suffixes: ClassVar[tuple[str, ...]]  # what it can be written as
    path: Path
    count: int

    @abstractmethod
    def frames(self) -> Iterator[Frame]:
        """All of them, in order, upright; no more than a few are in memory."""

    def range(self) -> tuple[float, float] | None:
        """The numbers that are black and white in all frames; None: 0 and all that their whole numbers hold."""
        return None

    @abstractmethod
    def writing(self, place: Path, suffix: str) -> AbstractContextManager[Put]:
        """Write a film like this one to `place`: call what is yielded with each picture and the frame it was."""
