"""Noisy nuclei, segmented as they are and after `denoise`: masks, and boxes of objects."""

from __future__ import annotations

import numpy as np

import isthmus
from isthmus.jobs.segmentation.objects import means_of, measure
from isthmus.jobs.segmentation.segmenter import Segmenter
from isthmus.media.photo import Photo
from isthmus.metrics.instances import Matches, average_precision_50, match_boxes
from isthmus.metrics.segmentation import SegmentationScores
from segmenting.nuclei import run_of_nuclei, split, truth_of
from segmenting.sets import NUCLEI
from segmenting.training import rgb
from stored_rows import Part, Row

SIGMAS = (0, 25, 50)


def noisy(image: np.ndarray, sigma: float, seed: int) -> np.ndarray:
    """H×W×3 uint8 with Gaussian noise, rounded and clipped to 8 bits."""
    noise = np.random.RandomState(seed).normal(0, sigma, image.shape)
    return np.clip(np.rint(image + noise), 0, 255).astype(np.uint8)


def boxes(instances: np.ndarray) -> np.ndarray:
    """N×4 of (left, top, width, height)."""
    found = measure(instances)
    return np.stack([found.left, found.top, found.width, found.height], 1)


def figures_of(segmenter: Segmenter, images: list[np.ndarray], names: list[str]) -> Row:
    scores, matches = SegmentationScores(["background", "nucleus"]), list[Matches]()
    for name, image in zip(names, images, strict=True):
        truth, found = truth_of(name), segmenter(Photo(image))
        assert found.objects is not None
        ranks = means_of(found.objects, found.probability)
        scores.add((truth > 0).astype(np.uint8), found.classes, (truth, found.objects), ranks)
        matches.append(match_boxes(boxes(truth), boxes(found.objects), ranks[~np.isnan(ranks)]))
    figures = scores.result()
    kept = {key: figures[key] for key in ("dice", "iou", "instance_jaccard50")}
    return kept | {"box_ap50": average_precision_50(matches)}


def noisy_nuclei() -> None:
    part, (_, names) = Part("segmentation", "noisy"), split()
    segmenter = Segmenter(run_of_nuclei())
    for sigma in SIGMAS:
        images = [noisy(rgb(NUCLEI / "images" / name), sigma, i) for i, name in enumerate(names)]
        part.row(lambda images=images: figures_of(segmenter, images, names), sigma=sigma, model="segment")
        if sigma:
            part.row(
                lambda images=images: figures_of(segmenter, list(map(isthmus.denoise, images)), names),
                sigma=sigma,
                model="denoise, then segment",
            )
    part.end(
        f"the {len(names)} test images of segmentation-nuclei, as RGB, with Gaussian noise of σ (of 255), seeded by "
        "image, rounded and clipped to 8 bits; the run of segmentation-nuclei, trained without noise, before and after "
        "the shipped model of `isthmus denoise`. box_ap50: COCO's average precision of the boxes of objects at IoU .5"
    )
