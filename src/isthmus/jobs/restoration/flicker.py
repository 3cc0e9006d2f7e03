"""A flicker metric of videos: change from frame to frame that is not motion."""

from __future__ import annotations

import math
from statistics import median

import numpy as np

from isthmus.media.bit_depth import full_range

BLOCK = 16
# The mean of |a − 2b + c| for independent noise of σ 1 in each frame.
OF_NOISE = math.sqrt(6) * math.sqrt(2 / math.pi)


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
