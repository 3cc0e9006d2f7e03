"""Outlines of masks: polygons that fill to the same mask."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.runs import mask_of_polygons
from scipy import ndimage

from isthmus.media.contours import polygons_of

RANDOM = np.random.default_rng(0)


def masks(count: int) -> list[np.ndarray]:
    """Random masks of all sizes: noise, full of holes and touching corners, and smooth blobs."""
    made = []
    for number in range(count):
        height, width = RANDOM.integers(1, 40, 2)
        noise = RANDOM.random((height, width))
        made.append(ndimage.gaussian_filter(noise, 2) > 0.5 if number % 2 else noise < RANDOM.choice([0.2, 0.5, 0.8]))
    return made


@pytest.mark.parametrize("mask", masks(60))
def test_polygons_fill_to_the_same_mask(mask: np.ndarray) -> None:
    assert np.array_equal(mask_of_polygons(polygons_of(mask), *mask.shape), mask)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("mask", masks(60))
def test_pycocotools_reads_the_same_mask(mask: np.ndarray) -> None:
    coco = pytest.importorskip("pycocotools.mask")
    polygons = [list(map(float, polygon)) for polygon in polygons_of(mask)]
    if not mask.any():
        assert polygons == []
        return
    runs = coco.merge(coco.frPyObjects(polygons, *mask.shape))
    assert np.array_equal(coco.decode(runs).astype(bool), mask)


def test_a_rectangle_has_four_corners() -> None:
    mask = np.zeros((9, 12), bool)
    mask[2:5, 3:10] = True
    (polygon,) = polygons_of(mask)
    assert sorted(zip(polygon[::2], polygon[1::2], strict=True)) == [(3, 2), (3, 5), (10, 2), (10, 5)]


def test_a_hole_is_part_of_the_polygon_of_its_object() -> None:
    mask = np.ones((6, 6), bool)
    mask[2:4, 2:4] = False
    (polygon,) = polygons_of(mask)
    assert np.array_equal(mask_of_polygons([polygon], 6, 6), mask)
