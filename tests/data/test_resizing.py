"""Pictures made to fit keep their white, their depth and their place."""

from __future__ import annotations

import numpy as np
from PIL import Image

from isthmus.data import read_picture
from isthmus.media import resize


def test_a_jpeg_is_decoded_small_when_that_is_enough(save) -> None:
    smooth = np.add.outer(np.arange(512), np.arange(768)).astype(np.float64)
    path = save((smooth / 5).astype(np.uint8), "a.jpg", quality=95)
    small = read_picture(path, shorter=32)
    assert small.shape[1] in (64, 128)
    full = resize.resize(read_picture(path), 32, 32).astype(int)
    assert abs(resize.resize(small, 32, 32) - full).max() <= 3


def test_resize(rng) -> None:
    picture = rng.integers(0, 65536, (3, 20, 30)).astype(np.uint16)
    assert resize.resize(picture, 20, 30) is not None
    assert np.array_equal(resize.resize(picture, 20, 20), picture[:, :, 5:25])  # a crop touches no number
    flat = np.full((1, 9, 7), 51234, np.uint16)
    assert (resize.resize(flat, 4, 4) == 51234).all()
    assert resize.resize(flat, 64, 64).shape == (1, 64, 64)
    assert resize.resize(np.full((1, 1, 1), 9, np.uint8), 5, 5).tolist() == np.full((1, 5, 5), 9).tolist()
    step = np.zeros((1, 16, 16), np.float32)
    step[:, :, 8:] = 1
    assert 0 <= resize.resize(step, 24, 24).min() <= resize.resize(step, 24, 24).max() <= 1
    checker = np.indices((32, 32)).sum(0)[None] % 2 * np.uint8(255)
    small = resize.resize(checker.astype(np.uint8), 8, 8)
    assert abs(small[:, 2:-2, 2:-2].astype(int) - 127).max() < 12, "without antialiasing this is black or white"


def test_gray_as_pillow_makes_it(rng) -> None:
    color = rng.integers(0, 256, (3, 40, 40), np.uint8)
    expected = np.asarray(Image.fromarray(np.moveaxis(color, 0, -1)).convert("L"))
    assert np.array_equal(resize.to_channels(color, 1)[0], expected)
    white = np.full((3, 1, 1), 65535, np.uint16)
    assert resize.to_channels(white, 1).item() == 65535


def test_depth_there_and_back() -> None:
    eight = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    sixteen = resize.to_depth(eight, np.dtype(np.uint16))
    assert (sixteen[0, 0, 1], sixteen.max()) == (257, 65535)
    assert np.array_equal(resize.to_depth(sixteen, np.dtype(np.uint8)), eight)
