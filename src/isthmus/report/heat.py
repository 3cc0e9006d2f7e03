"""A map of numbers as colours over the picture that it is of."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from isthmus.report.pictures import Array, to_image


def warm(values: Array, level: float) -> Array:
    """H×W numbers as H×W×4 colours in [0, 1]: clear at 0, dark red at `level`, over yellow to white at four times it.

    The last is how much they cover.
    """
    share = np.clip(values / max(level, 1e-12) / 4, 0, 1)
    return np.asarray(colours()[np.rint(share * 255).astype(np.uint8)])


@lru_cache(maxsize=1)
def colours() -> Array:
    from matplotlib import colormaps

    table = colormaps["inferno"](np.linspace(0.2, 1, 256))
    table[:, 3] = np.clip(np.linspace(0, 4, 256), 0, 1) * 0.75
    return np.asarray(table)


def over(picture: Array, colour: Array) -> Array:
    """A picture C×H×W with H×W×4 colours laid over it: 3×H×W uint8, gray below so that the colours are the map's."""
    below = np.asarray(to_image(picture).convert("L"), np.float32)[..., None] / 255
    cover = colour[..., 3:]
    return np.rint(255 * (below * (1 - cover) + colour[..., :3] * cover)).astype(np.uint8).transpose(2, 0, 1)
