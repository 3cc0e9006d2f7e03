"""The scale and its inverse, and views that copy nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from isthmus.data import Data, from_unit, open_data, to_unit


def test_units_there_and_back() -> None:
    x = torch.tensor([0, 16, 255], dtype=torch.uint8)
    assert to_unit(x, (0, 255)).tolist() == pytest.approx([0, 16 / 255, 1])
    assert from_unit(to_unit(x, (0, 255)), (0, 255)).round().tolist() == [0, 16, 255]
    assert from_unit(to_unit(torch.tensor([-3.0, 5.0]), (-3, 5)), (-3, 5)).tolist() == [-3, 5]
    assert to_unit(torch.tensor([4.0]), (4, 4)).tolist() == [0], "a constant has no width to divide by"


def test_each_column_of_a_row_may_have_a_range_of_its_own() -> None:
    own = ((0.0, 10.0, 5.0), (4.0, 30.0, 5.0))
    rows = torch.tensor([[2, 10, 5], [8, 20, 6]])
    assert to_unit(rows, own).tolist() == [[0.5, 0, 0], [2, 0.5, 1]]
    assert from_unit(to_unit(rows, own), own).tolist() == rows.tolist()
    assert to_unit(rows.view(2, 1, 1, 3), own).shape == (2, 1, 1, 3), "seen as another shape of as many numbers"


def test_views() -> None:
    array = np.arange(40, dtype=np.uint16).reshape(10, 4) + 1000
    data = open_data(array)
    data.labels, data.parts = np.arange(10) * 2, {"train": np.arange(6), "test": np.arange(6, 10)}
    view = data.subset([9, 2, 7]).subset(torch.tensor([2, 0]))
    assert isinstance(view, Data)
    assert (list(view.names), view.labels.tolist()) == (["00007", "00009"], [14, 18])
    assert (view.parts["train"].tolist(), view.parts["test"].tolist()) == ([], [0, 1])
    assert view.batch([0]).tolist() == [[1028, 1029, 1030, 1031]]
    assert view.batch(torch.tensor([1, 0, 1])).shape == (3, 4)
    assert data.batch(np.arange(10) > 7).shape == (2, 4)
    assert view.items is data.items, "a view copies nothing"
    assert torch.equal(view.to("cpu").floats(), view.floats())
    assert len(data.subset([])) == len(data.subset([]).floats()) == 0
    with pytest.raises(IndexError):
        view.batch([2])
