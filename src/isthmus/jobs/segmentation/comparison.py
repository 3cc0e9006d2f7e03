"""Results beside their masks: metrics of each image, and a page with the worst first."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from isthmus.errors import BadInput, Note, Reading
from isthmus.jobs.segmentation.labels.names import listed
from isthmus.jobs.segmentation.labels.open import LabelMap
from isthmus.jobs.segmentation.objects import means_of
from isthmus.jobs.segmentation.overlays import panels
from isthmus.jobs.segmentation.segmenter import Segmented, Segmenter
from isthmus.jobs.segmentation.training_data import images_of
from isthmus.media.photo import Photo
from isthmus.metrics.segmentation import SegmentationScores
from isthmus.report import Page

SHOWN = 12  # images on the page
PAGE = "index.html"


class Comparison:
    """Compares results with masks, as `isthmus evaluate` does. names: of images in `folder`; None: all of them."""

    def __init__(
        self, segmenter: Segmenter, folder: Path | None, masks: Any, out: Path, names: Sequence[str] | None = None
    ) -> None:
        if folder is None or not folder.is_dir():
            raise BadInput("masks: need a folder of images, or image files")
        self.folder, self.out = folder, out
        names = images_of(self.folder, masks, []) if names is None else names
        self.labels = segmenter.labels(masks, names, self.folder)
        warnings.warn(self.labels.reading, Reading, stacklevel=3)
        self.masks, self.without = masks, list[str]()
        self.scores = segmenter.scores()
        self.worst = Worst(SHOWN)

    def add(self, name: str, photo: Photo, found: Segmented) -> tuple[dict[str, float], Image.Image] | None:
        """(metrics of an image, its panels); None for an image without a mask."""
        if name not in self.labels.matched:
            self.without.append(name)
            return None
        true = self.labels.read(name, photo.size)
        figures = add_to(self.scores, true, found)
        drawn = panels(photo, found, true, self.scores.background)
        self.worst.add(figures["dice"], name, drawn)
        return figures, drawn

    def write(self) -> None:
        warn_without_labels(self.without, self.masks)
        if not self.scores.counts:
            return
        figures = self.scores.result()
        page = Page(f"Segmentation of {len(self.scores.counts)} images")
        shown = {key: value for key, value in figures.items() if isinstance(value, float)}
        page.figures(shown)
        page.text(figures["protocol"])
        page.table([{"class": name, **of} for name, of in figures["per_class"].items()])
        self.worst.show(page)
        page.write(self.out / PAGE)


class Worst:
    """The images with the lowest Dice, drawn, in ascending order."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.drawn: list[tuple[float, str, Image.Image]] = []

    def add(self, dice: float, name: str, drawn: Image.Image) -> None:
        self.drawn = sorted([*self.drawn, (dice, name, drawn)], key=lambda one: one[:2])[: self.most]

    def show(self, page: Page) -> None:
        page.section(
            "The worst first",
            "Picture, truth, prediction and difference: green is correct, red is false, blue is missed, gray is "
            "ignored.",
        )
        for dice, name, drawn in self.drawn:
            page.picture(drawn, f"{name}: Dice {dice:.3f}")


def add_to(scores: SegmentationScores, true: LabelMap, found: Segmented) -> dict[str, float]:
    """Add one image; its objects, too, if truth and result have them."""
    if true.instances is None or found.objects is None:
        return scores.add(true.classes, found.classes)
    ranks = means_of(found.objects, found.probability)
    return scores.add(true.classes, found.classes, (true.instances, found.objects), ranks)


def warn_without_labels(names: Sequence[str], masks: Any) -> None:
    """A note that lists the images without labels, which no metric counts."""
    if names:
        text = f"{masks}: pictures without labels, which are left out of the metrics: {len(names)} ({listed(names)})"
        warnings.warn(text, Note, stacklevel=3)
