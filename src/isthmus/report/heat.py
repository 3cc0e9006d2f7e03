"""A map of numbers as colours over the picture that it is of."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from isthmus.report.pictures import Array, to_image


def heated(picture: Array, values: Array, level: float) -> Array:
    """A picture C×H×W with H×W numbers over it as colours: 3×H×W uint8, gray below so that the colours are the map's.

    Clear at 0, dark red at `level`, over yellow to white at four times it.
    """
    places = np.clip(values * (255 / 4 / max(level, 1e-12)), 0, 255).astype(np.uint8)
    ink, through = tables()
    below = np.asarray(to_image(picture).convert("L"), np.float32) * through[places]
    return np.stack([(below + channel[places]).astype(np.uint8) for channel in ink])


@lru_cache(maxsize=1)
def tables() -> tuple[Array, Array]:
    """(the colour that each of 256 numbers adds, 3×256; the share of the picture that it lets through)."""
    from matplotlib import colormaps

    colours = colormaps["inferno"](np.linspace(0.2, 1, 256))[:, :3]
    cover = np.clip(np.linspace(0, 4, 256), 0, 1) * 0.75
    return np.asarray((255 * colours * cover[:, None]).T, np.float32), np.asarray(1 - cover, np.float32)
