"""Conformal thresholds from a calibration set, and confidence intervals of their false-positive rate."""

from __future__ import annotations

import math

from torch import Tensor

CONFIDENCE = 0.95  # of all intervals


def conformal_threshold(values: Tensor, fpr: float) -> float:
    """The smallest of the sorted scores of n normal items that one more normal item exceeds with probability ≤ `fpr`.

    That is the ⌈(n + 1)(1 − fpr)⌉-th (Vovk et al. 2005), for any distribution, provided that the scoring rule was fixed
    without these items. Where n + 1 < 1 / fpr it is the highest score, exceeded with probability 1 / (n + 1).
    """
    count = len(values)
    return float(values[min(math.ceil((count + 1) * (1 - fpr) - 1e-9), count) - 1])


def threshold_interval(above: int, count: int) -> tuple[float, float]:
    """The interval of the false-positive rate of a threshold that `above` of `count` calibration scores exceed.

    Over redraws of the calibration set that rate is distributed as Beta(above + 1, count − above), exactly.
    """
    from scipy.stats import beta

    low, high = beta.ppf([(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2], above + 1, count - above)
    return float(low), float(high)


def binomial_interval(hits: int, count: int) -> tuple[float, float]:
    """The interval of a rate estimated from `hits` in `count` independent items (Clopper & Pearson 1934)."""
    from scipy.stats import beta

    low = float(beta.ppf((1 - CONFIDENCE) / 2, hits, count - hits + 1)) if hits else 0.0
    high = float(beta.ppf((1 + CONFIDENCE) / 2, hits + 1, count - hits)) if hits < count else 1.0
    return low, high
