"""Segmentation without a network: Otsu's threshold, and a watershed of the distance to the edge.

    python benchmarks/segmentation_baselines.py

prints Dice, IoU and the figures of objects on the 334 images of dsb2018_256, which are all fluorescence.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
from PIL import Image

from isthmus.metrics.segmentation import SegmentationScores

DATA = Path(os.environ.get("ISTHMUS_DATA", "data"))
SIGMA = 1.0  # pixels by which the image, and the distance, are smoothed
APART = 4  # least distance in pixels between two centers of objects
LEAST = 16  # pixels of an object


def otsu(image: np.ndarray) -> np.ndarray:
    """H×W bool: the foreground by Otsu's threshold (1979), the background being most of the frame of the image.

    image: H×W or H×W×C of any numeric type.
    """
    from scipy.ndimage import gaussian_filter
    from skimage.filters import threshold_otsu

    gray = gaussian_filter(image.astype(np.float32).reshape(*image.shape[:2], -1).mean(2), SIGMA)
    if gray.min() == gray.max():
        return np.zeros(gray.shape, bool)
    bright = gray > threshold_otsu(gray)
    frame = np.concatenate([bright[0], bright[-1], bright[:, 0], bright[:, -1]])
    return ~bright if frame.mean() > 0.5 else bright


def otsu_watershed(image: np.ndarray) -> np.ndarray:
    """H×W int32: objects by Otsu's threshold, divided by a watershed from the peaks of the distance to the edge."""
    from scipy.ndimage import binary_fill_holes, distance_transform_edt, gaussian_filter
    from skimage.feature import peak_local_max
    from skimage.measure import label
    from skimage.segmentation import watershed

    mask = binary_fill_holes(otsu(image))
    distance = gaussian_filter(distance_transform_edt(mask), SIGMA)
    markers = np.zeros(mask.shape, np.int32)
    peaks = peak_local_max(distance, min_distance=APART, labels=label(mask), exclude_border=False)
    markers[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    found = watershed(-distance, markers, mask=mask)
    kept = np.bincount(found.ravel()) >= LEAST
    kept[0] = False
    return np.where(kept, kept.cumsum(), 0).astype(np.int32)[found]


def nuclei_figures(names: list[str], folder: Path = DATA / "dsb2018_256") -> dict[str, float]:
    """Figures of otsu_watershed on images of dsb2018_256 by file name."""
    scores = SegmentationScores(["background", "nucleus"])
    for name in names:
        image = np.asarray(Image.open(folder / "images" / name).convert("RGB"))
        truth = np.asarray(Image.open(folder / "labels" / name)).astype(np.int32)
        found = otsu_watershed(image)
        scores.add((truth > 0).astype(np.uint8), (found > 0).astype(np.uint8), (truth, found))
    keys = ("images", "dice", "dice_interval", "iou", "instance_ap50", "instance_jaccard50", "rand_error")
    figures = scores.result()
    return {key: figures[key] for key in keys if key in figures}


def main() -> None:
    names = sorted(path.name for path in (DATA / "dsb2018_256" / "images").glob("*.png"))
    print(json.dumps(nuclei_figures(names)))


if __name__ == "__main__":
    main()
