"""Targets of instance training, and objects back from them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image
from scipy.ndimage import distance_transform_edt, gaussian_filter

from isthmus.jobs.segmentation.instances import (
    border_and_distance,
    connected,
    objects,
    to_edge,
    touching,
    touching_weights,
    without_small,
)
from isthmus.metrics.instances import average_precision_50, match

MAPS = arrays.arrays(np.int32, st.tuples(st.integers(1, 8), st.integers(1, 8)), elements=st.integers(0, 3))


def discs(*circles: tuple[int, int, int], size: int = 64) -> np.ndarray:
    rows, columns = np.mgrid[:size, :size]
    made = np.zeros((size, size), np.int32)
    for number, (down, right, radius) in enumerate(circles, 1):
        made[(rows - down) ** 2 + (columns - right) ** 2 <= radius**2] = number
    return made


def two() -> np.ndarray:
    """Two discs that meet in a straight line, between columns 31 and 32."""
    half = discs((32, 21, 13))
    half[:, 32:] = 0
    return half + 2 * half[:, ::-1]


TWO = two()


def back(instances: np.ndarray, min_area: int = 0) -> np.ndarray:
    """The objects of exact predictions."""
    border, distance = border_and_distance(instances)
    return objects((instances > 0).astype(np.float32), border.astype(np.float32), distance / np.float32(255), min_area)


def equal_up_to_numbers(one: np.ndarray, other: np.ndarray) -> bool:
    pairs = np.unique(np.stack([one.ravel(), other.ravel()]), axis=1)
    return len(set(pairs[0])) == len(set(pairs[1])) == pairs.shape[1]


def test_touching_objects_have_a_border_between_them_and_others_none() -> None:
    border, _ = border_and_distance(TWO)
    assert border.dtype == np.uint8
    assert set(border[32]) == {0, 1}
    assert np.flatnonzero(border[32]).tolist() == [31, 32]
    assert (np.argwhere(border)[:, 1].min(), np.argwhere(border)[:, 1].max()) == (31, 32)
    assert (border == border_and_distance(TWO.astype(np.uint16))[0]).all()
    apart = discs((32, 18, 12), (32, 46, 12))
    assert not border_and_distance(apart)[0].any()


def test_a_gap_of_one_pixel_is_border_too() -> None:
    gap = discs((32, 20, 12), (32, 44, 11))
    assert gap[32, 31:35].tolist() == [1, 1, 2, 2]
    gap[:, 32] = 0
    assert np.flatnonzero(border_and_distance(gap)[0][32]).tolist() == [32]
    gap[:, 33] = 0
    assert not border_and_distance(gap)[0][32].any()


def test_distance_is_the_share_of_the_largest_distance_in_the_object() -> None:
    _, distance = border_and_distance(TWO)
    for number in (1, 2):
        own = number == TWO
        exact = distance_transform_edt(own)
        assert np.abs(distance[own] - 255 * exact[own] / exact.max()).max() <= 0.51
    assert distance.max() == 255
    assert not distance[TWO == 0].any()


def test_the_frame_of_an_image_is_no_edge() -> None:
    half = np.ones((20, 20), np.int32)
    half[:, 12:] = 0
    _, distance = border_and_distance(half)
    assert (distance[:, 0] == 255).all()
    assert (border_and_distance(np.ones((5, 5), np.int32))[1] == 255).all()


@given(MAPS)
def test_any_map_has_targets_and_every_object_a_center(instances: np.ndarray) -> None:
    border, distance = border_and_distance(instances)
    assert set(np.unique(border)) <= {0, 1}
    assert ((distance > 0) == (instances > 0)).all()
    for number in np.unique(instances[instances > 0]):
        own = instances == number
        assert distance[own].max() == 255
        assert (border[own] == 0).any()


@example(np.array([[2, 0, 2, 2], [0, 2, 2, 2], [1, 2, 2, 2]], np.int32))  # a part that a corner alone connects
@given(MAPS)
def test_objects_of_exact_maps_cover_the_foreground(instances: np.ndarray) -> None:
    found = back(instances)
    assert found.dtype == np.int32
    assert ((found > 0) == (instances > 0)).all()
    assert set(np.unique(found[found > 0])) == set(range(1, found.max() + 1))


def test_to_edge_is_the_exact_distance() -> None:
    mask = np.random.default_rng(0).random((40, 50)) < 0.9
    assert np.allclose(to_edge(mask), distance_transform_edt(mask), atol=1e-5)
    assert (to_edge(np.ones((3, 3), bool)) == 1).all()


def test_two_touching_objects_are_found_again() -> None:
    assert equal_up_to_numbers(back(TWO), TWO)
    small = discs((10, 10, 3), (10, 17, 3), (40, 40, 12), (40, 55, 2))
    assert equal_up_to_numbers(back(small), small)


def test_distance_alone_or_border_alone_separates_too() -> None:
    border, distance = border_and_distance(TWO)
    mask, none = (TWO > 0).astype(np.float32), np.zeros(TWO.shape, np.float32)
    assert objects(mask, none, distance / np.float32(255)).max() == 2
    assert objects(mask, border.astype(np.float32), mask).max() == 2
    assert objects(mask, none, mask).max() == 1


def test_a_region_without_a_core_is_one_object_and_small_ones_are_removed() -> None:
    mask = np.zeros((20, 20), np.float32)
    mask[2:5, 2:5] = mask[10:16, 10:16] = 1
    none = np.zeros_like(mask)
    assert objects(mask, none, none).max() == 2
    found = objects(mask, none, none, min_area=10)
    assert found.max() == 1
    assert (found > 0).sum() == 36
    assert not objects(none, none, none).any()


def test_half_precision_and_another_threshold_are_accepted() -> None:
    maps = [np.where(TWO > 0, 0.4, 0.0), *border_and_distance(TWO)]
    maps = [maps[0], maps[1], maps[2] / 255]
    found = objects(*(each.astype(np.float16) for each in maps), threshold=0.3)
    assert equal_up_to_numbers(found, TWO)
    assert not objects(*(each.astype(np.float16) for each in maps)).any()


def test_a_cut_off_piece_of_an_object_is_no_object() -> None:
    """Where the border crosses an object, the piece without a center goes to the rest."""
    one = discs((32, 32, 20))
    border, distance = (each.astype(np.float32) for each in border_and_distance(one))
    border[:, 44] = 1
    assert objects((one > 0).astype(np.float32), border, distance / 255).max() == 1


def test_numbers_have_no_gaps_without_small_objects() -> None:
    instances = np.array([[1, 1, 0, 2, 7, 7]], np.int32)
    assert without_small(instances, 2).tolist() == [[1, 1, 0, 0, 2, 2]]
    assert without_small(instances, 0).tolist() == [[1, 1, 0, 2, 3, 3]]


def test_weights_are_those_of_the_paper() -> None:
    weights = touching_weights(TWO, w0=10, sigma=5)
    first, second = (distance_transform_edt(number != TWO) for number in (1, 2))
    exact = 1 + 10 * np.exp(-((first + second) ** 2) / 50)
    assert weights.dtype == np.float32
    assert np.abs(weights - exact).max() < 10 * np.exp(-8) + 1e-5
    assert weights[32, 31] > 10
    assert (touching_weights(discs((32, 32, 9))) == 1).all()
    assert (touching_weights(np.zeros((4, 4), np.int32)) == 1).all()


def test_regions_of_a_mask() -> None:
    mask = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 0], [0, 0, 1]], bool)
    assert connected(mask).dtype == np.int32
    assert connected(mask).max() == 2
    assert connected(mask, diagonal=False).max() == 3


def test_objects_that_touch_are_counted() -> None:
    assert touching(TWO) == 2
    assert touching(discs((32, 18, 12), (32, 46, 12))) == 0
    assert touching(np.array([[1, 0, 3], [0, 2, 0], [0, 0, 0], [4, 0, 5]])) == 3  # at a corner
    assert touching(np.array([[0, 1], [2, 0]])) == 2
    assert touching(np.zeros((2, 2), int)) == 0


def nuclei(folder: Path) -> list[np.ndarray]:
    files = sorted((folder / "dsb2018_256" / "labels").glob("*.png"))[::4]
    if not files:
        pytest.skip("no dsb2018_256")
    return [np.asarray(Image.open(file)).astype(np.int32) for file in files]


def test_nuclei_are_found_again_from_their_targets(real_data: Path) -> None:
    matches = [match(truth, back(truth)) for truth in nuclei(real_data)]
    assert average_precision_50(matches) >= 0.97
    assert np.mean([one.jaccard for one in matches]) >= 0.985


def test_nuclei_are_found_from_inexact_maps(real_data: Path) -> None:
    """Targets that are blurred and noisy, as a network predicts them."""
    random, matches = np.random.default_rng(0), []
    for truth in nuclei(real_data):
        border, distance = border_and_distance(truth)
        maps = [
            np.clip(
                gaussian_filter(each.astype(np.float32), 1) + gaussian_filter(random.normal(0, 0.3, each.shape), 1),
                0,
                1,
            )
            for each in (truth > 0, border, distance / 255)
        ]
        matches.append(match(truth, objects(*maps, min_area=8)))
    assert average_precision_50(matches) >= 0.97
