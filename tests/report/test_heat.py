"""A heatmap keeps normal pixels gray and colors the excess over the threshold."""

from __future__ import annotations

import numpy as np
import pytest

from isthmus.report.heat import LINE, contour, heated

RAMP = np.arange(256, dtype=np.uint8)[None].repeat(8, 0)


def test_normal_values_stay_gray_and_larger_values_are_colored() -> None:
    values = np.array([0, 0.5, 1, 1.1, 1.5, 2, 3, 100.0])[:, None].repeat(256, 1)
    hot = np.asarray(heated(RAMP, values, normal=1.0, hottest=3.0).convert("RGB"), int)
    assert hot.shape == (8, 256, 3)
    assert (hot[:3].max(2) == hot[:3].min(2)).all()
    assert np.abs(hot[:3, :, 0] - RAMP[:3]).max() <= 3  # a hundred grays
    assert (hot[3:, 128].max(1) > hot[3:, 128].min(1) + 20).all()
    away = np.abs(hot[3:] - RAMP[3:, :, None]).sum((1, 2))
    assert (np.diff(away) >= 0).all()
    assert (hot[6] == hot[7]).all()


def test_a_contour_goes_around_the_mask() -> None:
    mask = np.zeros((10, 12), bool)
    mask[2:7, :5] = True
    hot = np.asarray(heated(np.zeros((10, 12), np.uint8), np.zeros((10, 12)), 1.0, 2.0, mask).convert("RGB"))
    line = (hot == LINE).all(2)
    assert (line == contour(mask, 1)).all()
    assert line[1, :5].all()
    assert line[7, :5].all()
    assert line[2:7, 5].all()
    assert line.sum() == 15
    assert contour(mask, 2).sum() == 30


@pytest.mark.parametrize("values", [np.full((4, 4), np.nan), np.full((4, 4), np.inf), np.zeros((4, 4))])
def test_a_map_that_is_no_map_is_drawn_all_the_same(values: np.ndarray) -> None:
    assert heated(np.zeros((4, 4), np.uint8), values, normal=0.0, hottest=0.0).size == (4, 4)
