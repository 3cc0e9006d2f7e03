"""The patches of labeled images that a training sees: all of each image, rare classes often enough."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from isthmus.data.patches import corners
from isthmus.metrics.segmentation import IGNORE

OFTEN = 1 / 3  # share of the patches that contain a rare class
EMPTY = 2  # patches of background for each patch with a foreground class, at most
SPOTS = 64  # pixels of each class of an image that patches may be placed around


class PatchChoice:
    """Chooses the positions of patches of `size` pixels; images are added one by one, then `positions` answers.

    Each image contributes the patches of a grid that covers it. Patches of background alone are thinned out to EMPTY
    for each other one. A class (not the background) in fewer than OFTEN of the patches, or in its share of all where
    several are rare, gets more, placed at random around its pixels.
    """

    def __init__(self, size: int, classes: int, background: int | None = 0, seed: int = 0) -> None:
        self.size, self.classes = size, classes
        self.foreground = [number for number in range(classes) if number != background]
        self.random = np.random.RandomState(seed)  # the only stream that numpy guarantees not to change
        self.grid: list[tuple[int, int, int]] = []  # (image, top, left)
        self.contains: list[np.ndarray] = []  # the classes of each patch of the grid, bool
        self.spots: list[list[tuple[int, int, int]]] = [[] for _ in range(classes)]  # (image, row, column)
        self.sizes: list[tuple[int, int]] = []

    def add(self, labels: np.ndarray) -> None:
        """The class map H×W of the next image."""
        image = len(self.sizes)
        height, width = labels.shape
        self.sizes.append((height, width))
        for top, left in corners(height, width, self.size).tolist():
            self.grid.append((image, top, left))
            self.contains.append(self.classes_in(labels[top : top + self.size, left : left + self.size]))
        flat = labels.ravel()
        for number in self.foreground:
            found = np.flatnonzero(flat == number)
            if len(found):
                chosen = found[self.random.randint(len(found), size=min(SPOTS, len(found)))]
                rows, columns = np.unravel_index(np.unique(chosen), labels.shape)
                self.spots[number] += [(image, int(r), int(c)) for r, c in zip(rows, columns, strict=True)]

    def classes_in(self, labels: np.ndarray) -> np.ndarray:
        counts = np.bincount(labels.ravel(), minlength=IGNORE + 1)[: self.classes]
        return counts > 0

    def positions(self, most: int) -> np.ndarray:
        """N×3, (image, top, left), ascending and without repetition; at most `most`, but one for each image."""
        grid, contains = np.array(self.grid), np.array(self.contains).reshape(len(self.grid), self.classes)
        rows = self.thinned(grid, contains, most)
        wanted = self.wanted(contains[rows].sum(0), len(rows))
        if (total := len(rows) + sum(wanted)) > most:  # leaves room for the rare classes
            rows = self.thinned(grid, contains, most * len(rows) // total)
            wanted = self.wanted(contains[rows].sum(0), len(rows))
        chosen = dict.fromkeys(map(tuple, grid[rows].tolist()))
        for number, missing in enumerate(wanted):
            for _ in range(4 * missing):  # some positions are chosen already
                if missing <= 0 or len(chosen) >= max(most, len(self.sizes)):
                    break
                position = self.around(*self.spots[number][self.random.randint(len(self.spots[number]))])
                if position not in chosen:
                    chosen[position] = None
                    missing -= 1
        return np.array(sorted(chosen), np.int64).reshape(-1, 3)

    def thinned(self, grid: np.ndarray, contains: np.ndarray, most: int) -> np.ndarray:
        """The rows of the grid to keep, ascending."""
        shuffled = self.random.permutation(len(grid))
        foreground = np.asarray(contains[:, self.foreground].any(1))
        drawn = foreground[shuffled]
        empty, full = shuffled[~drawn], shuffled[drawn]
        if len(full):
            empty = empty[: max(EMPTY * len(full), len(self.sizes))]
        order = self.random.permutation(np.concatenate([full, empty]))
        first = self.first_of_each(grid, shuffled)
        kept = np.concatenate([first, order[~np.isin(order, first)]])
        return np.sort(kept[: max(most, len(first))])

    def first_of_each(self, grid: np.ndarray, shuffled: np.ndarray) -> np.ndarray:
        """One patch of each image."""
        _, index = np.unique(grid[shuffled, 0], return_index=True)
        return shuffled[index]

    def wanted(self, counts: np.ndarray, total: int) -> Sequence[int]:
        """The number of patches that each class lacks to be in its share of all patches afterwards."""
        present = [bool(spots) for spots in self.spots]
        rare = [number for number in self.foreground if present[number] and counts[number] < OFTEN * total]
        if not rare:
            return [0] * self.classes
        share = min(OFTEN, 1 / (len(rare) + 1))
        lacking = np.zeros(self.classes)
        for _ in range(16):  # the patches that are added count, too
            lacking[rare] = np.maximum(0, share * (total + lacking.sum()) - counts[rare])
        return [int(np.ceil(each)) for each in lacking]

    def around(self, image: int, row: int, column: int) -> tuple[int, int, int]:
        """A random patch that contains the pixel."""
        corner = []
        for place, length in zip((row, column), self.sizes[image], strict=True):
            low, high = max(0, place - self.size + 1), max(0, min(place, length - self.size))
            corner.append(int(self.random.randint(min(low, high), high + 1)))
        return image, corner[0], corner[1]
