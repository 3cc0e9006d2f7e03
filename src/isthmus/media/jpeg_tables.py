"""Quantization tables of JPEG (ITU-T T.81, annex K), and the quality of a table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

LUMA_TABLE = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ]
)
CHROMA_TABLE = np.full((8, 8), 99)
CHROMA_TABLE[:4, :4] = [[17, 18, 24, 47], [18, 21, 26, 66], [24, 26, 56, 99], [47, 66, 99, 99]]


def table(quality: int, base: np.ndarray) -> np.ndarray:
    """8×8 steps at a quality of 1 to 100, as libjpeg scales them."""
    percent = 5000 // quality if quality < 50 else 200 - 2 * quality
    return ((base * percent + 50) // 100).clip(1, 255)


def quality_of(steps: Sequence[int]) -> int:
    """The quality of 1 to 100 whose luma table has the mean nearest to the mean of these 64 steps, in any order."""
    means = [table(quality, LUMA_TABLE).mean() for quality in range(1, 101)]
    return 1 + int(np.abs(np.array(means) - np.mean(steps)).argmin())
