"""Where a net that looks for marks is believed: in connected regions with enough pixels beyond doubt."""

from __future__ import annotations

import numpy as np

COVERED = 0.5  # likelier covered than not
AROUND = 0.3  # the probability from which on a pixel belongs to a region: letters have soft edges
SURE = 0.65  # the probability that EVIDENCE pixels of a region have to reach; benchmarks/restoring/harmless.py chose
EVIDENCE = 8  # pixels
THIN = 8  # pixels from the middle of a stroke to its edge; a coin or an eye is thicker, print and letters are not
DOUBT = 3.32  # power of the doubt that a thicker region may leave: 0.01 of 0.25
MOST = 0.6  # of a picture: what covers more is no mark on it, or nothing could be seen


def marks_in(odds: np.ndarray, sure: float = SURE) -> np.ndarray:
    """H×W bool, true in the marks, of the probability H×W that each pixel is covered.

    A region is made of neighboring pixels (eight each) above AROUND; it counts where at least EVIDENCE of them, or all
    of a smaller picture's pixels, reach `sure`, or 1 − (1 − sure)^DOUBT where it is thicker than THIN to each side:
    nature is full of round things, but not of thin lines that let it through.
    """
    from scipy import ndimage

    inside = odds > AROUND
    regions, count = ndimage.label(inside, np.ones((3, 3)))
    thick = np.bincount(regions[ndimage.distance_transform_cdt(inside) > THIN], minlength=count + 1) > 0
    some, more = (np.bincount(regions[odds >= least], minlength=count + 1) for least in (sure, 1 - (1 - sure) ** DOUBT))
    counts = np.where(thick, more, some) >= min(EVIDENCE, odds.size)
    counts[0] = False
    return np.asarray(counts[regions])
