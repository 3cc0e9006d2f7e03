"""Film, the base class of all files of several frames: read frame by frame, written frame by frame."""

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
from isthmus.media.photo import Photo


@dataclass(frozen=True)
class Frame:
    """A frame of a video. start and duration are in the time unit of the video; 0 if it has none."""

    photo: Photo
    start: int = 0
    duration: int = 0
    properties: Any = None  # further properties, for the writer of the same kind of film


WriteFrame = Callable[[Photo, Frame], None]


class Film(ABC):
    """A film file, opened and its frames counted, but not decoded.

    Raises BadInput, naming the file, if it cannot be read or is truncated.
    """

    suffixes: ClassVar[tuple[str, ...]]  # formats that it can be written in
    path: Path
    count: int

    @abstractmethod
    def frames(self) -> Iterator[Frame]:
        """All frames in order, upright; only a few are in memory at a time."""

    def ranged(self) -> Iterator[Frame]:
        """`frames`, each with the range (black, white) of the video."""
        own = self.range()
        for frame in self.frames():
            yield replace(frame, photo=frame.photo.replace(range=own or full_range(frame.photo.pixels.dtype)))

    def sample_frames(self, count: int) -> list[Photo]:
        """Up to `count` frames, evenly spaced; without notes about damaged frames.

        Raises BadInput if no frame can be read.
        """
        numbers = {(2 * number + 1) * self.count // (2 * count) for number in range(count)}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Note)
            frames = islice(self.ranged(), max(numbers) + 1)
            photos = [frame.photo for number, frame in enumerate(frames) if number in numbers]
        if not photos:
            raise BadInput(f"{self.path}: holds no frames that can be read")
        return photos

    def range(self) -> tuple[float, float] | None:
        """(black, white) of all frames; None: the full range of their integers."""
        return None

    @abstractmethod
    def writing(self, path: Path, suffix: str) -> AbstractContextManager[WriteFrame]:
        """Write a video like this one to `path`; yields a function to call with each new photo and its source frame."""
