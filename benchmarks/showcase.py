"""The image at the top of the README: python benchmarks/showcase.py -> docs/before_after.png

A photo (scikit-image's Chelsea, CC0) with white noise, a CT slice (pydicom's sample) with Poisson-Gaussian noise, and a
photo (scikit-image's coffee, CC0) with scratches; below each, the result of a shipped model without any option.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import skimage.data
from PIL import Image, ImageDraw
from pydicom import dcmread
from pydicom.data import get_testdata_file

import isthmus

SIDE, GAP = 288, 8
OUT = Path(__file__).parents[1] / "docs/before_after.png"


def square(pixels: np.ndarray, top: int, left: int, side: int) -> np.ndarray:
    """A square of a picture, as RGB of SIDE pixels."""
    part = Image.fromarray(pixels[top : top + side, left : left + side]).convert("RGB")
    return np.asarray(part.resize((SIDE, SIDE), Image.Resampling.LANCZOS))


def main() -> None:
    random = np.random.default_rng(0)
    photo = square(skimage.data.chelsea(), 10, 90, 280)
    noisy = np.clip(photo + random.normal(0, 25, photo.shape), 0, 255).round().astype(np.uint8)
    slice_ = dcmread(get_testdata_file("CT_small.dcm")).pixel_array.astype(float)
    low, high = np.percentile(slice_, (1, 99.5))
    clean = np.asarray(Image.fromarray(np.clip((slice_ - low) / (high - low) * 255, 0, 255).astype(np.uint8)))
    dose = 60.0  # photons of a white pixel
    ct = square(clean, 0, 0, 128)[..., 0]
    ct = np.clip(random.poisson(ct / 255 * dose) / dose * 255 + random.normal(0, 4, ct.shape), 0, 255)
    ct = ct.round().astype(np.uint8)
    whole = square(skimage.data.coffee(), 20, 120, 380)
    mask = Image.new("L", (SIDE, SIDE))
    pen = ImageDraw.Draw(mask)
    for _ in range(9):
        ends = random.integers(0, SIDE, 6).reshape(3, 2)
        pen.line([tuple(int(v) for v in end) for end in ends], fill=255, width=int(random.integers(2, 5)))
    scratches = np.asarray(mask) > 0
    scratched = np.where(scratches[..., None], np.uint8(245), whole)

    columns = [
        (noisy, isthmus.denoise(noisy)),
        (np.dstack([ct] * 3), np.dstack([isthmus.denoise(ct)] * 3)),
        (scratched, isthmus.inpaint(scratched, scratches)),
    ]
    page = np.full((2 * SIDE + GAP, 3 * SIDE + 2 * GAP, 3), 255, np.uint8)
    for column, pair in enumerate(columns):
        for row, picture in enumerate(pair):
            top, left = row * (SIDE + GAP), column * (SIDE + GAP)
            page[top : top + SIDE, left : left + SIDE] = picture
    Image.fromarray(page).quantize(256).save(OUT, optimize=True)


if __name__ == "__main__":
    main()
