"""Patches of labeled images, read at native scale: images, targets and weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from isthmus.data import base
from isthmus.data.decoding import reason_of
from isthmus.errors import BadInput
from isthmus.jobs.segmentation.instances import border_and_distance, touching_weights
from isthmus.jobs.segmentation.labels.open import LabelMap, Labels
from isthmus.jobs.segmentation.objects import regions_of_classes
from isthmus.jobs.segmentation.patch_choice import PatchChoice
from isthmus.jobs.segmentation.pixels import planes_of, range_of, to_stored
from isthmus.layers import mirrored
from isthmus.media.file_content import Header
from isthmus.media.image_file import read_photo
from isthmus.metrics.segmentation import IGNORE


class Patches:
    """Chooses and reads patches of labeled images.

    deep: as uint16 instead of uint8. touching: factor of the weights between touching objects; 0: no weights.
    """

    def __init__(
        self, folder: Path, labels: Labels, channels: int, normalize: str, size: int, deep: bool, touching: float = 0.0
    ) -> None:
        self.folder, self.labels, self.channels, self.normalize = folder, labels, channels, normalize
        self.size, self.deep, self.touching = size, deep, touching
        self.names: Sequence[str] = []
        self.notes: list[str] = []

    @property
    def planes(self) -> int:
        """Channels of a target."""
        return 3 if self.labels.has_instances else 1

    def choose(self, names: Sequence[str], headers: list[Header]) -> np.ndarray:
        """N×3, (image, top, left); as many as fit MEMORY_BUDGET, else with a note."""
        self.names = names
        choice = PatchChoice(self.size, len(self.labels.classes), self.labels.classes.background)
        for name, header in zip(names, headers, strict=True):
            choice.add(self.labels.read(name, (header.height, header.width)).classes)
        each = self.size**2 * (self.channels * (2 if self.deep else 1) + self.planes + 2 * (self.touching > 0))
        most = base.MEMORY_BUDGET // each
        positions = choice.positions(most)
        if len(positions) >= most and (left := len(choice.grid) - len(positions)) > 0:
            self.notes.append(
                f"{self.folder}: {len(positions):,} patches of {self.size}×{self.size} fit into memory and are trained "
                f"on; {left:,} others are left out"
            )
        return positions

    def read(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray | None, dict[int, str]]:
        """(N×C×S×S uint8 or uint16, N×planes×S×S uint8, weights N×1×S×S float16) of positions, ascending by image; and
        the reasons why images cannot be read, whose patches hold no values."""
        items = np.empty((len(positions), self.channels, self.size, self.size), np.uint16 if self.deep else np.uint8)
        targets = np.empty((len(positions), self.planes, self.size, self.size), np.uint8)
        weights = np.empty((len(positions), 1, self.size, self.size), np.float16) if self.touching > 0 else None
        edges, broken = np.searchsorted(positions[:, 0], np.arange(len(self.names) + 1)), dict[int, str]()
        for image, name in enumerate(self.names):
            if edges[image] == edges[image + 1]:
                continue
            try:
                planes = planes_of(read_photo(self.folder / name), self.channels, name)
            except BadInput as error:
                broken[image] = reason_of(error, self.folder / name)
                continue
            stored = to_stored(planes, range_of(planes, self.normalize), self.deep)
            labels = self.labels.read(name, planes.shape[1:])  # type: ignore[arg-type]
            target = target_of(labels, self.planes)
            weight = None if weights is None else self.weight_of(labels)
            for row in range(edges[image], edges[image + 1]):
                items[row] = self.cut(stored, positions[row, 1:], mirror=True)
                targets[row] = self.cut(target, positions[row, 1:], mirror=False)
                if weights is not None and weight is not None:
                    weights[row] = self.cut(weight, positions[row, 1:], mirror=True)
        return items, targets, weights, broken

    def weight_of(self, labels: LabelMap) -> np.ndarray:
        """1×H×W: the weights of the pixels of an image."""
        objects = labels.instances
        objects = regions_of_classes(labels.classes, self.labels.classes.background) if objects is None else objects
        return touching_weights(objects, self.touching)[None]

    def cut(self, planes: np.ndarray, corner: np.ndarray, mirror: bool) -> np.ndarray:
        """C×S×S from a corner; an image that is smaller is mirrored, or its labels are filled with IGNORE."""
        top, left = corner
        part = planes[:, top : top + self.size, left : left + self.size]
        down, across = self.size - part.shape[1], self.size - part.shape[2]
        if not down and not across:
            return part
        if mirror:
            return mirrored(torch.from_numpy(part.astype(np.float32))[None], self.size, self.size)[0].numpy()
        return np.pad(part, ((0, 0), (0, down), (0, across)), constant_values=IGNORE)


def target_of(labels: LabelMap, planes: int) -> np.ndarray:
    """planes×H×W uint8: the class map; for instances also borders and distances."""
    if planes == 1 or labels.instances is None:
        return labels.classes[None]
    return np.stack([labels.classes, *border_and_distance(labels.instances)])
