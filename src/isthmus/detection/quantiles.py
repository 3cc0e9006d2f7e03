"""What a calibration set tells of the false-positive rate of a threshold: the promise, and its uncertainty."""

from __future__ import annotations

import math

from torch import Tensor

SURE = 0.95  # of all intervals


def exceeded_by(values: Tensor, share: float) -> float:
    """The one of the sorted scores of n normal items that one more normal item exceeds with chance `share` or less.

    That is the ⌈(n + 1)(1 − share)⌉-th (Vovk et al. 2005), whatever their distribution, as long as all scores are by a
    rule that was fixed without these items. Where n + 1 < 1 / share it is the highest: the chance is then 1 / (n + 1).
    """
    count = len(values)
    return float(values[min(math.ceil((count + 1) * (1 - share) - 1e-9), count) - 1])


def of_threshold(over: int, count: int) -> tuple[float, float]:
    """The interval of the false-positive rate of the score that `over` of `count` calibration scores exceed.

    Over redraws of the calibration set that rate is distributed as Beta(over + 1, count − over), exactly.
    """
    from scipy.stats import beta

    low, high = beta.ppf([(1 - SURE) / 2, (1 + SURE) / 2], over + 1, count - over)
    return float(low), float(high)


def of_rate(over: int, count: int) -> tuple[float, float]:
    """The interval of a rate of which `over` in `count` independent items were seen (Clopper & Pearson 1934)."""
    from scipy.stats import beta

    low = float(beta.ppf((1 - SURE) / 2, over, count - over + 1)) if over else 0.0
    high = float(beta.ppf((1 + SURE) / 2, over + 1, count - over)) if over < count else 1.0
    return low, high
