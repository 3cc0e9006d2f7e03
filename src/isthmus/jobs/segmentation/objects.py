"""Objects of a label map as rows of a table: area, centroid, box, mean intensity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from isthmus.metrics.segmentation import IGNORE, components

COLUMNS = (
    *("file", "object", "class", "name", "area", "centroid_x", "centroid_y"),
    *("left", "top", "width", "height", "mean_intensity"),
)
BAND = 2**20  # pixels that are measured at a time, to bound memory


@dataclass(frozen=True)
class Measured:
    """Objects of an image, one value of each array per object.

    number: in the instance map. classes: class number. area: pixels. x, y: centroid in pixels, 0 being the center of
    the left or upper pixel. left, top, width, height: box in pixels. intensity: mean over the pixels and channels of
    the image, in the values of its file; None without an image.
    """

    number: np.ndarray
    classes: np.ndarray
    area: np.ndarray
    x: np.ndarray
    y: np.ndarray
    left: np.ndarray
    top: np.ndarray
    width: np.ndarray
    height: np.ndarray
    intensity: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.number)

    def rows(self, file: str, values: Sequence[Any], names: Sequence[str]) -> list[dict[str, Any]]:
        """Rows of COLUMNS. values, names: of the classes in the label files; colors (r, g, b) are written as r,g,b."""
        rows = []
        for k in range(len(self)):
            number = int(self.classes[k])
            value = values[number]
            numbers: list[Any] = [int(self.number[k]), ",".join(map(str, value)) if np.ndim(value) else value]
            numbers += [names[number], int(self.area[k]), round(float(self.x[k]), 2), round(float(self.y[k]), 2)]
            numbers += [int(side[k]) for side in (self.left, self.top, self.width, self.height)]
            mean = "" if self.intensity is None else float(f"{self.intensity[k]:.6g}")
            rows.append(dict(zip(COLUMNS, [file, *numbers, mean], strict=True)))
        return rows


def regions_of_classes(classes: np.ndarray, background: int | None = 0) -> np.ndarray:
    """H×W int32: the connected regions of each class but the background and IGNORE, corners included, from 1 on."""
    return components(classes, background, diagonal=True)


def measure(
    instances: np.ndarray,
    classes: np.ndarray | None = None,
    pixels: np.ndarray | None = None,
    background: int | None = 0,
) -> Measured:
    """Measure the objects of an instance map, H×W integers with 0 outside of objects, in ascending order.

    classes: H×W uint8; the class of an object is the most frequent one of its pixels but the background and IGNORE;
    without it all are of class 1. pixels: H×W or H×W×C of the image. Raises ValueError for arrays of another height or
    width.
    """
    from scipy.ndimage import find_objects

    for name, array in (("classes", classes), ("pixels", pixels)):
        if array is not None and array.shape[:2] != instances.shape:
            raise ValueError(f"{name} of {array.shape[:2]} for instances of {instances.shape}")
    instances = np.asarray(instances, np.int32)
    boxes = find_objects(instances)
    number = np.array([k for k, box in enumerate(boxes, 1) if box is not None], np.int64)
    down, right = ([boxes[k - 1][axis] for k in number] for axis in (0, 1))
    top, left = (np.array([each.start for each in sides], np.int64) for sides in (down, right))
    height = np.array([each.stop for each in down], np.int64) - top
    width = np.array([each.stop for each in right], np.int64) - left
    sums = _sums(instances, pixels, len(boxes) + 1)[:, number]
    means = sums[1:] / sums[0]
    kinds = np.ones(len(number), np.int64)
    if classes is not None:
        kinds = _majority(instances, classes, len(boxes) + 1, background)[number]
    area, intensity = sums[0].astype(np.int64), None if pixels is None else means[2]
    return Measured(number, kinds, area, means[0], means[1], left, top, width, height, intensity)


def means_of(instances: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The mean of H×W values, such as probabilities, over each object 1, 2, …; NaN for a number without pixels."""
    sums = _sums(instances, values, int(instances.max(initial=0)) + 1)[:, 1:]
    return np.where(sums[0] > 0, sums[3] / np.maximum(sums[0], 1), np.nan)


def _sums(instances: np.ndarray, pixels: np.ndarray | None, count: int) -> np.ndarray:
    """Sums over the pixels of each number: 1, column, row, and, if there is an image, the mean of its channels."""
    width = instances.shape[1]
    sums = np.zeros((3 if pixels is None else 4, count))
    for rows in _bands(instances):
        flat = instances[rows].ravel()
        at = np.flatnonzero(flat)
        row, column = np.divmod(at, width)
        flat = flat[at]
        values: list[np.ndarray | None] = [None, column, row + rows.start]
        if pixels is not None:
            values.append(pixels[rows].reshape(instances[rows].size, -1)[at].mean(1, dtype=np.float64))
        for total, weights in zip(sums, values, strict=True):
            total += np.bincount(flat, weights, minlength=count)
    return sums


def _majority(instances: np.ndarray, classes: np.ndarray, count: int, background: int | None) -> np.ndarray:
    """The most frequent class of each number but the background and IGNORE; else the first that is no background."""
    most = 2 + int(np.where(classes == IGNORE, 0, classes).max(initial=0))
    votes = np.zeros(count * most, np.int64)
    for rows in _bands(instances):
        flat, kind = instances[rows].ravel(), classes[rows].ravel()
        counted = (flat > 0) & (kind != IGNORE)
        votes += np.bincount(flat[counted].astype(np.int64) * most + kind[counted], minlength=len(votes))
    table = votes.reshape(count, most)
    if background is not None and background < most:
        table[:, background] = -1
    return table.argmax(1)


def _bands(array: np.ndarray) -> list[slice]:
    step = max(1, BAND // max(1, array.shape[1]))
    return [slice(top, min(top + step, len(array))) for top in range(0, len(array), step)]
