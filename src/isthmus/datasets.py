"""The built-in sets as plain arrays: x_train, x_test = isthmus.datasets.mnist(), N×28×28 uint8."""

from __future__ import annotations

from functools import partial

from isthmus.data import arrays

digits = partial(arrays, "digits")
mnist = partial(arrays, "mnist")
fashion_mnist = partial(arrays, "fashion-mnist")
