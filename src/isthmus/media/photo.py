"""Photo: the pixels of an image with its alpha, its further channels and its metadata."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from isthmus.media.metadata import NOTHING, Info
from isthmus.media.npy_images import Stored


@dataclass(frozen=True)
class Photo:
    """An image. pixels: H×W×C uint8 or uint16, C of 1 (gray) or 3 (color), upright. alpha: H×W, same dtype, or None.

    Pixels of an array, or of a TIFF in units, are of any dtype. range: the values of black and white; None: inferred by
    `own_range`. done: the processing in one word ("denoised"), for a format that records it. stated: whether the file
    states its bit depth, so that its pixels are scaled to a white of 65535. bands: H×W×E of the same dtype, channels
    besides color and alpha, such as near infrared, or None. stored: axes and dtype in a .npy file.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None = None
    info: Info = NOTHING
    done: str = ""
    bands: np.ndarray | None = None
    range: tuple[float, float] | None = None
    stated: bool = False
    stored: Stored | None = None

    @property
    def deep(self) -> bool:
        return bool(self.pixels.dtype != np.uint8)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.pixels.shape[0], self.pixels.shape[1]

    @property
    def extras(self) -> list[str]:
        """Kinds of the samples besides color, by tifffile's names."""
        bands = 0 if self.bands is None else self.bands.shape[-1]
        return ["unassalpha"] * (self.alpha is not None) + ["unspecified"] * bands

    def samples(self, rows: slice = slice(None), bands: bool = True) -> np.ndarray:
        """h×W×S: the pixels of these rows, then alpha, then the bands."""
        parts = [self.pixels[rows]]
        parts += [self.alpha[rows, :, None]] if self.alpha is not None else []
        parts += [self.bands[rows]] if self.bands is not None and bands else []
        return np.concatenate(parts, -1) if len(parts) > 1 else parts[0]

    def stripes(self, bands: bool = True) -> Iterator[np.ndarray]:
        """The samples, about a megabyte at a time."""
        height = max(1, 2**20 // self.pixels[0].nbytes)
        tops = range(0, self.size[0], height)
        return (self.samples(slice(top, top + height), bands) for top in tops)

    def replace(self, **changes: Any) -> Photo:
        return replace(self, **changes)
