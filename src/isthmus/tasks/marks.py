"""Where a net that looks for marks is believed: in connected regions with enough pixels beyond doubt."""

from __future__ import annotations

import numpy as np

COVERED = 0.5  # likelier covered than not
AROUND = 0.3  # the probability from which on a pixel belongs to a region: letters have soft edges
SURE = 0.97  # the probability that EVIDENCE pixels of a region have to reach; benchmarks/restoring/harmless.py chose
EVIDENCE = 8  # pixels
MOST = 0.6  # of a picture: what covers more is no mark on it, or nothing could be seen


def marks_in(odds: np.ndarray, sure: float = SURE) -> np.ndarray:
    """H×W bool, true in the marks, of the probability H×W that each pixel is covered.

    A region is made of neighboring pixels (eight each) above AROUND; it counts where at least EVIDENCE of them, or all
    of a smaller picture's pixels, reach `sure`.
    """
    from scipy import ndimage

    regions, count = ndimage.label(odds > AROUND, np.ones((3, 3)))
    evidence = np.bincount(regions[odds >= sure], minlength=count + 1)
    counts = evidence >= min(EVIDENCE, odds.size)
    counts[0] = False
    return np.asarray(counts[regions])
