"""The labeled sets: folders of links for a fixed split, and their images and masks as arrays."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

DATA = Path(os.environ.get("ISTHMUS_DATA", "data"))
NUCLEI, MEMBRANES, TILES = DATA / "dsb2018_256", DATA / "isbi2012_em/train", DATA / "magnetic_tile"
DEFECTS = ("MT_Blowhole", "MT_Break", "MT_Crack", "MT_Fray", "MT_Uneven")


def order(count: int) -> np.ndarray:
    """The fixed order (seed 0) by which a set is divided."""
    return np.random.RandomState(0).permutation(count)


def divided(names: Sequence[str], share: float = 0.8) -> tuple[list[str], list[str]]:
    """(training, test) names of a fixed split."""
    rows, count = order(len(names)), round(share * len(names))
    return [names[row] for row in sorted(rows[:count])], [names[row] for row in sorted(rows[count:])]


def folds(count: int, number: int = 5) -> list[tuple[list[int], list[int]]]:
    """(training, test) rows of contiguous folds: neighboring slices of a stack are alike, so none is in both."""
    parts = np.array_split(np.arange(count), number)
    return [([row for row in range(count) if row not in set(part.tolist())], part.tolist()) for part in parts]


def linked(files: Sequence[Path], folder: Path, names: Sequence[str] | None = None) -> Path:
    """A folder of links to the files."""
    folder.mkdir(parents=True, exist_ok=True)
    for path, name in zip(files, names or [file.name for file in files], strict=True):
        (folder / name).symlink_to(path.resolve())
    return folder
