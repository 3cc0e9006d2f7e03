"""How well a score puts one kind of thing before another."""

from __future__ import annotations

from typing import Any


def auroc(score: Any, truth: Any) -> float:
    """Area under the ROC curve: the chance that a true item scores above a false one. score [N], truth [N] of 0/1."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(truth, score))
