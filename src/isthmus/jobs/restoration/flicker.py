"""How much a film flickers: what changes from one frame to the next and back, and is no motion."""

from __future__ import annotations

import math
from statistics import median

import numpy as np

from isthmus.media.bit_depth import full_range

BLOCK = 16
# What the mean of |a − 2b + c| is for noise of σ 1 that is another in each frame.
OF_NOISE = math.sqrt(6) * math.sqrt(2 / math.pi)


class Flicker:
    """Takes the frames H×W×C of a film one by one; no more than two of them are kept."""

    def __init__(self) -> None:
        self.last: list[np.ndarray] = []
        self.seen: list[float] = []

    def add(self, pixels: np.ndarray, range: tuple[float, float] | None = None) -> None:
        """range: the numbers that are black and white; None: 0 and all that their type holds."""
        if self.last and self.last[-1].shape != pixels.shape:
            self.last = []
        if len(self.last) == 2:
            low, high = range or full_range(pixels.dtype)
            self.seen.append(unsteady(self.last[0], self.last[1], pixels) / ((high - low) or 1))
        self.last = [*self.last[-1:], pixels]

    def figure(self) -> float | None:
        """The median over the film, so that a few cuts do not count; None for fewer than three frames."""
        return median(self.seen) if self.seen else None


def unsteady(before: np.ndarray, now: np.ndarray, after: np.ndarray) -> float:
    """255 times σ of what flickers in three frames: |before − 2·now + after|, of which a steady change is no part.

    Its mean in each block of 16×16 pixels, and of the blocks the median: where less than half of the picture moves,
    that is a block that stands still. Scaled so that noise of σ 10, another in each frame, has flicker 10.
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
