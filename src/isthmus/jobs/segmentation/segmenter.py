"""Segmenter: a trained model applied to one image: tiles, class map, objects."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from isthmus.autoencoder import Autoencoder
from isthmus.errors import BadInput, Note
from isthmus.inference.inputs import RunOrModel
from isthmus.inference.tiles import TILE, apply_tiled
from isthmus.jobs import model_for
from isthmus.jobs.segmentation.classes import Classes
from isthmus.jobs.segmentation.instances import objects, without_small
from isthmus.jobs.segmentation.labels.open import Labels, open_labels
from isthmus.jobs.segmentation.objectives import LabelLoss
from isthmus.jobs.segmentation.objects import regions_of_classes
from isthmus.jobs.segmentation.pixels import planes_of, range_of
from isthmus.media.photo import Photo
from isthmus.metrics.segmentation import SegmentationScores

HALF = 0.5  # least probability of the second of two classes, by default


@dataclass(frozen=True)
class Segmented:
    """classes: H×W uint8 class numbers. probability: H×W float16, of all classes but the background together; without
    a background that of the class.

    objects: H×W int32, 0 where there is none; None for a model that does not separate objects.
    """

    classes: np.ndarray
    probability: np.ndarray
    objects: np.ndarray | None = None


class Segmenter:
    """The model of a run with its classes.

    best: average the probabilities over the eight flips and quarter turns, eight times slower. threshold: of two
    classes, the least probability of the second one. min_area: objects, or connected regions of a class, of fewer
    pixels are background. Raises BadInput for a run of another job, and for an option without effect on its classes.
    """

    def __init__(
        self,
        run: RunOrModel,
        *,
        best: bool = False,
        threshold: float = HALF,
        min_area: int = 0,
        tile: int = TILE,
        device: str | None = None,
    ) -> None:
        self.model: Autoencoder = model_for("segment", run, device)
        assert isinstance(self.model.objective, LabelLoss), "the recipes of this job have no other loss"
        if not 0 < threshold < 1:
            raise BadInput(f"threshold is {threshold:g}: a probability between 0 and 1 is accepted")
        self.best, self.threshold, self.min_area, self.tile = best, threshold, min_area, tile
        self.objective = self.model.objective
        about = self.model.about
        stored = about.get("data", {}).get("labels", {}).get("classes")
        self.classes = Classes.of(stored) if stored else Classes(list(range(self.objective.classes)))
        if threshold != HALF and self.objective.classes > 2 and not self.objective.instances:
            raise BadInput(f"threshold: is for two classes, and the run has {self.objective.classes}")
        if min_area > 1 and self.classes.background is None:
            raise BadInput("min_area: is for a run with a background, which small regions become")
        self.normalize: str = about.get("options", {}).get("normalize", "auto")
        self.reach = self.model.reach

    def labels(self, source: Path | str, images: Sequence[str], folder: Path) -> Labels:
        """The labels of images as this run reads them: its classes, with objects if it separates them."""
        instances = self.objective.instances
        return open_labels(source, images, folder, classes=self.classes, instances=instances, as_classes=not instances)

    def scores(self) -> SegmentationScores:
        """Metrics of the classes of this run, without an image so far."""
        return SegmentationScores(self.classes.names, self.classes.background)

    def __call__(self, photo: Photo, name: str = "image") -> Segmented:
        """Segment a photo of any size. Raises BadInput for one that the model does not take."""
        planes = planes_of(photo, self.model.shape[0], name)
        bytes_only = self.model.about.get("input", {}).get("dtype", "uint8") == "uint8"
        if self.normalize == "auto" and bytes_only != (planes.dtype == np.uint8):
            trained, scaled = ("8 bits", "by its own percentiles") if bytes_only else ("deeper images", "by 255")
            text = f"{name}: {planes.dtype} values are scaled {scaled}, but the run was trained on {trained}"
            warnings.warn(text, Note, stacklevel=3)
        height, width = planes.shape[1:]
        classes, probability = np.empty((height, width), np.uint8), np.empty((height, width), np.float16)
        others = np.empty((2, height, width), np.float16) if self.objective.instances else None
        count, background = self.objective.classes, self.classes.background

        def write(part: np.ndarray, top: int, left: int) -> None:
            at = slice(top, top + part.shape[1]), slice(left, left + part.shape[2])
            classes[at] = part[1] >= self.threshold if count == 2 else part[:count].argmax(0)
            probability[at] = part[:count].max(0) if background is None else 1 - part[background]
            if others is not None:
                others[(slice(None), *at)] = part[count:]

        self.probabilities(planes, photo.range or range_of(planes, self.normalize), write)
        if others is None:
            return Segmented(self.without_small(classes), probability)
        found = objects(probability, others[0], others[1], self.min_area, self.threshold)
        return Segmented(with_objects(classes, found, background or 0), probability, found)

    def without_small(self, classes: np.ndarray) -> np.ndarray:
        """H×W class numbers with connected regions of fewer pixels than min_area as background."""
        background = self.classes.background
        if self.min_area < 2 or background is None:
            return classes
        regions = regions_of_classes(classes, background)
        return np.where(without_small(regions, self.min_area) > 0, classes, np.uint8(background))

    def probabilities(self, planes: np.ndarray, range: tuple[float, float], write: Any) -> None:
        """Pass the probabilities of an image C×H×W (see LabelLoss.mean) to `write`, tile by tile."""
        apply_tiled(
            self.flipped if self.best else self.net,
            planes,
            write=write,
            reach=self.reach,
            stride=self.model.stride,
            tile=self.tile,
            range=range,
        )

    def net(self, x: Tensor) -> Tensor:
        return self.model.restore(x.to(self.model.device).clamp(0, 1))

    def flipped(self, x: Tensor) -> Tensor:
        total: Tensor | None = None
        for turns in (0, 1, 2, 3):
            for flip in (False, True):
                seen = torch.rot90(x.flip(-1) if flip else x, turns, (-2, -1))
                y = torch.rot90(self.net(seen), -turns, (-2, -1))
                y = y.flip(-1) if flip else y
                total = y if total is None else total + y
        assert total is not None
        return total / 8


def with_objects(classes: np.ndarray, objects: np.ndarray, background: int) -> np.ndarray:
    """Class numbers H×W that agree with the objects: background where there is none, a class in each."""
    other = 1 if background == 0 else 0
    classes = np.where(objects > 0, np.where(classes == background, other, classes), background)
    return classes.astype(np.uint8)
