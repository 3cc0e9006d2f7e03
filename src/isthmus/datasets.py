"""The built-in data sets as plain arrays: x_train, x_test = isthmus.datasets.mnist(), N×28×28 uint8."""

from __future__ import annotations

from functools import partial

from isthmus.data import builtin_arrays

digits = partial(builtin_arrays, "digits")
mnist = partial(builtin_arrays, "mnist")
fashion_mnist = partial(builtin_arrays, "fashion-mnist")
