"""Membranes of ISBI 2012: five contiguous folds of the 30 labeled slices."""

from __future__ import annotations

import tempfile
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from PIL import Image

from isthmus.jobs.segmentation.segmenter import Segmenter
from isthmus.media.image_file import read_photo
from isthmus.metrics.instances import rand_error
from isthmus.metrics.segmentation import components, confusion, iou
from segmenting.rows import Part, Row
from segmenting.sets import MEMBRANES, folds, linked
from segmenting.training import trained

SLICES, EPOCHS = 30, 16
THRESHOLDS = np.arange(0.3, 0.96, 0.05)  # of the probability of a cell's interior
CONVENTION = (
    "rand_error: adapted Rand error (scikit-image's) of the connected regions of the cells' interior (4 neighbors), "
    "pixels of true membranes left out, as ISBI 2012 does; the threshold of the probability is the one with the least "
    "mean error on the training slices of the fold; pixel_error at the same threshold and at .5; iou of the interior "
    "and of the membranes at .5; mean over slices"
)


def folders(top: Path, rows: list[int]) -> tuple[Path, Path]:
    images, masks = ([MEMBRANES / kind / f"{row}.png" for row in rows] for kind in ("image", "label"))
    return linked(images, top / "images"), linked(masks, top / "masks")


def interiors(segmenter: Segmenter, rows: list[int]) -> list[np.ndarray]:
    """H×W probabilities that a pixel lies inside a cell."""
    return [segmenter(read_photo(MEMBRANES / "image" / f"{row}.png")).probability.astype(np.float32) for row in rows]


def truths(rows: list[int]) -> list[np.ndarray]:
    """H×W uint8: 1 inside a cell, 0 on membranes."""
    return [(np.asarray(Image.open(MEMBRANES / "label" / f"{row}.png")) > 127).astype(np.uint8) for row in rows]


def rand_of(probability: np.ndarray, truth: np.ndarray, threshold: float) -> float:
    return rand_error(components(truth), components((probability >= threshold).astype(np.uint8)))


def best_threshold(probabilities: list[np.ndarray], true: list[np.ndarray]) -> float:
    def error(threshold: float) -> float:
        return fmean(rand_of(*pair, threshold) for pair in zip(probabilities, true, strict=True))

    return round(float(min(THRESHOLDS, key=error)), 2)


def figures_of(segmenter: Segmenter, train: list[int], test: list[int]) -> Row:
    """Figures of the test slices, at the threshold that the training slices choose."""
    threshold = best_threshold(interiors(segmenter, train), truths(train))
    pairs = list(zip(interiors(segmenter, test), truths(test), strict=True))
    overlap = [iou(confusion(truth, (probability >= 0.5).astype(np.uint8), 2)) for probability, truth in pairs]
    return {
        "threshold": threshold,
        "rand_error": fmean(rand_of(probability, truth, threshold) for probability, truth in pairs),
        "rand_error_at_half": fmean(rand_of(probability, truth, 0.5) for probability, truth in pairs),
        "pixel_error": fmean(float(np.mean((each >= threshold) != truth)) for each, truth in pairs),
        "pixel_error_at_half": fmean(float(np.mean((each >= 0.5) != truth)) for each, truth in pairs),
        "iou": fmean(float(each[1]) for each in overlap),
        "iou_of_membranes": fmean(float(each[0]) for each in overlap),
    }


def run_of_fold(name: str, rows: list[int], **keys: Any) -> Path:
    with tempfile.TemporaryDirectory() as folder:
        return trained(name, *folders(Path(folder), rows), **keys)


def membranes() -> None:
    part = Part("membranes")
    for number, (train, test) in enumerate(folds(SLICES)):

        def fold(number: int = number, train: list[int] = train, test: list[int] = test) -> Row:
            run = run_of_fold(f"membranes-{number}", train, epochs=EPOCHS)
            return figures_of(Segmenter(run), train[:: len(train) // 6], test)

        part.row(fold, model="isthmus segment", fold=number)
    keys = [key for key in part.rows[0] if key not in ("model", "fold")]
    mean = {key: fmean(row[key] for row in part.rows) for key in keys}
    part.end(
        f"isbi2012_em, {SLICES} labeled slices of 512×512, five contiguous folds; `segment` with its defaults for "
        f"{EPOCHS} epochs in bf16-mixed, seed 0; every fourth training slice chooses the threshold. {CONVENTION}",
        [*part.rows, {"model": "isthmus segment", "fold": "mean", **mean}],
    )
