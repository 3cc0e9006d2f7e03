"""Text to draw: words that mean nothing, in the font that comes with Pillow."""

from __future__ import annotations

import string
from functools import lru_cache
from typing import Any

import numpy as np
from PIL import ImageFont

LETTERS = np.array(list(string.ascii_letters + string.digits + ".,-&@©"))


@lru_cache(maxsize=64)
def font(size: int) -> Any:
    return ImageFont.load_default(size)


def words(random: np.random.Generator, letters: int) -> str:
    """`letters` letters in all, in words of 2 to 9."""
    line = LETTERS[random.integers(len(LETTERS), size=letters)]
    place = int(random.integers(2, 10))
    while place < letters - 2:
        line[place] = " "
        place += int(random.integers(3, 11))
    return "".join(line)
