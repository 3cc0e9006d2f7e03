"""The preparation of images: channels, alpha, value ranges, and the stored patches."""

from __future__ import annotations

import numpy as np
import pytest

from isthmus.errors import BadInput, Note
from isthmus.jobs.segmentation.pixels import channels_of, check_normalize, planes_of, range_of, to_stored
from isthmus.media.file_content import Header
from isthmus.media.photo import Photo

RANDOM = np.random.default_rng(0)
COLOR = RANDOM.integers(0, 256, (5, 7, 3), np.uint8)


@pytest.mark.parametrize(
    ("headers", "gray", "expected"),
    [
        ([Header(5, 7, True, False)] * 2, None, 1),
        ([Header(5, 7, True, False), Header(5, 7, False, False)], None, 3),
        ([Header(5, 7, False, False)], True, 1),
        ([Header(5, 7, False, False, bands=1)] * 2, None, 4),
        ([Header(5, 7, False, False, bands=1), Header(5, 7, False, False)], None, 3),
        ([Header(5, 7, True, True, bands=4)], None, 5),
    ],
)
def test_the_channels_follow_from_the_files(headers: list[Header], gray: bool | None, expected: int) -> None:
    assert channels_of(headers, gray) == expected


def test_color_becomes_gray_and_gray_color() -> None:
    gray = planes_of(Photo(COLOR), 1, "x")
    assert gray.shape == (1, 5, 7)
    luma = COLOR @ np.array([0.299, 0.587, 0.114])
    assert np.abs(gray[0] - luma).max() <= 1
    color = planes_of(Photo(COLOR[..., :1]), 3, "x")
    assert (color == COLOR[..., 0]).all()


def test_all_bands_are_taken_in_order() -> None:
    bands = RANDOM.integers(0, 256, (5, 7, 2), np.uint8)
    planes = planes_of(Photo(COLOR, bands=bands), 5, "x")
    assert (np.moveaxis(planes, 0, -1) == np.concatenate([COLOR, bands], -1)).all()
    with pytest.warns(Note, match="x: 2 channels besides color are not used by this run of 3 channels"):
        assert planes_of(Photo(COLOR, bands=bands), 3, "x").shape == (3, 5, 7)
    with pytest.raises(BadInput, match=r"^x\.tif: has 3 channels, but this run takes 5$"):
        planes_of(Photo(COLOR), 5, "x.tif")


@pytest.mark.parametrize("channels", [1, 3])
def test_transparent_pixels_are_white_and_opaque_ones_unchanged(channels: int) -> None:
    alpha = np.full((5, 7), 255, np.uint8)
    alpha[2] = 0
    planes = planes_of(Photo(COLOR, alpha), channels, "x")
    opaque = planes_of(Photo(COLOR), channels, "x")
    assert (planes[:, 2] == 255).all()
    assert (planes[:, [0, 1, 3, 4]] == opaque[:, [0, 1, 3, 4]]).all()


def test_nan_is_refused_with_the_name_of_the_file() -> None:
    pixels = np.zeros((4, 4, 1), np.float32)
    pixels[1, 1] = np.nan
    with pytest.raises(BadInput, match=r"^a\.tif: holds NaN"):
        planes_of(Photo(pixels), 1, "a.tif")


def test_bytes_have_their_own_range_and_deeper_images_that_of_their_percentiles() -> None:
    values = np.arange(10_000, dtype=np.uint16).reshape(1, 100, 100)
    assert range_of(values.astype(np.uint8), "auto") == (0, 255)
    low, high = range_of(values, "auto")
    assert (low, high) == pytest.approx((100, 9979), abs=2)
    assert range_of(values, "image") == (low, high)
    assert range_of(values, "none") == (0, 65535)
    assert range_of(values[:, :50].astype(np.uint8), "image") != (0, 255)
    assert range_of(np.full((1, 4, 4), 7, np.uint16), "auto") == (0, 65535)  # a constant image


def test_stored_patches_keep_bytes_and_scale_all_others() -> None:
    assert to_stored(COLOR, (0.0, 255.0), deep=False) is COLOR
    assert (to_stored(COLOR, (0.0, 255.0), deep=True) == 257 * COLOR.astype(int)).all()
    values = np.array([[[0, 100, 300, 500, 900]]], np.uint16)
    assert to_stored(values, (100.0, 500.0), deep=True).tolist() == [[[0, 0, 32768, 65535, 65535]]]
    assert to_stored(values / np.float32(900), (0.0, 1.0), deep=False).tolist() == [[[0, 28, 85, 142, 255]]]


def test_an_unknown_normalization_is_refused() -> None:
    with pytest.raises(BadInput, match="unknown normalize 'percentile'"):
        check_normalize("percentile")
