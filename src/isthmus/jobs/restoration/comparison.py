"""What stands beside a restored picture: how far it is from the truth, and a picture of before and after."""

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
from isthmus.media.image_file import Photo
from isthmus.media.png_tiff_writer import write_png
from isthmus.media.resize import to_channels, to_depth
from isthmus.metrics import ssim, y_plane

AT_ONCE = 2**20  # pixels that are drawn together
PART = 128  # the side of what is measured together: a little more, and it takes four times as long
GAP = 8  # white pixels between pictures that stand side by side


def scores(picture: np.ndarray, truth: np.ndarray, place: np.ndarray | None = None) -> dict[str, float]:
    """psnr (dB, peak 1) and ssim of H×W×C; psnr_in_mask too, of the pixels where `place`, H×W bool, is true.

    A part at a time: the sums are those of the whole. A gray picture is compared with the luma of the truth. Raises
    BadInput where the sizes differ.
    """
    same_size(picture, truth)
    height, width, channels = picture.shape
    window = min(11, height - (height % 2 == 0), width - (width % 2 == 0))
    down, across = height - window + 1, width - window + 1  # places of the window
    likeness = error = inside = 0.0
    for top, left in product(range(0, down, PART), range(0, across, PART)):
        high, wide = min(PART, down - top), min(PART, across - left)
        seen = slice(top, top + high + window - 1), slice(left, left + wide + window - 1)
        pair = [as_unit(whole[seen], channels) for whole in (picture, truth)]
        likeness += high * wide / (down * across) * float(ssim(*pair)[0])
        # Each pixel is counted in one part; the last one of a row or column answers for its end.
        own = slice(high if top + high < down else None), slice(wide if left + wide < across else None)
        squares = (pair[0] - pair[1])[0, :, *own].double().square().sum(0)
        error += float(squares.sum())
        if place is not None:
            inside += float(squares[torch.from_numpy(place[seen][own])].sum())
    found = {"psnr": decibels(error, height * width * channels), "ssim": likeness}
    if place is not None and place.any():
        found["psnr_in_mask"] = decibels(inside, int(place.sum()) * channels)
    return found


def scores_y(picture: np.ndarray, truth: np.ndarray, border: int) -> dict[str, float]:
    """psnr_y and ssim_y of H×W×C, as metrics has them, in as little memory as scores; none where all is border."""
    same_size(picture, truth)
    inner = slice(border, -border or None)
    pair = [np.ascontiguousarray(y8(whole, picture.shape[-1])[inner, inner]) for whole in (picture, truth)]
    return {f"{name}_y": value for name, value in scores(*pair).items()} if pair[0].size else {}


def y8(picture: np.ndarray, channels: int) -> np.ndarray:
    """The luma of H×W×C, of which the truth may have another number, as H×W×1 uint8."""
    found = np.empty((*picture.shape[:2], 1), np.uint8)
    for top in range(0, len(found), 64):
        rows = slice(top, top + 64)
        found[rows, :, 0] = (y_plane(as_unit(picture[rows], channels)).clamp(0, 1) * 255).round()[0, 0].numpy()
    return found


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
    planes = to_channels(np.moveaxis(rows, -1, 0), channels)
    values = torch.from_numpy(np.ascontiguousarray(planes, np.float32))[None]
    return values / np.iinfo(rows.dtype).max if rows.dtype.kind == "u" else values


def caption(name: str, figures: dict[str, float]) -> str:
    psnr, likeness = (figures.get(key, figures.get(f"{key}_y")) for key in ("psnr", "ssim"))
    return name if psnr is None else f"{name}  {psnr:.2f} dB  SSIM {likeness:.3f}"


def write_comparison(path: Path, panels: Sequence[tuple[str, Photo]]) -> Path:
    """Pictures of one size side by side as a PNG of 8 bits, each under its words; tiny ones are enlarged."""
    height, width = panels[0][1].size
    by = max(1, 256 // max(height, width))
    words = heading([name for name, _ in panels], width * by, max(12, min(64, height * by // 30)))
    channels = max(photo.pixels.shape[-1] for _, photo in panels)

    def stripes() -> Iterator[np.ndarray]:
        yield np.repeat(words[..., None], channels, -1)
        rows = max(1, AT_ONCE // (width * by * by))
        for top in range(0, height, rows):
            parts = [part8(photo, slice(top, top + rows), channels) for _, photo in panels]
            gap = np.full((len(parts[0]) * by, GAP, channels), 255, np.uint8)
            larger = [part.repeat(by, 0).repeat(by, 1) for part in parts]
            yield np.concatenate([piece for part in larger for piece in (part, gap)][:-1], 1)

    whole = len(panels) * (width * by + GAP) - GAP
    with atomic(path) as temporary:
        write_png(temporary, stripes(), height * by + len(words), whole)
    return path


def part8(photo: Photo, rows: slice, channels: int) -> np.ndarray:
    planes = to_channels(np.moveaxis(to_depth(photo.pixels[rows], np.dtype(np.uint8)), -1, 0), channels)
    return np.moveaxis(planes, 0, -1)


def heading(words: Sequence[str], width: int, size: int) -> np.ndarray:
    """The words, black on white, each at the left of its picture."""
    from PIL import Image, ImageDraw, ImageFont

    sheet = Image.new("L", (len(words) * (width + GAP) - GAP, size * 3 // 2), 255)
    for place, text in enumerate(words):
        own = Image.new("L", (width, sheet.height), 255)
        font: Any = ImageFont.load_default(size)
        ImageDraw.Draw(own).text((0, size // 5), text, fill=0, font=font)
        sheet.paste(own, (place * (width + GAP), 0))
    return np.asarray(sheet)
