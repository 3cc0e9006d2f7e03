"""The recipe of binary codes."""

from __future__ import annotations

from isthmus.autoencoder import Autoencoder
from isthmus.recipes import recipe
from isthmus.recipes.builders import dense
from isthmus.types import Shape
from isthmus_hashing.bottleneck import Bits


@recipe("gray", "color", "table", job="hashing", epochs=30)
def binary(shape: Shape, code: Shape = (16,), *, units: int = 128) -> Autoencoder:
    """A code of bits, for search by Hamming distance.

    code: bits
    units: of the hidden layer
    """
    return dense(shape, code, Bits, widths=(units,))
