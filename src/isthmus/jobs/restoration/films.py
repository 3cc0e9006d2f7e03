"""Restoration of videos: one model for all frames, the ground truth of frames, and the measurement of flicker."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from isthmus.errors import BadInput
from isthmus.inference.result import Apply, Result
from isthmus.jobs.restoration.options import RestoreFn, RestoreOptions
from isthmus.jobs.restoration.scores import restore_and_score
from isthmus.media.bit_depth import full_range
from isthmus.media.photo import Photo
from isthmus.media.video.base import Film
from isthmus.media.video.open import open_video

BLOCK = 16
# The mean of |a − 2b + c| for independent noise of σ 1 in each frame.
OF_NOISE = math.sqrt(6) * math.sqrt(2 / math.pi)


@contextmanager
def restoring_film(
    film: Film,
    name: str,
    restore: RestoreFn,
    options: RestoreOptions,
    context: Callable[[Film], AbstractContextManager[None]],
) -> Iterator[tuple[Apply, Callable[[], dict[str, Any]]]]:
    """Yield the restoration of its frames, and a function that returns their flicker. context: entered meanwhile."""
    truths, range = _truth_frames(options.get("truth"), name), film.range()
    flicker = {"flicker_before": Flicker(), "flicker_after": Flicker()}

    def apply(photo: Photo, frame: str) -> Result:
        truth = None
        if truths is not None and (truth := next(truths, None)) is None:
            raise BadInput(f"{frame}: the truth has fewer frames")
        result = restore_and_score(restore, photo, frame, {**options, "side_by_side": False}, lambda name: truth)
        flicker["flicker_before"].add(photo.pixels, range)
        flicker["flicker_after"].add(result.image.pixels, range)
        return result

    def figures() -> dict[str, Any]:
        return {key: figure for key, one in flicker.items() if (figure := one.figure()) is not None}

    with context(film):
        yield apply, figures


def _truth_frames(truth: Any, name: str) -> Iterator[Photo] | None:
    """The frames of the ground truth: a video, or the video of that name in a folder."""
    if truth is None:
        return None
    if not isinstance(truth, (str, Path)):
        raise BadInput("the truth of a video must be the path of a video")
    path = Path(truth) / name if Path(truth).is_dir() else Path(truth)
    return (frame.photo for frame in open_video(path).frames())


class Flicker:
    """Accumulates the frames H×W×C of a video; keeps only the last two."""

    def __init__(self) -> None:
        self.previous: list[np.ndarray] = []
        self.values: list[float] = []

    def add(self, pixels: np.ndarray, range: tuple[float, float] | None = None) -> None:
        """range: the values of black and white; None: the range of the dtype."""
        if self.previous and self.previous[-1].shape != pixels.shape:
            self.previous = []
        if len(self.previous) == 2:
            low, high = range or full_range(pixels.dtype)
            self.values.append(flicker_of(self.previous[0], self.previous[1], pixels) / ((high - low) or 1))
        self.previous = [*self.previous[-1:], pixels]

    def figure(self) -> float | None:
        """The median over the video, robust to cuts; None for fewer than three frames."""
        return median(self.values) if self.values else None


def flicker_of(before: np.ndarray, now: np.ndarray, after: np.ndarray) -> float:
    """255 times the σ of flicker in three frames, from |before − 2·now + after|, which cancels steady change.

    The median over 16×16 blocks of the block means: if less than half of the image moves, that is a static block.
    Scaled so that independent noise of σ 10 in each frame has flicker 10.
    """
    height, width, _ = now.shape
    down, across = min(BLOCK, height), min(BLOCK, width)
    blocks: list[float] = []
    for top in range(0, height - down + 1, down):
        a, b, c = (
            part[top : top + down, : width // across * across].astype(np.float32) for part in (before, now, after)
        )
        change = np.abs(a - 2 * b + c).mean((0, 2))
        blocks += change.reshape(-1, across).mean(1).tolist()
    return median(blocks) / OF_NOISE * 255
