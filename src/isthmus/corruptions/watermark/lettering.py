"""Random words, and the fonts of Pillow and matplotlib."""

from __future__ import annotations

import string
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ImageFont

LETTERS = np.array(list(string.ascii_letters + string.digits + ".,-&@©"))


@lru_cache(maxsize=64)
def font(size: int) -> Any:
    return ImageFont.load_default(size)


FACES = ("", "STIXGeneral.ttf", "STIXGeneralBol.ttf", "STIXGeneralItalic.ttf", "cmss10.ttf", "cmb10.ttf", "cmtt10.ttf")


def face(random: np.random.Generator) -> Any:
    """Pillow's sans serif in half of the cases, or another font, all of about the same size."""
    name = FACES[int(random.integers(1, len(FACES)))] if random.random() < 0.5 else ""
    return _file(name) if name else font(64)


@lru_cache
def _file(name: str) -> Any:
    import matplotlib

    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name, 64)


def words(random: np.random.Generator, letters: int) -> str:
    """`letters` random characters, in words of 2 to 9."""
    line = LETTERS[random.integers(len(LETTERS), size=letters)]
    space = int(random.integers(2, 10))
    while space < letters - 2:
        line[space] = " "
        space += int(random.integers(3, 11))
    return "".join(line)
