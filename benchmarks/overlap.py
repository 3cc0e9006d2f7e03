"""Pictures of test sets that were trained on, whole or in part: python benchmarks/overlap.py

Every test picture is compared with every training picture of ISTHMUS_DATA, gray beside color, at sizes from a half to
twice its own. Squares of it are looked for at every place of the training pictures, at a quarter of their size, by the
correlation of what a blur leaves out; the likeliest are compared again with larger squares at half of the size, where
alone a match counts. Not found are turned and mirrored copies. Writes results/overlap.json, and stops where it finds a
picture that LEARNED (training pictures, for plans of a training to leave out) or TESTED (test pictures, for means
without them) do not name.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

DATA = Path(os.environ.get("ISTHMUS_DATA", "data"))
PHOTOS = (("train400", "bsd400_color", "photos_cc", "t91"), ("set5", "set12", "set14", "bsd68", "cbsd68", "classic5"))
XRAYS, XRAYS_LEARNED = "covid_xray48/images", 36  # of which the first are trained on
GROUPS = ((PHOTOS[0], (*PHOTOS[1], "kodak24")), ((XRAYS,), (XRAYS,)))  # trained on, and tested
RATIOS = tuple(2 ** (step / 6) for step in range(-6, 7))  # of the training picture's size over the test picture's
CHANGES = (0.95, 0.975, 1.0, 1.025, 1.05)  # between two ratios
SQUARE, NUMBERS = 16, 32  # pixels of a side at a quarter of the size, and the principal components that stand for it
SQUARES = 5  # of a test picture at each ratio: the most textured
LARGE = 48  # pixels at half of the size, of the squares that decide
SLACK = 6  # pixels at half of the size by which the first look may be off
CANDIDATES = 150  # squares of each test picture that are compared again
SAME = 0.85  # a correlation, between those of the same pictures and of the rest

LEARNED: dict[str, tuple[str, ...]] = {"bsd400_color": ("302003", "12003"), "train400": ("test_020",)}
TESTED: dict[str, tuple[str, ...]] = {"set5": ("woman_GT",), "set12": ("04",)}


def without(names: dict[str, tuple[str, ...]], folder: str, paths: Iterable[Path]) -> list[Path]:
    """The paths of a set but for those that `names` has."""
    return [path for path in paths if path.stem not in names.get(folder, ())]


@dataclass
class Known:
    """Squares at all places of the training pictures at a quarter of their size, as their principal components."""

    basis: Tensor
    rows: list[tuple[str, Path, Tensor]]
    widths: list[int]  # places in a row of each


def pictures(name: str, test: bool = False) -> list[Path]:
    found = sorted(path for path in (DATA / name).glob("*") if path.suffix in (".png", ".jpg", ".bmp", ".jpeg"))
    if name == XRAYS:
        return found[XRAYS_LEARNED:] if test else found[:XRAYS_LEARNED]
    return found


def gray(path: Path) -> Tensor:
    """H×W in [0, 1]."""
    from isthmus.data.pictures import read_picture

    picture = torch.from_numpy(np.asarray(read_picture(path), np.float32)) / 255
    return (picture * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(0) if len(picture) == 3 else picture[0]


def resized(picture: Tensor, factor: float) -> Tensor:
    size = [max(1, round(side * factor)) for side in picture.shape]
    return F.interpolate(picture[None, None], size, mode="bilinear", antialias=True)[0, 0]


def fine(picture: Tensor) -> Tensor:
    """A picture without its blur over 7×7 pixels."""
    return picture - F.avg_pool2d(picture[None, None], 7, 1, 3, count_include_pad=False)[0, 0]


def squares(picture: Tensor) -> Tensor:
    """N×SQUARE²: the squares at all places of a picture, each of length 1; flat ones shorter."""
    found = F.unfold(picture[None, None], SQUARE)[0].T
    return found / found.norm(dim=1, keepdim=True).clamp(min=0.1)


def learned(sets: tuple[str, ...]) -> Known:
    small = [(name, path, fine(resized(gray(path), 0.25))) for name in sets for path in pictures(name)]
    small = [one for one in small if min(one[2].shape) >= SQUARE]
    sample = torch.cat([squares(picture)[::211] for *_, picture in small])
    basis = torch.linalg.svd(sample, full_matrices=False)[2][:NUMBERS].T.contiguous()
    rows = [(name, path, squares(picture) @ basis) for name, path, picture in small]
    return Known(basis, rows, [picture.shape[1] - SQUARE + 1 for *_, picture in small])


def textured(picture: Tensor, side: int, count: int) -> list[tuple[int, int]]:
    """The corners of the `count` squares of a grid with the largest sum of squares."""
    power = F.avg_pool2d(picture[None, None].square(), side, 1)[0, 0][:: side // 2, :: side // 2]
    order = power.flatten().argsort(descending=True)[:count].tolist()
    return [(side // 2 * (at // power.shape[1]), side // 2 * (at % power.shape[1])) for at in order]


@lru_cache(maxsize=1024)
def at_half(path: Path) -> Tensor:
    """A picture without its blur at half its size."""
    return fine(resized(gray(path), 0.5))


def around(picture: Tensor, middle: tuple[float, float], side: int) -> Tensor:
    """The square of that side (or what there is of it) around a place, moved into the picture."""
    top, left = (
        max(0, min(round(at) - side // 2, edge - side)) for at, edge in zip(middle, picture.shape, strict=True)
    )
    return picture[top : top + side, left : left + side]


def compared(seen: Tensor, source: Path, place: tuple[int, int], found: tuple[int, int]) -> float:
    """The correlation at half the size of a larger square around `place` with the best one near `found`.

    place, found: corners of squares at a quarter of the size, of the test picture and of the training picture.
    """
    half = at_half(source)
    side = min(LARGE, *seen.shape, *half.shape)
    square = around(seen, (2 * place[0] + SQUARE, 2 * place[1] + SQUARE), side)
    near = around(half, (2 * found[0] + SQUARE, 2 * found[1] + SQUARE), side + 2 * SLACK)[None, None]
    product = F.conv2d(near, square[None, None])
    power = F.avg_pool2d(near.square(), side, 1) * side**2
    return float((product / (power * square.square().sum()).sqrt().clamp(min=0.1)).max())


def search(known: Known, name: str, path: Path) -> list[dict[str, Any]]:
    """The training pictures that are most like a test picture somewhere, and how much."""
    picture, asked, places = gray(path), [], []
    for ratio in RATIOS:
        small = fine(resized(picture, 0.25 * ratio))
        if min(small.shape) < SQUARE:
            continue
        for top, left in textured(small, SQUARE, SQUARES):
            square = small[top : top + SQUARE, left : left + SQUARE].flatten()
            asked.append(square / square.norm().clamp(min=0.1) @ known.basis)
            places.append((ratio, (top, left)))
    vectors = torch.stack(asked).T
    best = [(rows @ vectors).max(0) for *_, rows in known.rows]
    values, at = torch.stack([one.values for one in best]), torch.stack([one.indices for one in best])
    halves: dict[float, Tensor] = {}
    rows: dict[str, dict[str, Any]] = {}
    for flat in values.flatten().topk(min(CANDIDATES, values.numel())).indices.tolist():
        number, vector = divmod(flat, len(places))
        set_name, source, _ = known.rows[number]
        ratio, (top, left) = places[vector]
        found = divmod(int(at[number, vector]), known.widths[number])
        for change in CHANGES:
            scale = ratio * change
            if scale not in halves:
                halves[scale] = fine(resized(picture, 0.5 * scale))
            place = (round((top + SQUARE / 2) * change - SQUARE / 2), round((left + SQUARE / 2) * change - SQUARE / 2))
            row = {
                "test": f"{name.partition('/')[0]}/{path.stem}",
                "training": f"{set_name.partition('/')[0]}/{source.stem}",
                "size": round(scale, 2),
                "correlation": compared(halves[scale], source, place, found),
            }
            if row["correlation"] > rows.get(row["training"], {"correlation": 0})["correlation"]:
                rows[row["training"]] = row
    return list(rows.values())


def main() -> None:
    from common import write

    began, rows, counts = time.perf_counter(), [], [0, 0]
    for trained_on, tested in GROUPS:
        known = learned(trained_on)
        counts[1] += len(known.rows)
        for name in tested:
            paths = pictures(name, test=True)
            counts[0] += len(paths)
            for path in paths:
                rows += search(known, name, path)
            print(f"{name}: {len(paths)} pictures, {time.perf_counter() - began:.0f} s", flush=True)
    rows.sort(key=lambda row: -row["correlation"])
    write(
        "overlap",
        f"{counts[0]} test pictures beside {counts[1]} training pictures, gray, at half to twice the size; "
        f"correlation: the highest of a square of {LARGE} pixels at half the size, without its blur; from {SAME} on it "
        "is the same picture",
        [row for row in rows if row["correlation"] >= SAME],
        time.perf_counter() - began,
        nearest_of_the_rest=[row for row in rows if row["correlation"] < SAME][:8],
    )
    for names, side in ((LEARNED, "training"), (TESTED, "test")):
        told = {f"{name}/{stem}" for name, stems in names.items() for stem in stems}
        if missing := {row[side] for row in rows if row["correlation"] >= SAME} - told:
            raise SystemExit(f"{Path(__file__).name}: does not name yet: {', '.join(sorted(missing))}")


if __name__ == "__main__":
    main()
