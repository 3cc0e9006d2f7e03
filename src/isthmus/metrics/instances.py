"""Metrics of instance maps, H×W integers with 0 for the background: adapted Rand error and two figures at IoU .5."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Scores = Sequence[float] | np.ndarray | None
RECALLS = np.linspace(0, 1, 101)  # at which COCO reads the precision


def overlaps(truth: np.ndarray, predicted: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(label in truth, label in predicted, number of common pixels) of each pair of labels that share a pixel.

    Raises ValueError for maps of different shapes, and for negative labels.
    """
    from scipy.sparse import coo_array

    if truth.shape != predicted.shape:
        raise ValueError(f"instance maps of {truth.shape} and {predicted.shape} pixels")
    ones = np.ones(truth.size, np.int32)
    table = coo_array((ones, (truth.ravel(), predicted.ravel()))).tocsr().tocoo()  # CSR adds up equal pairs
    return table.row, table.col, table.data.astype(np.int64)


def rand_error(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Adapted Rand error (Arganda-Carreras et al. 2015): 1 − F of the pairs of pixels that lie in one object.

    Pixels that are 0 in the truth are left out; 0 in the prediction counts as one more object. The value is that of
    scikit-image's adapted_rand_error. NaN if the truth has no object of two or more pixels.
    """
    rows, columns, common = overlaps(truth, predicted)
    counted = rows > 0
    pairs = np.square(common[counted]).sum() - common[counted].sum()
    totals = 0
    for labels in (rows, columns):
        sizes = np.bincount(labels[counted], common[counted])
        totals += np.square(sizes).sum() - sizes.sum()
    return float(1 - 2 * pairs / totals) if totals else float("nan")


@dataclass(frozen=True)
class Matches:
    """Predicted objects of one image, matched one to one with those of the truth at an IoU of .5 or more.

    scores: of the predicted objects, highest first. hits: whether each has a match. truths: objects in the truth.
    """

    scores: np.ndarray
    hits: np.ndarray
    truths: int

    @property
    def jaccard(self) -> float:
        """TP / (TP + FP + FN), which DSB2018 and StarDist call average precision; 1 if there is no object at all."""
        found = int(self.hits.sum())
        either = len(self.hits) + self.truths - found
        return found / either if either else 1.0


def match(
    truth: np.ndarray, predicted: np.ndarray, scores: Scores = None, ignored: np.ndarray | None = None
) -> Matches:
    """Match the objects of two instance maps as COCO does: the highest score first, each with its largest IoU.

    scores: of objects 1, 2, … of `predicted`, for instance the mean probability of the foreground; None: all equal.
    ignored: H×W bool, pixels that do not count; a predicted object without a match, half of which or more lies there,
    is left out, as COCO does it in a crowd. Raises ValueError if the scores are fewer than the objects.
    """
    whole = np.bincount(predicted.ravel())
    if ignored is not None:
        truth, predicted = (np.where(ignored, 0, each) for each in (truth, predicted))
    rows, columns, common = overlaps(truth, predicted)
    area, own = np.bincount(rows, common), np.bincount(columns, common)
    inner = (rows > 0) & (columns > 0)
    rows, columns, common = rows[inner], columns[inner], common[inner]
    iou = common / (area[rows] + own[columns] - common)
    objects = np.flatnonzero(own[1:]) + 1
    if scores is not None and len(objects) and len(scores) < objects[-1]:
        raise ValueError(f"{len(scores)} scores for objects up to {objects[-1]}")
    values = np.ones(len(objects)) if scores is None else np.asarray(scores, float)[objects - 1]
    optional = 2 * own[objects] <= whole[objects]
    return _matched(rows, np.searchsorted(objects, columns), iou, values, int(np.count_nonzero(area[1:])), optional)


def match_boxes(truth: np.ndarray, predicted: np.ndarray, scores: Scores = None) -> Matches:
    """Match boxes N×4 and M×4 of (x, y, width, height) as `match` does objects. scores: M; None: all equal."""
    truth, predicted = np.asarray(truth, float).reshape(-1, 1, 4), np.asarray(predicted, float).reshape(1, -1, 4)
    start = np.maximum(truth[..., :2], predicted[..., :2])
    end = np.minimum(truth[..., :2] + truth[..., 2:], predicted[..., :2] + predicted[..., 2:])
    common = (end - start).clip(0).prod(-1)
    rows, columns = np.nonzero(common)
    shared = common[rows, columns]
    areas = truth[rows, 0, 2:].prod(-1) + predicted[0, columns, 2:].prod(-1)
    values = np.ones(predicted.shape[1]) if scores is None else np.asarray(scores, float)
    return _matched(rows, columns, shared / (areas - shared), values, len(truth))


def _matched(
    rows: np.ndarray,
    columns: np.ndarray,
    iou: np.ndarray,
    values: np.ndarray,
    truths: int,
    optional: np.ndarray | bool = False,
) -> Matches:
    """Matches from the IoU of pairs: objects `rows` of the truth with predicted objects 0, 1, … of scores `values`.

    optional: of the predicted objects, whether each is left out without a match.
    """
    close = iou >= 0.5
    candidates: dict[int, list[tuple[float, int]]] = {}
    for row, column, value in zip(rows[close], columns[close], iou[close], strict=True):
        candidates.setdefault(int(column), []).append((float(value), int(row)))
    order = np.argsort(-values, kind="stable")
    taken: set[int] = set()
    hits = np.zeros(len(values), bool)
    for rank, column in enumerate(order.tolist()):
        free = [pair for pair in candidates.get(column, ()) if pair[1] not in taken]
        if free:
            taken.add(max(free)[1])
            hits[rank] = True
    kept = hits | ~np.broadcast_to(optional, hits.shape)[order]
    return Matches(values[order][kept], hits[kept], truths)


def average_precision_50(matches: Sequence[Matches]) -> float:
    """COCO's average precision at IoU .5 over all images: the mean of the precision at 101 recalls.

    Objects of equal score enter together, so that the figure does not depend on their order; if all scores are equal,
    it is about precision × recall. No limit on the objects of an image, where pycocotools counts the first 100.
    NaN if no image has an object in its truth.
    """
    total = sum(one.truths for one in matches)
    if not total:
        return float("nan")
    scores = np.concatenate([one.scores for one in matches])
    order = np.argsort(-scores, kind="stable")
    hits = np.concatenate([one.hits for one in matches])[order]
    last = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1) if len(scores) else np.array([], int)
    found = hits.cumsum()[last]
    recall, precision = found / total, found / (last + 1)
    best = np.maximum.accumulate(precision[::-1])[::-1]  # the highest precision at this recall or above
    at = np.searchsorted(recall, RECALLS)
    return float(np.append(best, 0.0)[at].mean())
