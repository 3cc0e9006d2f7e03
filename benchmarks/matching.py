"""Images that show a part of another one, in gray or color, at half to twice its size.

Patches with detail in every direction are searched for at every position of the known images, at a quarter of the size,
by the correlation of high frequencies. The best candidates are compared again with larger patches at half of the size.
A match is two patches that correlate and have the same distance in both images: a single edge, corner or frame occurs
in many images. Rotated and mirrored copies are not detected.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

RATIOS = tuple(2 ** (step / 4) for step in range(-4, 5))  # of the known picture's size over the other's
CHANGES = (0.92, 0.96, 1.0, 1.04, 1.08)  # between two ratios
SQUARE, NUMBERS = 16, 32  # pixels of a side at a quarter of the size, and the principal components that stand for it
GRID = 6  # cells to each side of a picture, of each of which one square is searched for
FRAME = 0.03  # of each side of a picture that no square shows: it may be a frame
BEST = 6  # squares of a picture that are compared again, for each candidate
APART, SLACK = 8, 3  # pixels at a quarter of the size between two squares of a match, and by which they may disagree
LARGE = 48  # pixels at half of the size, of the squares that decide
CANDIDATES = 40  # known pictures and ratios that are compared again, for each picture

Matches = list[tuple[tuple[int, int], tuple[int, int]]]  # corners in the picture and in the known picture


@dataclass
class Known:
    """Squares at all positions of the known pictures at a quarter of their size, as their principal components."""

    basis: Tensor
    rows: list[tuple[Path, Tensor]]
    widths: Tensor  # positions in a row of each


def gray(path: Path) -> Tensor:
    """H×W in [0, 1]."""
    from isthmus.media.image_reader import read_picture

    picture = torch.from_numpy(np.asarray(read_picture(path), np.float32)) / 255
    return (picture * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(0) if len(picture) == 3 else picture[0]


def resized(picture: Tensor, factor: float) -> Tensor:
    size = [max(1, round(side * factor)) for side in picture.shape]
    return F.interpolate(picture[None, None], size, mode="bilinear", antialias=True)[0, 0]


def fine(picture: Tensor) -> Tensor:
    """A picture without its blur over 9×9 pixels, and smoothed, so that half a pixel of shift is no matter."""
    smooth, blurred = (
        F.avg_pool2d(picture[None, None], side, 1, side // 2, count_include_pad=False) for side in (3, 9)
    )
    return (smooth - blurred)[0, 0]


def framed(picture: Tensor) -> Tensor:
    """A picture without its margin."""
    top, left = (round(FRAME * side) for side in picture.shape)
    return picture[top : picture.shape[0] - top, left : picture.shape[1] - left]


@lru_cache(maxsize=1024)
def at_half(path: Path) -> Tensor:
    return fine(resized(gray(path), 0.5))


def squares(picture: Tensor) -> Tensor:
    """N×SQUARE²: the squares at all positions of a picture, each of length 1; flat ones shorter."""
    found = F.unfold(picture[None, None], SQUARE)[0].T
    return found / found.norm(dim=1, keepdim=True).clamp(min=0.1)


def learned(paths: Iterable[Path]) -> Known:
    small = [(path, fine(resized(gray(path), 0.25))) for path in paths]
    small = [one for one in small if min(one[1].shape) >= SQUARE]
    sample = torch.cat([squares(picture)[::211] for _, picture in small])
    basis = torch.linalg.svd(sample, full_matrices=False)[2][:NUMBERS].T.contiguous()
    rows = [(path, squares(picture) @ basis) for path, picture in small]
    return Known(basis, rows, torch.tensor([picture.shape[1] - SQUARE + 1 for _, picture in small]))


def textured(picture: Tensor) -> list[tuple[int, int]]:
    """The corners of the squares with the most detail in the direction that has least, one in each cell of a grid."""
    down, right = torch.gradient(picture)
    a, b, c = (F.avg_pool2d(one[None, None], SQUARE, 1)[0, 0] for one in (down**2, down * right, right**2))
    power = (a + c) / 2 - (((a - c) / 2) ** 2 + b**2).sqrt()  # the smaller eigenvalue (Shi and Tomasi 1994)
    found = []
    for top, rows in starts(power.tensor_split(GRID)):
        for left, cell in starts(rows.tensor_split(GRID, 1), 1):
            if cell.numel():
                row, column = divmod(int(cell.argmax()), cell.shape[1])
                found.append((top + row, left + column))
    return found


def starts(parts: Sequence[Tensor], dim: int = 0) -> Iterator[tuple[int, Tensor]]:
    """Each part of a tensor that was split, and the index where it begins."""
    begin = 0
    for part in parts:
        yield begin, part
        begin += part.shape[dim]


def paired(values: Tensor, corners: Tensor, found: Tensor, scale: int = 1) -> Tensor:
    """N: the best value that two squares of a row have that are apart and have been moved alike; -1 where none are.

    values: N×K; corners, found: N×K×2, in the picture and in the known one, `scale` times as large as at a quarter.
    """
    moved = found - corners
    apart, change = ((one[:, :, None] - one[:, None]).abs().amax(3) for one in (corners, moved))
    both = torch.minimum(values[:, :, None], values[:, None])
    return both.where((apart >= APART * scale) & (change <= SLACK * scale), -1.0).amax((1, 2))


def around(picture: Tensor, middle: tuple[int, int], side: int) -> tuple[Tensor, Tensor]:
    """The square of that side (or the part of it that exists) around a position, moved into the picture; its corner."""
    top, left = (max(0, min(at - side // 2, edge - side)) for at, edge in zip(middle, picture.shape, strict=True))
    return picture[top : top + side, left : left + side], torch.tensor([top, left])


def compared(seen: Tensor, half: Tensor, corner: tuple[int, int], found: tuple[int, int]) -> tuple[float, Tensor]:
    """The best correlation of a larger square with those near the first look's: that, and 2×2, both corners.

    seen, half: the pictures at half of their size; corner, found: of the squares at a quarter.
    """
    side = min(LARGE, *seen.shape, *half.shape)
    square, start = around(seen, (2 * corner[0] + SQUARE, 2 * corner[1] + SQUARE), side)
    near, begin = around(half, (2 * found[0] + SQUARE, 2 * found[1] + SQUARE), side + 4 * SLACK)
    product = F.conv2d(near[None, None], square[None, None])[0, 0]
    power = F.avg_pool2d(near[None, None].square(), side, 1)[0, 0] * side**2
    alike = product / (power * square.square().sum()).sqrt().clamp(min=0.1)
    return float(alike.max()), torch.stack([start, begin + torch.tensor(divmod(int(alike.argmax()), alike.shape[1]))])


def search(known: Known, path: Path) -> list[dict[str, Any]]:
    """The known pictures that are most like a picture at two places, and how much at the second; the best first."""
    picture, rows = gray(path), dict[Path, dict[str, Any]]()
    for score, number, ratio, matches in likely(known, picture):
        source = known.rows[number][0]
        for change in CHANGES:
            seen = framed(fine(resized(picture, 0.5 * ratio * change)))
            values, corners = [], []
            for corner, found in matches:
                row, column = (round((start + SQUARE / 2) * change - SQUARE / 2) for start in corner)
                value, both = compared(seen, at_half(source), (row, column), found)
                values.append(value)
                corners.append(both)
            moved = torch.stack(corners)[None]
            correlation = float(paired(torch.tensor([values]), moved[:, :, 0], moved[:, :, 1], 2))
            if correlation > rows.get(source, {"correlation": 0.0})["correlation"]:
                size = round(ratio * change, 2)
                rows[source] = {"known": source, "size": size, "first_look": score, "correlation": correlation}
    return sorted(rows.values(), key=lambda row: -row["correlation"])


def likely(known: Known, picture: Tensor) -> list[tuple[float, int, float, Matches]]:
    """By the first look: the correlation of two squares, the known picture, the ratio, and the best squares."""
    best: list[tuple[float, int, float, Matches]] = []
    for ratio in RATIOS:
        small = framed(fine(resized(picture, 0.25 * ratio)))
        if min(small.shape) < SQUARE or len(places := textured(small)) < 2:
            continue
        asked = torch.stack([small[top : top + SQUARE, left : left + SQUARE].flatten() for top, left in places])
        vectors = (asked / asked.norm(dim=1, keepdim=True).clamp(min=0.1) @ known.basis).T.contiguous()
        looks = [(rows @ vectors).max(0) for _, rows in known.rows]
        values, cells = torch.stack([one.values for one in looks]).topk(min(BEST, len(places)), 1)
        at = torch.stack([one.indices for one in looks]).gather(1, cells)
        found = torch.stack([at // known.widths[:, None], at % known.widths[:, None]], 2)
        corners = torch.tensor(places)[cells]
        scores = paired(values, corners, found)
        for number in scores.topk(min(CANDIDATES, len(scores))).indices.tolist():
            pairs = zip(corners[number].tolist(), found[number].tolist(), strict=True)
            best.append((float(scores[number]), number, ratio, [((a, b), (c, d)) for (a, b), (c, d) in pairs]))
    return sorted((one for one in best if one[0] > 0), key=lambda one: -one[0])[:CANDIDATES]
