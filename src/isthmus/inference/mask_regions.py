"""Watermark masks from predicted probabilities: connected regions with enough pixels of high probability."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

COVERED = 0.5  # probability above which a pixel counts as covered
REGION_PROBABILITY = 0.3  # of each pixel of a region; low, because letters have soft edges
MIN_PROBABILITY = 0.7  # of MIN_PIXELS pixels of a region; chosen by benchmarks/restoring/harmless.py
MIN_PIXELS = 8
MAX_HALF_WIDTH = 8  # pixels from the middle of a stroke to its edge; coins and eyes are thicker, print is not
THICK_POWER = 3.32  # thicker regions need probability 1 − (1 − p)^3.32: 0.99 instead of 0.75
MAX_SHARE = 0.6  # of an image: a larger mask is a mistake, since a watermark leaves the image visible


def watermark_regions(probability: np.ndarray, sure: float = MIN_PROBABILITY) -> np.ndarray:
    """The watermark mask H×W bool, given the probability H×W that each pixel is covered.

    Regions are 8-connected pixels above REGION_PROBABILITY. A region counts if MIN_PIXELS of its pixels (or all pixels
    of a smaller image) reach `sure`; if its half width exceeds MAX_HALF_WIDTH, they must reach
    1 − (1 − sure)^THICK_POWER, because natural images have many round objects but few thin transparent lines.
    """
    import numpy as np  # not above: `isthmus --help` imports this module for MIN_PROBABILITY
    from scipy import ndimage

    inside = probability > REGION_PROBABILITY
    regions, count = ndimage.label(inside, np.ones((3, 3)))
    thick = np.bincount(regions[ndimage.distance_transform_cdt(inside) > MAX_HALF_WIDTH], minlength=count + 1) > 0
    limits = (sure, 1 - (1 - sure) ** THICK_POWER)
    likely, certain = (np.bincount(regions[probability >= limit], minlength=count + 1) for limit in limits)
    counts = np.where(thick, certain, likely) >= min(MIN_PIXELS, probability.size)
    counts[0] = False
    return np.asarray(counts[regions])
