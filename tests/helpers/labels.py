"""Label maps of a few squares, and the opening of labels of a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from isthmus.data.find_images import find_pictures
from isthmus.jobs.segmentation.labels.open import Labels, open_labels

SIZE = (24, 30)


def boxes(*values: int, dtype: Any = np.uint8) -> np.ndarray:
    """A map of squares of these values on 0."""
    labels = np.zeros(SIZE, dtype)
    for number, value in enumerate(values):
        row, column = divmod(number, 4)
        labels[2 + 8 * row : 7 + 8 * row, 1 + 7 * column : 6 + 7 * column] = value
    return labels


def opened(masks: Path, pictures: Path, **options: Any) -> Labels:
    return open_labels(masks, find_pictures(pictures)[0], pictures, **options)


def as_read(labels: Labels, name: str = "a.jpg") -> np.ndarray:
    return labels.classes.decode(labels.read(name).classes)
