"""The values of one label file, counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from isthmus.jobs.segmentation.classes import ROWS, codes_of, packed, unpacked
from isthmus.jobs.segmentation.labels.sources import Raw


@dataclass
class FileStats:
    """pixels: of each value, colors as `packed`, without void ones. channels: 1, or 3 of colors. bits: of a value.

    parts: connected parts of equal values besides 0, where they were counted. objects: numbers of objects that the file
    separates apart from its values, or None. void: pixels without a class.
    """

    file: str
    pixels: dict[int, int]
    channels: int = 1
    bits: int = 8
    palette: list[int] | None = None
    alpha: bool = False
    several: bool = False
    parts: int | None = None
    objects: int | None = None
    void: int = 0

    @property
    def colorful(self) -> bool:
        """Whether a pixel has a color, not a gray in three channels."""
        return self.channels == 3 and any(len(set(unpacked(code))) > 1 for code in self.pixels)

    def colors(self) -> Mapping[int, int]:
        """The pixels of each color: of gray the gray color, of a palette its colors; −1 for values above 255."""
        if self.channels == 3:
            return self.pixels
        colors = Counter[int]()
        for code, count in self.pixels.items():
            color = (*self.palette[3 * code : 3 * code + 3], 0, 0, 0)[:3] if self.palette else (code, code, code)
            colors[packed(color) if code < 256 else -1] += count
        return colors

    def values(self) -> Mapping[int, int]:
        """The pixels of each value: of gray in three channels the gray level, of a palette the index."""
        return self.pixels if self.channels == 1 else {code & 255: count for code, count in self.pixels.items()}


def count_values(raw: Raw) -> Counter[int]:
    """The pixels of each value, colors as `packed`, without void ones; counted in bands, to bound memory."""
    pixels = Counter[int]()
    for top in range(0, len(raw.values), ROWS):
        rows = slice(top, top + ROWS)
        codes = codes_of(raw.values[rows])
        codes = codes if raw.void is None else codes[~raw.void[rows]]
        pixels.update(dict(zip(*(each.tolist() for each in np.unique(codes, return_counts=True)), strict=True)))
    return pixels


def stats_of(raw: Raw, file: str, count_parts: bool, ignore: int | None = None) -> FileStats:
    """count_parts: count the connected parts also of two values in 8 bits, and of palettes; never those of `ignore`."""
    pixels = dict(sorted(count_values(raw).items()))
    channels, bits = 3 if raw.values.ndim == 3 else 1, 8 * raw.values.dtype.itemsize
    stats = FileStats(file, pixels, channels, bits, raw.palette, raw.alpha, raw.several)
    stats.void = 0 if raw.void is None else int(raw.void.sum())
    if raw.instances is not None:
        stats.objects = len(np.setdiff1d(raw.instances, [0]))
    elif not stats.colorful and (count_parts or (raw.palette is None and (len(pixels) > 2 or bits > 8))):
        from skimage.measure import label

        numbers = raw.values if raw.values.ndim == 2 else raw.values[..., 0]
        numbers = numbers if ignore is None else np.where(numbers == ignore, 0, numbers)
        stats.parts = int(label(numbers, background=0, connectivity=2).max())
    return stats
