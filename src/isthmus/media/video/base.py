"""What every kind of film has in common: frames one after another, and a place to put what becomes of them."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

from isthmus.errors import BadInput, Note
from isthmus.media.bit_depth import full_range
from isthmus.media.image_file import Photo


@dataclass(frozen=True)
class Frame:
    """A picture of a film. start and duration count in the film's own unit of time; 0 where it knows none."""

    photo: Photo
    start: int = 0
    duration: int = 0
    beside: Any = None  # what else the file says of it, for the writer of its kind


WriteFrame = Callable[[Photo, Frame], None]


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

    def ranged(self) -> Iterator[Frame]:
        """`frames`, each with the numbers that are black and white in all of them."""
        own = self.range()
        for frame in self.frames():
            yield replace(frame, photo=frame.photo.replace(range=own or full_range(frame.photo.pixels.dtype)))

    def spread(self, count: int) -> list[Photo]:
        """The pictures of up to `count` frames, spread evenly over the film; damage of frames is not told here.

        Raises BadInput where there is none.
        """
        places = {(2 * number + 1) * self.count // (2 * count) for number in range(count)}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Note)
            wanted = islice(self.ranged(), max(places) + 1)
            some = [frame.photo for place, frame in enumerate(wanted) if place in places]
        if not some:
            raise BadInput(f"{self.path}: holds no frames that can be read")
        return some

    def range(self) -> tuple[float, float] | None:
        """The numbers that are black and white in all frames; None: 0 and all that their whole numbers hold."""
        return None

    @abstractmethod
    def writing(self, place: Path, suffix: str) -> AbstractContextManager[WriteFrame]:
        """Write a film like this one to `place`: call what is yielded with each picture and the frame it was."""
