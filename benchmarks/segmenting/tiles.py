"""Magnetic tiles (Huang et al. 2018): five kinds of defect and the ground as six classes."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import fmean

import numpy as np
from PIL import Image

from isthmus.jobs.segmentation.segmenter import Segmenter
from isthmus.media.image_file import read_photo
from isthmus.metrics.segmentation import SegmentationScores
from segmentation_baselines import otsu
from segmenting.sets import DEFECTS, TILES, divided, linked
from segmenting.training import UNet2015, fitted, seconds_of, trained
from stored_rows import Part, Row

RUN, FREE = "tiles-run", 60
# Chosen on tiles that the run holds back from its training: uneven tiles and breaks are larger than a patch of 128
# pixels, and a rate of 1e-3 or more learns nothing from patches of 256.
SIZE, BATCH = 256, 4
KEYS = {"epochs": 20, "size": SIZE, "fold": 4, "batch_size": BATCH, "lr": 5e-4}
NAMES = ("ground", *(kind.removeprefix("MT_").lower() for kind in DEFECTS))
Pairs = list[tuple[Path, int]]  # image, class of its mask


def split() -> tuple[Pairs, Pairs]:
    """(training, test): 80/20 of each kind of defect and of FREE tiles without one, by the order of seed 0."""
    parts: tuple[Pairs, Pairs] = ([], [])
    for number, kind in enumerate((*DEFECTS, "MT_Free"), 1):
        names = sorted(path.name for path in (TILES / kind / "Imgs").glob("*.jpg"))
        for part, chosen in zip(parts, divided(names[:FREE] if kind == "MT_Free" else names), strict=True):
            part += [(TILES / kind / "Imgs" / name, number if kind != "MT_Free" else 0) for name in chosen]
    return parts


def class_map(path: Path, number: int) -> np.ndarray:
    """H×W uint8, 0..5."""
    mask = np.asarray(Image.open(path.with_suffix(".png")).convert("L")) > 127
    return np.where(mask, number, 0).astype(np.uint8)


def folders(top: Path, pairs: Pairs) -> tuple[Path, Path]:
    """Links to the images, and their masks with the values 0 to 5."""
    images = linked([path for path, _ in pairs], top / "images")
    (top / "masks").mkdir()
    for path, number in pairs:
        Image.fromarray(class_map(path, number)).save(top / "masks" / f"{path.stem}.png")
    return images, top / "masks"


def figures_of(find: Callable[[Path], np.ndarray], pairs: Pairs) -> Row:
    """Figures of class maps of the test images."""
    scores, defects = SegmentationScores(list(NAMES)), SegmentationScores(["ground", "defect"])
    for path, number in pairs:
        truth, found = class_map(path, number), find(path)
        scores.add(truth, found)
        defects.add((truth > 0).astype(np.uint8), (found > 0).astype(np.uint8))
    classes = scores.result()["per_class"]
    return {
        "dice": {name: classes[name]["dice_of_all_pixels"] for name in NAMES},
        "dice_mean": fmean(classes[name]["dice_of_all_pixels"] for name in NAMES[1:]),
        "dice_mean_over_images": fmean(classes[name]["dice"] for name in NAMES[1:]),
        "dice_of_defects": defects.result()["per_class"]["defect"]["dice_of_all_pixels"],
    }


def tiles() -> None:
    part, (train, test) = Part("segmentation", "tiles"), split()

    def baseline() -> Row:
        found = figures_of(lambda path: otsu(np.asarray(Image.open(path).convert("L"))).astype(np.uint8), test)
        return {"dice_of_defects": found["dice_of_defects"]}

    def ours() -> Row:
        with tempfile.TemporaryDirectory() as folder:
            segmenter = Segmenter(trained(RUN, *folders(Path(folder), train), **KEYS))
        return {"training_seconds": seconds_of(RUN)} | figures_of(
            lambda path: segmenter(read_photo(path)).classes, test
        )

    def peer() -> Row:
        with tempfile.TemporaryDirectory() as folder:
            predict = fitted(UNet2015, *folders(Path(folder), train), seconds_of(RUN), 1e-3, SIZE, BATCH)
        gray = lambda path: np.asarray(Image.open(path).convert("L"))  # noqa: E731
        return {"training_seconds": seconds_of(RUN)} | figures_of(
            lambda path: predict(gray(path)).argmax(0).astype(np.uint8), test
        )

    part.row(baseline, model="Otsu, any defect")
    part.row(ours, model="isthmus segment")
    part.row(peer, model="U-Net of 2015, a quarter of its width")
    part.end(
        f"magnetic_tile, five kinds of defect and the ground as six classes, with {FREE} tiles without a defect; "
        f"{len(train)} images for training and {len(test)} for the test, 80/20 of each kind (seed 0); `segment` with "
        f"{KEYS} in bf16-mixed; the plain U-Net on the same patches for the same seconds of "
        "processor time. dice: of each class over all pixels of the test images; dice_mean: of the five defects; "
        "dice_mean_over_images: the mean over the images with the class in truth or prediction; dice_of_defects: any "
        "defect against the ground, which is all that Otsu's threshold can tell"
    )
