"""COCO masks and files: round trips, and comparison with COCO's own tools."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from helpers.runs import mask_of_polygons, mask_of_runs, runs_of
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from isthmus.errors import BadInput
from isthmus.media.coco import Annotated, Region, read_coco, write_coco
from isthmus.media.rle import (
    pack,
    part_of_polygons,
    part_of_runs,
    runs_of_part,
    unpack,
)


def masks() -> list[np.ndarray]:
    random = np.random.default_rng(0)
    large = np.zeros((700, 900), bool)
    large[100:600, 200:800] = True
    shapes = [(1, 1), (1, 9), (9, 1), (13, 7), (40, 60)]
    some = [random.random(shape) < share for shape in shapes for share in (0, 0.05, 0.5, 1)]
    return [*some, large]


@pytest.mark.parametrize("mask", masks(), ids=str)
def test_run_lengths_round_trip(mask: np.ndarray) -> None:
    runs = runs_of(mask)
    assert unpack(pack(runs)) == runs
    assert (mask_of_runs(runs, *mask.shape) == mask).all()


@pytest.mark.parametrize("mask", masks(), ids=str)
@pytest.mark.parametrize("around", [(0, 0, 0, 0), (2, 3, 1, 4), (0, 0, 5, 0), (3, 0, 0, 0), (0, 1, 0, 1)])
def test_run_lengths_of_a_part_are_those_of_the_full_mask(mask: np.ndarray, around: tuple[int, int, int, int]) -> None:
    top, bottom, left, right = around
    full = np.pad(mask, ((top, bottom), (left, right)))
    assert runs_of_part(mask, top, left, *full.shape) == runs_of(full)
    if mask.any():
        assert Region.of(mask, "a", 0.5, (top, left), full.shape) == Region.of(full, "a", 0.5)
        assert Region.of(full, "a").area(*full.shape) == full.sum()


def test_run_lengths_are_those_of_cocos_own_tools() -> None:
    mask = np.zeros((20, 30), np.uint8)
    mask[3:9, 5:17] = 1
    mask[12:18, 1:4] = 1
    assert runs_of(mask)[:4] == [32, 6, 14, 6]  # down the columns
    assert pack(runs_of(mask)) == "P16>000;0E000000000000000000000Q8"  # as pycocotools packs it


def test_invalid_run_lengths_are_refused() -> None:
    with pytest.raises(BadInput, match="5 pixels for a mask of 2×2"):
        mask_of_runs([2, 3], 2, 2)
    with pytest.raises(BadInput, match="truncated"):
        unpack("P")
    with pytest.raises(BadInput, match="invalid character"):
        unpack("é")


def test_polygons_hold_the_pixels_whose_centers_they_hold() -> None:
    mask = mask_of_polygons([[1, 2, 4, 2, 4, 6, 1, 6], [5, 0, 8, 0, 5, 3]], 8, 10)
    expected = np.zeros((8, 10), bool)
    expected[2:6, 1:4] = True
    expected[0, 5:7] = expected[1, 5:6] = True
    assert (mask & ~expected).sum() <= 3  # centers on the slanted edge are of either side
    assert (mask[expected]).all()
    with pytest.raises(BadInput, match="polygon of 4 numbers"):
        mask_of_polygons([[1, 2, 3, 4]], 8, 8)


def test_a_file_round_trips_with_ids_in_any_order_crowds_and_scores(tmp_path: Path) -> None:
    mask = np.zeros((12, 16), bool)
    mask[2:5, 3:9] = True
    found = Region.of(mask, "crack", score=0.75)
    assert found.box == (3, 2, 6, 3)
    drawn = Region("hole", (1, 1, 4, 4), [[1.0, 1.0, 5.0, 1.0, 5.0, 5.0, 1.0, 5.0]])
    crowd = Region("hole", (0, 0, 16, 12), {"size": [12, 16], "counts": runs_of(mask)}, crowd=True)
    boxed = Region("crack", (2, 3, 4, 5))
    pictures = [Annotated("a.png", 12, 16, [found, drawn]), Annotated("ä/b.png", 12, 16, [crowd, boxed])]
    write_coco(tmp_path / "boxes.json", pictures, {90: "crack", 7: "hole"})
    assert read_coco(tmp_path / "boxes.json") == (pictures, {90: "crack", 7: "hole"})
    assert (found.mask(12, 16) == mask).all()
    assert (crowd.mask(12, 16) == mask).all()
    assert drawn.mask(12, 16).sum() == 16
    assert boxed.mask(12, 16).sum() == 20
    content = json.loads((tmp_path / "boxes.json").read_text())
    assert [one["area"] for one in content["annotations"]] == [18, 16, 18, 20]
    assert [one["iscrowd"] for one in content["annotations"]] == [0, 0, 1, 0]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"annotations": [{"id": 3, "image_id": 9, "category_id": 1, "bbox": [0, 0, 1, 1]}]}, "image 9 is not listed"),
        (
            {"annotations": [{"id": 3, "image_id": 1, "category_id": 9, "bbox": [0, 0, 1, 1]}]},
            "category 9 is not listed",
        ),
        ({"annotations": [{"id": 3, "image_id": 1, "category_id": 1, "bbox": [0, 0]}]}, "not a COCO annotation file"),
        ({"images": None}, "not a COCO annotation file"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, change: dict[str, object], told: str) -> None:
    content = {"images": [{"id": 1, "file_name": "a", "height": 2, "width": 2}], "annotations": []}
    content |= {"categories": [{"id": 1, "name": "a"}]}
    (tmp_path / "a.json").write_text(json.dumps(content | change))
    with pytest.raises(BadInput, match=told):
        read_coco(tmp_path / "a.json")
    with pytest.raises(BadInput, match="no category id"):
        write_coco(tmp_path / "b.json", [Annotated("a", 2, 2, [Region("x", (0, 0, 1, 1))])], {})
    with pytest.raises(BadInput, match="empty mask"):
        Region.of(np.zeros((2, 2)), "x")


@given(hnp.arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9))))
def test_the_part_of_run_lengths_holds_all_of_the_mask(mask: np.ndarray) -> None:
    part = part_of_runs(runs_of(mask), *mask.shape)
    assert (part.full(*mask.shape) == mask).all()
    assert part.mask.shape[1] <= np.ptp(np.flatnonzero(mask.any(0))) + 1 if mask.any() else part.mask.size == 0


def test_run_lengths_of_0_in_the_middle_are_read() -> None:
    assert mask_of_runs([0, 0, 2, 0, 1, 3], 2, 3).T.ravel().tolist() == [False, False, False, True, True, True]


@given(st.lists(st.lists(st.integers(-40, 130), min_size=6, max_size=6), min_size=1, max_size=3))
def test_polygons_that_leave_the_image_are_cut(polygons: list[list[int]]) -> None:
    shifted = [[number + 40 for number in polygon] for polygon in polygons]
    full = mask_of_polygons(shifted, 180, 180)[40:90, 40:100]
    assert (mask_of_polygons(polygons, 50, 60) == full).all()
    assert (part_of_polygons(polygons, 50, 60).full(50, 60) == full).all()
