"""Nuclei of DSB 2018: fixed 80/20 split; baselines and other networks in the same run."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import isthmus
from isthmus.jobs.segmentation.objects import means_of
from isthmus.metrics.segmentation import SegmentationScores
from segmentation_baselines import otsu_watershed
from segmenting.sets import NUCLEI, divided, linked
from segmenting.training import UNet2015, fitted, has_smp, regions, rgb, seconds_of, smp_unet, trained
from stored_rows import Part, Row

RUN, EPOCHS = "nuclei-run", 6
KEYS = ("dice", "dice_interval", "iou", "instance_jaccard50", "instance_ap50", "rand_error")
PEERS: dict[str, tuple[Callable[[int, int], Any], float]] = {  # network, learning rate
    "U-Net of 2015, a quarter of its width": (UNet2015, 1e-3),
    "segmentation_models.pytorch, Unet, ResNet-18": (smp_unet, 1e-3),
}
Objects = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray | None]]  # image -> objects, probability


def split() -> tuple[list[str], list[str]]:
    """Names of the training and the test images."""
    return divided(sorted(path.name for path in (NUCLEI / "images").glob("*.png")))


def folders(top: Path, names: list[str]) -> tuple[Path, Path]:
    """Folders of links to the images and masks of these names."""
    images, masks = ([NUCLEI / kind / name for name in names] for kind in ("images", "labels"))
    return linked(images, top / "images"), linked(masks, top / "masks")


def run_of_nuclei() -> Path:
    """The run that the parts on nuclei share."""
    with tempfile.TemporaryDirectory() as folder:
        return trained(RUN, *folders(Path(folder), split()[0]), epochs=EPOCHS)


def truth_of(name: str) -> np.ndarray:
    return np.asarray(Image.open(NUCLEI / "labels" / name)).astype(np.int32)


def figures_of(find: Objects, names: list[str]) -> Row:
    scores = SegmentationScores(["background", "nucleus"])
    for name in names:
        truth = truth_of(name)
        found, probability = find(rgb(NUCLEI / "images" / name))
        ranks = None if probability is None else means_of(found, probability)
        scores.add((truth > 0).astype(np.uint8), (found > 0).astype(np.uint8), (truth, found), ranks)
    return chosen(scores.result())


def chosen(figures: dict[str, Any]) -> Row:
    return {key: figures[key] for key in KEYS}


def nuclei() -> None:
    part, (train, test) = Part("segmentation", "nuclei"), split()
    part.row(lambda: figures_of(lambda image: (otsu_watershed(image), None), test), model="Otsu, watershed")

    def ours() -> Row:
        run = run_of_nuclei()
        with tempfile.TemporaryDirectory() as folder:
            images, masks = folders(Path(folder), test)
            return {"training_seconds": seconds_of(RUN)} | chosen(isthmus.evaluate(run, images, masks=masks))

    part.row(ours, model="isthmus segment")
    for name, (make, lr) in PEERS.items():
        if make is not smp_unet or has_smp():
            part.row(lambda make=make, lr=lr: peer(make, lr, train, test), model=name)
    part.end(
        f"dsb2018_256, 334 images, all fluorescence; {len(train)} for training and {len(test)} for the test (seed 0); "
        f"`segment` with its defaults for {EPOCHS} epochs in bf16-mixed; other networks on the same patches, with the "
        "same augmentation, loss and schedule, for the same seconds of processor time, in the same run, their objects "
        "as in Ronneberger et al. 2015: weighted gaps, then connected regions. instance_jaccard50: TP / (TP + FP + FN) "
        "at IoU .5, mean over images, the AP50 of DSB 2018 and StarDist; instance_ap50: COCO's, ranked by the mean "
        "probability of each object, and of Otsu unranked; dice, iou: of the nuclei, mean over images"
    )


def peer(make: Callable[[int, int], Any], lr: float, train: list[str], test: list[str]) -> Row:
    with tempfile.TemporaryDirectory() as folder:
        predict = fitted(make, *folders(Path(folder), train), seconds_of(RUN), lr)

    def find(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        probability = predict(image)
        return regions(probability), probability[1]

    return {"training_seconds": seconds_of(RUN)} | figures_of(find, test)
