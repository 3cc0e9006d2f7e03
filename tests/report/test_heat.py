"""A map over a picture: clear where there is nothing to see, and hotter as it gets worse."""

from __future__ import annotations

import numpy as np
import pytest

from isthmus.report.heat import heated


def test_what_is_clear_stays_gray_and_what_is_worst_is_bright() -> None:
    picture = np.linspace(0, 1, 256)[None, None].repeat(8, 1)  # 1×8×256
    values = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 100.0])[:, None].repeat(256, 1)
    hot = np.asarray(heated(picture, values, level=1.0).convert("RGB"), int)
    assert hot.shape == (8, 256, 3)
    assert (hot[0].max(1) == hot[0].min(1)).all()
    assert np.abs(hot[0, :, 0] - np.arange(256)).max() <= 4  # 64 grays
    assert (np.diff(hot[0, :, 0]) >= 0).all()
    assert (hot[2, :, 0] > hot[2, :, 1] + 20).all()  # at the level of good ones: red
    assert (np.diff(hot[1:, 0].sum(1)) >= 0).all()
    assert (hot[6] == hot[7]).all()


@pytest.mark.parametrize("values", [np.full((4, 4), np.nan), np.full((4, 4), np.inf), np.zeros((4, 4))])
def test_a_map_that_is_no_map_is_drawn_all_the_same(values: np.ndarray) -> None:
    assert heated(np.zeros((3, 4, 4), np.uint8), values, level=0.0).size == (4, 4)
