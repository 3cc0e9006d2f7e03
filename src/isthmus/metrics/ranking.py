"""Ranking metrics of anomaly scores, of items or of pixels: AUROC, average precision, F1, AUPRO."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np


def auroc(score: Any, truth: Any) -> float:
    """Area under the ROC curve: probability that a positive scores above a negative. score [N], truth [N] of 0/1."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(truth, score))


def average_precision(score: Any, truth: Any) -> float:
    """Mean over the positives of the precision at the threshold equal to their score. score [N], truth [N] of 0/1."""
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(truth, score))


def best_f1(score: Any, truth: Any) -> tuple[float, float]:
    """(maximum F1 over all thresholds, that threshold): an item is positive if its score is at least the threshold.

    score [N], truth [N] of 0/1. Of several thresholds with the same F1 the highest, with the fewest positives.
    """
    from sklearn.metrics import precision_recall_curve

    precision, recall, thresholds = precision_recall_curve(truth, score)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    best = len(thresholds) - 1 - int(f1[:-1][::-1].argmax())
    return float(f1[best]), float(thresholds[best])


def aupro(maps: Iterable[np.ndarray], masks: Sequence[np.ndarray], limit: float = 0.3) -> float:
    """Area under the per-region overlap, over false-positive rates of 0 to `limit`, divided by it (Bergmann et al.).

    maps: H×W scores; masks: H×W, not 0 where defective. A region is a connected part of a mask (8 neighbors), and all
    regions have equal weight. NaN without a region, or without a normal pixel. Exact: all thresholds are used.
    """
    from skimage.measure import label

    scores, regions, count = [], [], 0
    for scored, mask in zip(maps, masks, strict=True):
        parts, number = label(np.asarray(mask) != 0, connectivity=2, return_num=True)
        scores.append(np.asarray(scored, np.float32).ravel())
        regions.append(np.where(parts > 0, parts + count, 0).ravel())
        count += number
    score, region = np.concatenate(scores), np.concatenate(regions)
    areas = np.bincount(region, minlength=count + 1)
    if not count or not areas[0]:
        return float("nan")
    order = np.argsort(-score, kind="stable")
    score, region = score[order], region[order]
    share = np.where(region > 0, 1 / (count * areas[region]), 0.0)  # contribution of a pixel to the mean overlap
    last = np.append(np.flatnonzero(np.diff(score)), len(score) - 1)  # pixels of one score share a threshold
    overlap = np.append(0.0, share.cumsum()[last])
    false = np.append(0.0, (region == 0).cumsum()[last] / areas[0])
    inside = false < limit
    x = np.append(false[inside], limit)
    y = np.append(overlap[inside], np.interp(limit, false, overlap))
    return float(np.trapezoid(y, x) / limit)
