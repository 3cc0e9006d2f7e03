"""What stands beside a restored picture: how far it is from the truth, and a picture of before and after."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from isthmus.data.fitting import to_channels, to_depth
from isthmus.data.lossless import write_png
from isthmus.data.photo import Photo
from isthmus.errors import BadInput
from isthmus.files import atomic
from isthmus.metrics import ssim

AT_ONCE = 2**20  # pixels that are looked at together
GAP = 8  # white pixels between pictures that stand side by side


def scores(picture: np.ndarray, truth: np.ndarray, place: np.ndarray | None = None) -> dict[str, float]:
    """psnr (dB, peak 1) and ssim of H×W×C; psnr_in_mask too, of the pixels where `place`, H×W bool, is true.

    A stripe at a time: the sums are those of the whole. A gray picture is compared with the luma of the truth. Raises
    BadInput where the sizes differ.
    """
    height, width, channels = picture.shape
    if truth.shape[:2] != (height, width):
        size = f"{truth.shape[1]}×{truth.shape[0]}"
        raise BadInput(f"the truth has {size} pixels, but the result {width}×{height}; the same size is accepted")
    window = min(11, height - (height % 2 == 0), width - (width % 2 == 0))
    positions, rows = height - window + 1, max(1, AT_ONCE // width)
    likeness = error = inside = 0.0
    for top in range(0, positions, rows):
        count = min(rows, positions - top)
        stripe = slice(top, top + count + window - 1)
        pair = [as_unit(part[stripe], channels) for part in (picture, truth)]
        likeness += count / positions * float(ssim(*pair)[0])
        own = count if top + count < positions else count + window - 1  # the last stripe answers for its end
        squares = (pair[0] - pair[1])[0, :, :own].double().square().sum(0)
        error += float(squares.sum())
        if place is not None:
            inside += float(squares[torch.from_numpy(place[top : top + own])].sum())
    found = {"psnr": decibels(error, height * width * channels), "ssim": likeness}
    if place is not None and place.any():
        found["psnr_in_mask"] = decibels(inside, int(place.sum()) * channels)
    return found


def decibels(squares: float, count: int) -> float:
    return -10 * math.log10(squares / count) if squares else math.inf


def as_unit(rows: np.ndarray, channels: int) -> Tensor:
    """h×W×C as 1×channels×h×W in [0, 1]."""
    planes = to_channels(np.moveaxis(rows, -1, 0), channels)
    values = torch.from_numpy(np.ascontiguousarray(planes, np.float32))[None]
    return values / np.iinfo(rows.dtype).max if rows.dtype.kind == "u" else values


def caption(name: str, figures: dict[str, float]) -> str:
    psnr, likeness = figures.get("psnr"), figures.get("ssim")
    return name if psnr is None else f"{name}  {psnr:.2f} dB  SSIM {likeness:.3f}"


def write_beside(path: Path, panels: Sequence[tuple[str, Photo]]) -> Path:
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
