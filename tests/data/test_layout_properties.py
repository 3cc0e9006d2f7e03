"""Properties of the rule for the axes of an array, on random shapes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.data.array_layout import choose_layout
from isthmus.errors import BadInput

SIDES = st.sampled_from([1, 2, 3, 4, 5, 8, 28])
SHAPES = st.lists(SIDES, min_size=1, max_size=5).map(tuple)
MANY = settings(max_examples=300, deadline=None, derandomize=True)


@MANY
@given(SHAPES)
def test_a_layout_keeps_every_number_of_every_item(shape: tuple[int, ...]) -> None:
    array = np.arange(np.prod(shape)).reshape(shape)
    if len(shape) not in (2, 3, 4):
        with pytest.raises(BadInput, match="accepted are"):
            choose_layout(shape, None, "x")
        return
    layout = choose_layout(shape, None, "x")
    items = layout.of(array)
    assert items.shape == (shape[0], *layout.shape)
    assert all(set(item.flat) == set(row.flat) for item, row in zip(items, array, strict=True))
