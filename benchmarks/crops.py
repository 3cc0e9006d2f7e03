"""Color images of any size for a benchmark: seeded crops of real photos."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from PIL import Image


def crops(count: int, side: int) -> np.ndarray | None:
    """N×3×side×side seeded crops of the photos in ISTHMUS_DATA/bsd400_color, or None where they are not."""
    files = sorted(Path(os.environ.get("ISTHMUS_DATA", ""), "bsd400_color").glob("*.jpg"))
    if not files:
        print("no bsd400_color under ISTHMUS_DATA: its part is left out", flush=True)
        return None
    random = np.random.RandomState(0)
    whole = np.empty((count, 3, side, side), np.uint8)
    photos = [np.asarray(Image.open(file).convert("RGB")) for file in files]
    for place in range(count):
        photo = photos[place % len(photos)]
        top, left = (random.randint(length - side + 1) for length in photo.shape[:2])
        whole[place] = photo[top : top + side, left : left + side].transpose(2, 0, 1)
    return whole
