"""PSNR and SSIM of large images in bounded memory, and images of before and after side by side."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from isthmus.errors import BadInput
from isthmus.files import atomic
from isthmus.inference.result import Kind
from isthmus.media.bit_depth import full_range, own_range, rescale, to_shares
from isthmus.media.photo import Photo
from isthmus.media.png_tiff_writer import write_png
from isthmus.media.resize import to_channels, to_depth
from isthmus.metrics import ssim, y_plane

AT_ONCE = 2**20  # pixels drawn at a time
PART = 128  # side of the parts that are scored; slightly larger parts take four times as long
GAP = 8  # white pixels between images


def scores(picture: np.ndarray, truth: np.ndarray, region: np.ndarray | None = None) -> dict[str, float]:
    """psnr (dB, peak 1) and ssim of H×W×C; psnr_in_mask too, of the pixels where `place`, H×W bool, is true.

    Computed in parts with the result of a single pass. A gray image is compared with the luma of the truth. Raises
    BadInput if the sizes differ.
    """
    same_size(picture, truth)
    height, width, channels = picture.shape
    window = min(11, height - (height % 2 == 0), width - (width % 2 == 0))
    down, across = height - window + 1, width - window + 1  # positions of the SSIM window
    similarity = error = error_in_region = 0.0
    for top, left in product(range(0, down, PART), range(0, across, PART)):
        high, wide = min(PART, down - top), min(PART, across - left)
        window_of_part = slice(top, top + high + window - 1), slice(left, left + wide + window - 1)
        images = [as_unit(full_width[window_of_part], channels) for full_width in (picture, truth)]
        similarity += high * wide / (down * across) * float(ssim(*images)[0])
        # Each pixel is counted in one part; the last part of a row or column includes its end.
        owned = slice(high if top + high < down else None), slice(wide if left + wide < across else None)
        squares = (images[0] - images[1])[0, :, *owned].double().square().sum(0)
        error += float(squares.sum())
        if region is not None:
            error_in_region += float(squares[torch.from_numpy(region[window_of_part][owned])].sum())
    result = {"psnr": decibels(error, height * width * channels), "ssim": similarity}
    if region is not None and region.any():
        result["psnr_in_mask"] = decibels(error_in_region, int(region.sum()) * channels)
    return result


def scores_y(picture: np.ndarray, truth: np.ndarray, border: int) -> dict[str, float]:
    """psnr_y and ssim_y of H×W×C without a border, computed like scores; empty if nothing is left."""
    same_size(picture, truth)
    inner = slice(border, -border or None)
    images = [
        np.ascontiguousarray(luma_8bit(full_width, picture.shape[-1])[inner, inner]) for full_width in (picture, truth)
    ]
    return {f"{name}_y": value for name, value in scores(*images).items()} if images[0].size else {}


def luma_8bit(picture: np.ndarray, channels: int) -> np.ndarray:
    """The luma of H×W×C (or of a truth with another C) as H×W×1 uint8."""
    result = np.empty((*picture.shape[:2], 1), np.uint8)
    for top in range(0, len(result), 64):
        rows = slice(top, top + 64)
        result[rows, :, 0] = (y_plane(as_unit(picture[rows], channels)).clamp(0, 1) * 255).round()[0, 0].numpy()
    return result


def same_size(picture: np.ndarray, truth: np.ndarray) -> None:
    (height, width), (high, wide) = picture.shape[:2], truth.shape[:2]
    if (height, width) != (high, wide):
        raise BadInput(
            f"the truth has {wide}×{high} pixels, but the result {width}×{height}; the same size is accepted"
        )


def decibels(squares: float, count: int) -> float:
    return -10 * math.log10(squares / count) if squares else math.inf


def as_unit(rows: np.ndarray, channels: int) -> Tensor:
    """h×W×C as 1×channels×h×W in [0, 1]."""
    planes = np.ascontiguousarray(to_channels(np.moveaxis(rows, -1, 0), channels))
    return torch.from_numpy(to_shares(planes))[None]


def caption(name: str, figures: dict[str, float]) -> str:
    psnr, similarity = (figures.get(key, figures.get(f"{key}_y")) for key in ("psnr", "ssim"))
    return name if psnr is None else f"{name}  {psnr:.2f} dB  SSIM {similarity:.3f}"


def write_comparison(path: Path, panels: Sequence[tuple[str, Photo]]) -> Path:
    """Write images of one size side by side as an 8-bit PNG, with captions; tiny images are enlarged."""
    height, width = panels[0][1].size
    factor = max(1, 256 // max(height, width))
    captions = heading([name for name, _ in panels], width * factor, max(12, min(64, height * factor // 30)))
    channels = max(photo.pixels.shape[-1] for _, photo in panels)

    def stripes() -> Iterator[np.ndarray]:
        yield np.repeat(captions[..., None], channels, -1)
        rows = max(1, AT_ONCE // (width * factor * factor))
        for top in range(0, height, rows):
            parts = [rows_8bit(photo, slice(top, top + rows), channels) for _, photo in panels]
            gap = np.full((len(parts[0]) * factor, GAP, channels), 255, np.uint8)
            enlarged = [part.repeat(factor, 0).repeat(factor, 1) for part in parts]
            yield np.concatenate([piece for part in enlarged for piece in (part, gap)][:-1], 1)

    full_width = len(panels) * (width * factor + GAP) - GAP
    with atomic(path) as temporary:
        write_png(temporary, stripes(), height * factor + len(captions), full_width)
    return path


COMPARISON = Kind("-side-by-side.png", write_comparison)


def rows_8bit(photo: Photo, rows: slice, channels: int) -> np.ndarray:
    planes = to_channels(np.moveaxis(to_depth(photo.pixels[rows], np.dtype(np.uint8)), -1, 0), channels)
    return np.moveaxis(planes, 0, -1)


def heading(captions: Sequence[str], width: int, size: int) -> np.ndarray:
    """The captions, black on white, each at the left of its image."""
    from PIL import Image, ImageDraw, ImageFont

    sheet = Image.new("L", (len(captions) * (width + GAP) - GAP, size * 3 // 2), 255)
    for region, text in enumerate(captions):
        owned = Image.new("L", (width, sheet.height), 255)
        font: Any = ImageFont.load_default(size)
        ImageDraw.Draw(owned).text((0, size // 5), text, fill=0, font=font)
        sheet.paste(owned, (region * (width + GAP), 0))
    return np.asarray(sheet)


def as_8_bit(photo: Photo, comparison: Photo) -> Photo:
    """A photo in 8 bits, with the black and white of the photo that it is compared with."""
    range = comparison.range if photo.pixels.dtype == comparison.pixels.dtype else photo.range
    range = range or own_range(photo.pixels)
    return photo if range == full_range(photo.pixels.dtype) else Photo(rescale(photo.pixels, range, np.dtype(np.uint8)))
