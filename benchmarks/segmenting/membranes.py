"""Membranes of ISBI 2012: five contiguous folds of the 30 labeled slices."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from PIL import Image
from skimage.segmentation import watershed

from isthmus.jobs.segmentation.segmenter import Segmenter
from isthmus.media.image_file import read_photo
from isthmus.metrics.instances import rand_error
from isthmus.metrics.segmentation import components, confusion, iou
from segmenting.sets import MEMBRANES, folds, linked
from segmenting.training import seconds_of, trained
from stored_rows import Part, Row

SLICES, EPOCHS = 30, 16
THRESHOLDS = (*np.arange(0.3, 0.96, 0.05).round(2).tolist(), 0.97, 0.98, 0.99)  # of the probability of the interior
CONVENTION = (
    "rand_error: adapted Rand error (scikit-image's) of the connected regions of the cells' interior (4 neighbors) at "
    "a threshold of its probability, pixels of true membranes left out, as ISBI 2012 does; rand_error_thinned: of the "
    "same regions, grown until they meet by a watershed of the probability, the border thinning of Arganda-Carreras et "
    "al. 2015; each threshold is the one with the least mean error on those slices; pixel_error, iou of the interior "
    "and of the membranes: at .5; mean over slices"
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


def grown(regions: np.ndarray, probability: np.ndarray) -> np.ndarray:
    """H×W: the regions, grown until they meet where the probability is lowest."""
    return np.asarray(watershed(-probability, regions), np.int32)


def rand_of(probability: np.ndarray, truth: np.ndarray, threshold: float, thinned: bool = False) -> float:
    regions = components((probability >= threshold).astype(np.uint8))
    return rand_error(components(truth), grown(regions, probability) if thinned else regions)


def best_threshold(probabilities: list[np.ndarray], true: list[np.ndarray], thinned: bool = False) -> float:
    def error(threshold: float) -> float:
        return fmean(rand_of(*pair, threshold, thinned) for pair in zip(probabilities, true, strict=True))

    return min(THRESHOLDS, key=error)


def figures_of(segmenter: Segmenter, held: list[int], test: list[int]) -> Row:
    """Figures of the test slices, at the thresholds that the slices `held` choose."""
    figures: Row = {}
    pairs = list(zip(interiors(segmenter, test), truths(test), strict=True))
    known = interiors(segmenter, held), truths(held)
    for name, thinned in (("rand_error", False), ("rand_error_thinned", True)):
        threshold = best_threshold(*known, thinned)
        figures[name] = fmean(rand_of(probability, truth, threshold, thinned) for probability, truth in pairs)
        figures[f"threshold_of_{name}"] = threshold
    overlap = [iou(confusion(truth, (probability >= 0.5).astype(np.uint8), 2)) for probability, truth in pairs]
    return figures | {
        "pixel_error": fmean(float(np.mean((probability >= 0.5) != truth)) for probability, truth in pairs),
        "iou": fmean(float(each[1]) for each in overlap),
        "iou_of_membranes": fmean(float(each[0]) for each in overlap),
    }


def run_of_fold(name: str, rows: list[int], **keys: Any) -> Path:
    with tempfile.TemporaryDirectory() as folder:
        return trained(name, *folders(Path(folder), rows), **keys)


def held_back(run: Path) -> list[int]:
    """The slices by which a training has chosen its weights: a tenth of its slices."""
    parts = json.loads((run / "parts.json").read_text(encoding="utf-8"))
    return sorted({int(name.partition(".")[0]) for name in parts["validation"]})


def membranes() -> None:
    part = Part("segmentation", "membranes")
    for number, (train, test) in enumerate(folds(SLICES)):
        run = run_of_fold(f"membranes-{number}", train, epochs=EPOCHS)
        for model, best in (("isthmus segment", False), ("isthmus segment --best", True)):

            def fold(run: Path = run, best: bool = best, test: list[int] = test) -> Row:
                return figures_of(Segmenter(run, best=best), held_back(run), test)

            part.row(fold, model=model, fold=number)
    means = []
    for model in dict.fromkeys(row["model"] for row in part.rows):
        rows = [row for row in part.rows if row["model"] == model]
        keys = [key for key in rows[0] if key not in ("model", "fold")]
        means.append({"model": model, "fold": "mean", **{key: fmean(row[key] for row in rows) for key in keys}})
    part.end(
        f"isbi2012_em, {SLICES} labeled slices of 512×512, five contiguous folds; `segment` with its defaults for "
        f"{EPOCHS} epochs in bf16-mixed, seed 0; the two slices that a training holds back of the 24 outside of the "
        f"fold choose the thresholds. {CONVENTION}",
        [*part.rows, *means],
        training_seconds=[seconds_of(f"membranes-{number}") for number in range(len(folds(SLICES)))],
    )
