"""Heatmap of an anomaly map over its image."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from PIL import Image

from isthmus.report.pictures import Array

HEATS, GRAYS = 10, 14  # heat colors, and gray levels under each; uncolored pixels have the rest of 256, less LINE
LINE = (0, 255, 255)  # color of the contour: the furthest from all heat colors
CLEAR = 256 - HEATS * GRAYS - 1


def heated(gray: Array, values: Array, normal: float, hottest: float, mask: Array | None = None) -> Image.Image:
    """An image, H×W uint8, with H×W values over it as colors, and the contour of the mask, H×W bool.

    Values up to `normal` have no color; above, color becomes denser and brighter up to `hottest`. NaN is hottest. With
    256 colors the file is a third as large as in full color, and compressed in a tenth of the time.
    """
    scale = HEATS / max(hottest - normal, 1e-12)
    heat = np.nan_to_num(np.ceil((values - normal) * scale), nan=HEATS).clip(0, HEATS).astype(np.uint16)
    index, palette = tables()
    pixels = index.take(heat * 256 + gray)
    if mask is not None and mask.any():
        pixels[contour(mask, max(1, min(mask.shape) // 300))] = 255
    hot = Image.fromarray(pixels)
    hot.putpalette(palette)
    return hot


def contour(mask: Array, width: int) -> Array:
    """H×W bool: the pixels outside of a mask, up to `width` away, so that no pixel in it is hidden."""
    around, (height, across) = np.pad(mask, width), mask.shape
    shifted = [
        around[width + down : width + down + height, width + right : width + right + across]
        for down, right in ((-width, 0), (width, 0), (0, -width), (0, width))
    ]
    return np.asarray(np.logical_or.reduce(shifted) & ~mask)


@lru_cache(maxsize=1)
def tables() -> tuple[Array, bytes]:
    """(index of the color by heat · 256 + gray, palette of 256 RGB colors)."""
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
