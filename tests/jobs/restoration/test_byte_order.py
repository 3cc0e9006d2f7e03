"""An array of another byte order holds the same numbers."""

import numpy as np

import isthmus


def test_big_endian_arrays_stay_big_endian() -> None:
    rng = np.random.default_rng(0)
    x = (2000 + 300 * rng.standard_normal((64, 64))).clip(0, 4095).astype(np.uint16)
    little, big = (isthmus.denoise(x.astype(kind), model="denoise-gray") for kind in ("<u2", ">u2"))
    assert big.dtype == np.dtype(">u2")
    assert np.array_equal(little, big)
