"""The axes of arrays of images."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.media.array_axes import from_images, image_axes, to_images


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((20, 30), "HW"),
        ((20, 30, 1), "HWC"),
        ((20, 30, 2), "HWC"),
        ((20, 30, 4), "HWC"),
        ((3, 20, 4), "HWC"),
        ((1, 20, 30), "CHW"),
        ((3, 20, 30), "CHW"),
        ((4, 20, 30), "CHW"),
        ((2, 20, 30), "NHW"),
        ((5, 20, 30), "NHW"),
        ((5, 2, 20, 30), "NCHW"),
        ((5, 3, 20, 3), "NCHW"),
        ((5, 20, 30, 3), "NHWC"),
        ((5, 20, 30, 5), ""),
        ((5, 0, 30), ""),
        ((30,), ""),
        ((), ""),
    ],
)
def test_axes(shape: tuple[int, ...], axes: str) -> None:
    assert image_axes(shape) == axes


@given(st.lists(st.integers(1, 7), min_size=2, max_size=4))
def test_images_of_an_array_and_back(shape: list[int]) -> None:
    array = np.arange(np.prod(shape)).reshape(shape)
    if axes := image_axes(array.shape):
        images = to_images(array, axes)
        assert images.ndim == 4
        assert images.shape[-1] <= 4
        assert np.array_equal(from_images(images, axes), array)
