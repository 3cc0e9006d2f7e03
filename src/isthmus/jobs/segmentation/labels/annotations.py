"""Helpers of the readers of COCO and LabelMe: pictures found by name, and label maps painted object by object."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from isthmus.errors import BadInput
from isthmus.jobs.segmentation.labels.names import listed
from isthmus.jobs.segmentation.labels.sources import Raw
from isthmus.media.rle import Part


class Names:
    """Pictures by their relative name, else by the file name, with or without regard to the suffix."""

    def __init__(self, images: Sequence[str]) -> None:
        self.exact = set(images)
        self.ends: dict[str, list[str]] = {}
        for name in images:
            for key in {PurePosixPath(name).name, PurePosixPath(name).stem}:
                self.ends.setdefault(key, []).append(name)

    def find(self, file: str) -> str | None:
        """The picture of this name, or of the only one with this file name; else None."""
        path = PurePosixPath(file.replace("\\", "/"))
        if str(path) in self.exact:
            return str(path)
        found = self.ends.get(path.name) or self.ends.get(path.stem) or []
        return found[0] if len(found) == 1 else None


class Canvas:
    """A label map and the numbers of its objects, painted object by object on the value `empty`."""

    def __init__(self, height: int, width: int, empty: int) -> None:
        self.empty = empty
        self.values = np.full((height, width), empty, np.int32)
        self.instances = np.zeros((height, width), np.int32)
        self.void: np.ndarray | None = None
        self.numbers: dict[Any, int] = {}

    def add(self, part: Part, value: int, group: Any = None) -> None:
        """Paint an object above the others; parts of one group are one object."""
        number = self.numbers.setdefault(object() if group is None else group, len(self.numbers) + 1)
        self.values[part.box][part.mask] = value
        self.instances[part.box][part.mask] = 0 if value == self.empty else number

    def ignore(self, part: Part) -> None:
        """Pixels without a class, unless an object lies there."""
        self.void = np.zeros(self.values.shape, bool) if self.void is None else self.void
        self.void[part.box] |= part.mask

    def raw(self) -> Raw:
        return Raw(self.values, self.instances, None if self.void is None else self.void & (self.instances == 0))


def none_there(path: Path, files: Sequence[str], images: Sequence[str]) -> BadInput:
    """The error of annotations that name none of the pictures."""
    named = f"names {listed(files)}" if files else "names no picture"
    return BadInput(f"{path}: {named}, of which none is there; there are {listed(images) or 'no pictures'}")
