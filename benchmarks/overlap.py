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
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

DATA = Path(os.environ.get("ISTHMUS_DATA", "data"))
XRAYS, XRAYS_LEARNED = "covid_xray48/images", 36  # of which the first are trained on
PHOTOS = ("train400", "bsd400_color", "photos_cc", "t91")
TESTS = ("set5", "set12", "set14", "cbsd68", "classic5", "kodak24")  # bsd68 is cbsd68 in gray
GROUPS = ((PHOTOS, TESTS), ((XRAYS,), (XRAYS,)))  # trained on, and tested
RATIOS = tuple(2 ** (step / 4) for step in range(-4, 5))  # of the training picture's size over the test picture's
CHANGES = (0.92, 0.96, 1.0, 1.04, 1.08)  # between two ratios
SQUARE, NUMBERS = 16, 32  # pixels of a side at a quarter of the size, and the principal components that stand for it
GRID = 4  # cells to each side of a test picture, of each of which one square is looked for
LARGE = 48  # pixels at half of the size, of the squares that decide
SLACK = 6  # pixels at half of the size by which the first look may be off
CANDIDATES = 40  # training pictures and ratios that are compared again, for each test picture
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
    """A picture without its blur over 9×9 pixels, and smoothed, so that half a pixel of shift is no matter."""
    smooth, blurred = (
        F.avg_pool2d(picture[None, None], side, 1, side // 2, count_include_pad=False) for side in (3, 9)
    )
    return (smooth - blurred)[0, 0]


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


def textured(picture: Tensor) -> list[tuple[int, int]]:
    """The corners of the squares with the largest sum of squares, one in each cell of a grid."""
    power = F.avg_pool2d(picture[None, None].square(), SQUARE, 1)[0, 0]
    found = []
    for top, rows in starts(power.tensor_split(GRID)):
        for left, cell in starts(rows.tensor_split(GRID, 1), 1):
            if cell.numel():
                down, right = divmod(int(cell.argmax()), cell.shape[1])
                found.append((top + down, left + right))
    return found


def starts(parts: Sequence[Tensor], dim: int = 0) -> Iterator[tuple[int, Tensor]]:
    """Each part of a tensor that was split, and the place where it begins."""
    begin = 0
    for part in parts:
        yield begin, part
        begin += part.shape[dim]


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
    """The training pictures that are most like a test picture at two places or more, and how much at the second."""
    picture, rows = gray(path), {}
    for score, number, scale, matches in likely(known, picture):
        source = known.rows[number][1]
        for change in CHANGES:
            seen = fine(resized(picture, 0.5 * scale * change))
            alike = []
            for place, found in matches:
                moved = [round((start + SQUARE / 2) * change - SQUARE / 2) for start in place]
                alike.append(compared(seen, source, (moved[0], moved[1]), found))
            row = {
                "test": f"{name.partition('/')[0]}/{path.stem}",
                "training": f"{known.rows[number][0].partition('/')[0]}/{source.stem}",
                "size": round(scale * change, 2),
                "first_look": score,
                "correlation": sorted(alike)[-2],
            }
            if row["correlation"] > rows.get(row["training"], {"correlation": -1})["correlation"]:
                rows[row["training"]] = row
    return list(rows.values())


Places = list[tuple[tuple[int, int], tuple[int, int]]]  # in the test picture and in the training picture


def likely(known: Known, picture: Tensor) -> list[tuple[float, int, float, Places]]:
    """By the first look: the second best correlation, the training picture, the ratio, and the best places."""
    best: list[tuple[float, int, float, Places]] = []
    for ratio in RATIOS:
        small = fine(resized(picture, 0.25 * ratio))
        if min(small.shape) < SQUARE or len(places := textured(small)) < 2:
            continue
        asked = torch.stack([small[top : top + SQUARE, left : left + SQUARE].flatten() for top, left in places])
        vectors = (asked / asked.norm(dim=1, keepdim=True).clamp(min=0.1) @ known.basis).T.contiguous()
        found = [(rows @ vectors).max(0) for *_, rows in known.rows]
        values, at = torch.stack([one.values for one in found]), torch.stack([one.indices for one in found])
        order = values.argsort(1, descending=True)
        second = values.gather(1, order[:, 1:2])[:, 0]
        for number in second.topk(min(CANDIDATES, len(second))).indices.tolist():
            matches = [
                (places[cell], divmod(int(at[number, cell]), known.widths[number]))
                for cell in order[number, :4].tolist()
            ]
            best.append((float(second[number]), number, ratio, matches))
    return sorted(best, key=lambda one: -one[0])[:CANDIDATES]


def look(group: int, sets: Sequence[str]) -> tuple[list[dict[str, Any]], int, int]:
    """The rows of these test sets beside the training sets of a group; how many pictures of both there are."""
    known, rows, count = learned(GROUPS[group][0]), [], 0
    for name in sets:
        paths = pictures(name, test=True)
        count += len(paths)
        for path in paths:
            rows += search(known, name, path)
        print(f"{name}: {len(paths)} pictures", flush=True)
    return rows, count, len(known.rows)


def record(rows: list[dict[str, Any]], tested: int, trained_on: int, seconds: float) -> None:
    """results/overlap.json. SystemExit for a picture that LEARNED or TESTED lacks."""
    from common import write

    rows = sorted(rows, key=lambda row: -row["correlation"])
    same = [row for row in rows if row["correlation"] >= SAME]
    write(
        "overlap",
        f"{tested} test pictures beside {trained_on} training pictures, gray, at half to twice the size; correlation: "
        f"of the second best of four squares of {LARGE} pixels at half the size, without their blur; from {SAME} on it "
        "is the same picture",
        same,
        seconds,
        nearest_of_the_rest=[row for row in rows if row["correlation"] < SAME][:8],
    )
    for names, side in ((LEARNED, "training"), (TESTED, "test")):
        told = {f"{name}/{stem}" for name, stems in names.items() for stem in stems}
        if missing := {row[side] for row in same} - told:
            raise SystemExit(f"{Path(__file__).name}: does not name yet: {', '.join(sorted(missing))}")


def main() -> None:
    began = time.perf_counter()
    found = [look(group, sets) for group, (_, sets) in enumerate(GROUPS)]
    rows = [row for one, *_ in found for row in one]
    record(rows, sum(one[1] for one in found), sum(one[2] for one in found), time.perf_counter() - began)


if __name__ == "__main__":
    main()
