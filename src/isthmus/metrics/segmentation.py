"""Metrics of class maps: confusion counts, accuracy, IoU and Dice for each class, and their means with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from isthmus.metrics.instances import Matches, average_precision_50, match, rand_error

IGNORE = 255  # the class number of pixels without a class, in a map of uint8
RESAMPLES = 2000  # of the bootstrap
PROTOCOL = (
    "iou and dice: mean over images of the mean over {classes}; a class that is in neither truth nor prediction of an "
    "image is left out, and an image without any class counts as 1; ignored pixels are left out; "
    "intervals: 95 %, bootstrap over images; rand_error: adapted Rand error of {objects}, 0 in the truth left out"
)
INSTANCES = (
    "; instance_ap50: COCO's average precision at IoU .5 over all images; instance_jaccard50: TP / (TP + FP + FN) at "
    "IoU .5, mean over images, which DSB2018 and StarDist call AP; false objects of which half or more is ignored are "
    "left out"
)


def confusion(truth: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """K×K int64: pixels of class i in the truth that are predicted as class j, without pixels that are IGNORE.

    truth, predicted: H×W integers. Raises ValueError for maps of different shapes, and for a class of `classes` or
    more.
    """
    if truth.shape != predicted.shape:
        raise ValueError(f"class maps of {truth.shape} and {predicted.shape} pixels")
    counted = truth != IGNORE
    rows, columns = truth[counted].astype(np.int64), predicted[counted]
    if rows.size and max(rows.max(), columns.max()) >= classes:
        raise ValueError(f"class {max(rows.max(), columns.max())}: 0 to {classes - 1} are accepted")
    return np.bincount(rows * classes + columns, minlength=classes**2).reshape(classes, classes)


def pixel_accuracy(counts: np.ndarray) -> np.ndarray:
    """Share of correct pixels from confusion counts …×K×K -> …; NaN without a pixel."""
    return _ratio(np.trace(counts, axis1=-2, axis2=-1), counts.sum((-2, -1)))


def iou(counts: np.ndarray) -> np.ndarray:
    """Intersection over union of each class, …×K×K -> …×K; NaN for a class in neither truth nor prediction."""
    both, areas = _areas(counts)
    return _ratio(both, areas - both)


def dice(counts: np.ndarray) -> np.ndarray:
    """Dice coefficient 2 |A ∩ B| / (|A| + |B|) of each class, …×K×K -> …×K; NaN for a class in neither."""
    both, areas = _areas(counts)
    return _ratio(2 * both, areas)


def mean_over_classes(values: np.ndarray, background: int | None = 0) -> np.ndarray:
    """Mean of …×K figures over the classes but the background -> …, without NaN; 1 if all are NaN: correctly empty."""
    values = values if background is None else np.delete(values, background, -1)
    present = ~np.isnan(values)
    total = np.where(present, values, 0.0).sum(-1)
    return np.where(present.any(-1), total / np.maximum(present.sum(-1), 1), 1.0)


def components(classes: np.ndarray, background: int | None = 0, diagonal: bool = False) -> np.ndarray:
    """H×W int32: the connected regions of each class but the background, numbered from 1; 0 elsewhere.

    diagonal: whether pixels at a corner connect; without, a membrane of one pixel also separates where it is diagonal.
    """
    from skimage.measure import label

    empty = classes == IGNORE if background is None else (classes == IGNORE) | (classes == background)
    parts = label(np.where(empty, -1, classes.astype(np.int16)), background=-1, connectivity=1 + diagonal)
    return np.asarray(parts, np.int32)


def bootstrap_interval(values: Sequence[float] | np.ndarray, seed: int = 0) -> tuple[float, float]:
    """95 % interval of the mean: percentiles 2.5 and 97.5 over 2,000 resamples of the images, seeded.

    values: one for each image, without NaN. Raises ValueError for fewer than two.
    """
    values = np.asarray(values, float)
    if len(values) < 2:
        raise ValueError(f"an interval takes two images or more, not {len(values)}")
    random = np.random.default_rng(seed)
    means = [values[random.integers(len(values), size=len(values))].mean() for _ in range(RESAMPLES)]
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


class SegmentationScores:
    """Metrics over images that are added one by one. names: of the classes. background: its class, or None.

    Kept are K×K counts for each image, and the score of each object.
    """

    def __init__(self, names: Sequence[str], background: int | None = 0) -> None:
        self.names, self.background = list(names), background
        self.counts: list[np.ndarray] = []
        self.rand: list[float] = []
        self.matches: list[Matches] = []

    def add(
        self,
        truth: np.ndarray,
        predicted: np.ndarray,
        objects: tuple[np.ndarray, np.ndarray] | None = None,
        scores: Sequence[float] | np.ndarray | None = None,
    ) -> dict[str, float]:
        """Add class maps H×W uint8; return dice, iou and pixel_accuracy of this image.

        objects: instance maps H×W of truth and prediction; the Rand error then counts them, else connected regions.
        scores: of the predicted objects 1, 2, … All images have objects, or none has.
        """
        counts = confusion(truth, predicted, len(self.names))
        self.counts.append(counts)
        counted = truth != IGNORE
        if objects is None:
            true, own = (components(np.where(counted, each, IGNORE), self.background) for each in (truth, predicted))
        else:
            true, own = (np.where(counted, each, 0) for each in objects)
            self.matches.append(match(*objects, scores, ~counted))
        self.rand.append(rand_error(true, own))
        return {
            "dice": float(self._mean(dice(counts))),
            "iou": float(self._mean(iou(counts))),
            "pixel_accuracy": float(pixel_accuracy(counts)),
        }

    def result(self, seed: int = 0) -> dict[str, Any]:
        """Metrics by the keys of --json; PROTOCOL states the conventions.

        per_class: by name the means over the images that have the class in truth or prediction, and the figures of
        all pixels together. Intervals need two images. Raises ValueError without an image.
        """
        if not self.counts:
            raise ValueError("no image has been added")
        counts = np.stack(self.counts)
        figures: dict[str, Any] = {"images": len(counts)}
        for name, each in (("iou", self._mean(iou(counts))), ("dice", self._mean(dice(counts)))):
            figures[name] = float(each.mean())
            if len(counts) > 1:
                figures[f"{name}_interval"] = list(bootstrap_interval(each, seed))
        figures |= {"pixel_accuracy": _mean(pixel_accuracy(counts)), "rand_error": _mean(np.array(self.rand))}
        if self.matches:
            figures["instance_ap50"] = average_precision_50(self.matches)
            figures["instance_jaccard50"] = float(np.mean([one.jaccard for one in self.matches]))
        figures["per_class"] = {name: self._of_class(k, counts) for k, name in enumerate(self.names)}
        regions = "the objects" if self.matches else "the connected regions of each class (4 neighbors)"
        classes = "all classes" if self.background is None else "classes without the background"
        figures["protocol"] = PROTOCOL.format(classes=classes, objects=regions) + (INSTANCES if self.matches else "")
        return figures

    def _mean(self, values: np.ndarray) -> np.ndarray:
        return mean_over_classes(values, self.background)

    def _of_class(self, k: int, counts: np.ndarray) -> Mapping[str, float]:
        single, together = {"iou": iou(counts), "dice": dice(counts)}, counts.sum(0)
        return {
            **{name: _mean(values[:, k]) for name, values in single.items()},
            "iou_of_all_pixels": float(iou(together)[k]),
            "dice_of_all_pixels": float(dice(together)[k]),
            "pixels": int(together[k].sum()),
            "images": int((~np.isnan(single["iou"][:, k])).sum()),
        }


def _areas(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(pixels in truth and prediction, sum of the pixels in each) of every class."""
    return np.diagonal(counts, axis1=-2, axis2=-1), counts.sum(-1) + counts.sum(-2)


def _ratio(part: np.ndarray, total: np.ndarray) -> np.ndarray:
    return np.where(total > 0, part / np.maximum(total, 1), np.nan)


def _mean(values: np.ndarray) -> float:
    """The mean without NaN; NaN if nothing is left."""
    values = values[~np.isnan(values)]
    return float(values.mean()) if len(values) else float("nan")
