"""A map of numbers as colors over the picture that it is of."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from PIL import Image

from isthmus.report.pictures import Array

HEATS, GRAYS = 10, 14  # colors, each over so many grays; where nothing is colored there are the rest of 256, less LINE
LINE = (0, 255, 255)  # of the contour: the color that is furthest from all of the heat's
CLEAR = 256 - HEATS * GRAYS - 1


def heated(gray: Array, values: Array, normal: float, hottest: float, mask: Array | None = None) -> Image.Image:
    """A picture, H×W uint8, with H×W numbers over it as colors, and the contour of the mask, H×W bool.

    Up to `normal` there is no color; from there on it becomes denser and brighter up to `hottest`. NaN is hottest. Of
    256 colors in all: the file is a third as large as in full color, and packed in a tenth of the time.
    """
    scale = HEATS / max(hottest - normal, 1e-12)
    heat = np.nan_to_num(np.ceil((values - normal) * scale), nan=HEATS).clip(0, HEATS).astype(np.uint16)
    index, palette = tables()
    pixels = index.take(heat * 256 + gray)
    if mask is not None and mask.any():
        pixels[rim(mask, max(1, min(mask.shape) // 300))] = 255
    hot = Image.fromarray(pixels)
    hot.putpalette(palette)
    return hot


def rim(mask: Array, width: int) -> Array:
    """H×W bool: the pixels around a mask, at most so far from it, so that nothing in it is hidden."""
    around, (height, across) = np.pad(mask, width), mask.shape
    shifted = [
        around[width + down : width + down + height, width + right : width + right + across]
        for down, right in ((-width, 0), (width, 0), (0, -width), (0, width))
    ]
    return np.asarray(np.logical_or.reduce(shifted) & ~mask)


@lru_cache(maxsize=1)
def tables() -> tuple[Array, bytes]:
    """(which color is shown, by heat · 256 + gray; the colors, red, green and blue of each)."""
    from matplotlib import colormaps

    heat, gray = np.divmod(np.arange(256 * (HEATS + 1)), 256)
    index = np.where(heat == 0, gray * CLEAR // 256, CLEAR + (heat - 1) * GRAYS + gray * GRAYS // 256)
    share = heat / HEATS
    ink = 255 * colormaps["plasma"](0.35 + 0.65 * share)[:, :3]
    cover = np.where(heat == 0, 0, 0.3 + 0.45 * share)[:, None]
    shades = np.where(heat == 0, CLEAR, GRAYS)
    below = 255 * (gray * shades // 256 / (shades - 1))[:, None]
    palette = np.zeros((256, 3), np.uint8)
    palette[index] = np.rint(below * (1 - cover) + ink * cover)
    palette[255] = LINE
    return index.astype(np.uint8), palette.tobytes()
