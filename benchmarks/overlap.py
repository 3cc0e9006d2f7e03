"""Test images that were trained on, in full or in part: python benchmarks/overlap.py

Compares every test image with every training image of ISTHMUS_DATA by matching.py. Writes results/overlap.json, and
stops at an image that is neither in LEARNED (training images that training plans leave out) nor in TESTED (test images
that are left out of the means named _apart).
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

DATA = Path(os.environ.get("ISTHMUS_DATA", "data"))
XRAYS, XRAYS_LEARNED = "covid_xray48/images", 36  # of which the first are trained on
PHOTOS = ("train400", "bsd400_color", "photos_cc", "t91")
TESTS = ("set5", "set12", "set14", "cbsd68", "classic5", "kodak24")  # bsd68 is cbsd68 in gray
GROUPS = ((PHOTOS, TESTS), ((XRAYS,), (XRAYS,)))  # trained on, and tested
SAME = 0.88  # a correlation, between those of the same pictures (0.91 and more) and of the rest (0.85 and less)

LEARNED: dict[str, tuple[str, ...]] = {"bsd400_color": ("302003", "12003"), "train400": ("test_020",)}
TESTED: dict[str, tuple[str, ...]] = {"set5": ("woman_GT",), "set12": ("04",)}


def without(names: dict[str, tuple[str, ...]], folder: str, paths: Iterable[Path]) -> list[Path]:
    """The paths of a set but for those that `names` has."""
    return [path for path in paths if path.stem not in names.get(folder, ())]


def pictures(name: str, test: bool = False) -> list[Path]:
    found = sorted(path for path in (DATA / name).glob("*") if path.suffix in (".png", ".jpg", ".bmp", ".jpeg"))
    if name == XRAYS:
        return found[XRAYS_LEARNED:] if test else found[:XRAYS_LEARNED]
    return found


def called(name: str, path: Path) -> str:
    return f"{name.partition('/')[0]}/{path.stem}"


def look(group: int, sets: Sequence[str]) -> tuple[list[dict[str, Any]], int, int]:
    """The rows of these test sets beside the training sets of a group; how many pictures of both there are."""
    from matching import learned, search

    names = {path: called(name, path) for name in GROUPS[group][0] for path in pictures(name)}
    known, rows, count = learned(names), [], 0
    for name in sets:
        paths = pictures(name, test=True)
        count += len(paths)
        for path in paths:
            for row in search(known, path):
                rows.append({"test": called(name, path), "training": names[row.pop("known")], **row})
        print(f"{name}: {len(paths)} pictures", flush=True)
    return rows, count, len(known.rows)


def record(rows: list[dict[str, Any]], tested: int, trained_on: int, seconds: float) -> None:
    """results/overlap.json. SystemExit for a picture that LEARNED or TESTED lacks."""
    from common import write
    from matching import LARGE

    rows = sorted(rows, key=lambda row: -row["correlation"])
    same = [row for row in rows if row["correlation"] >= SAME]
    write(
        "overlap",
        f"{tested} test pictures beside {trained_on} training pictures, gray, at half to twice the size; correlation: "
        f"of the second of two squares of {LARGE} pixels at half the size, without their blur, that lie as far apart "
        f"in both; from {SAME} on it is the same picture",
        same,
        seconds,
        nearest_of_the_rest=[row for row in rows if row["correlation"] < SAME][:8],
    )
    for names, side in ((LEARNED, "training"), (TESTED, "test")):
        known = {f"{name}/{stem}" for name, stems in names.items() for stem in stems}
        if missing := {row[side] for row in same} - known:
            raise SystemExit(f"{Path(__file__).name}: does not name yet: {', '.join(sorted(missing))}")


def main() -> None:
    began = time.perf_counter()
    found = [look(group, sets) for group, (_, sets) in enumerate(GROUPS)]
    rows = [row for one, *_ in found for row in one]
    record(rows, sum(one[1] for one in found), sum(one[2] for one in found), time.perf_counter() - began)


if __name__ == "__main__":
    main()
