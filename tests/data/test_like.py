"""Data for a trained run takes the run's shape and scale, whatever way it is stored."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from isthmus.data import open_data
from isthmus.errors import BadInput

BYTES = {"shape": [1, 4, 4], "range": [0, 255], "gray": True}
UNIT = {"shape": [1, 4, 4], "range": [0, 1], "gray": True}


def test_two_trainings_one_truth(rng) -> None:
    """Whatever way the same pictures are stored, a run takes in the same numbers."""
    eight = rng.integers(0, 256, (6, 4, 4), np.uint8)
    eight[0, 0, 0] = 255
    truth = torch.from_numpy(eight).float()[:, None] / 255
    for like in (BYTES, UNIT, {**BYTES, "range": [0, 65535]}):
        for given in (
            eight,
            eight / 255,
            (eight / 255).astype(np.float32),
            eight.astype(np.uint16) * np.uint16(257),
        ):
            floats = open_data(given, like=like).floats()
            assert torch.allclose(floats, truth, atol=1e-6), (like["range"], given.dtype)
    assert torch.allclose(open_data(eight.astype(np.int64), like=BYTES).floats(), truth, atol=1e-6)


def test_a_run_never_measures_anew() -> None:
    like = {"shape": [2], "range": [-3.0, 5.0]}
    data = open_data(np.array([[1.0, 5.0]]), like=like)
    assert data.range == (-3, 5)
    assert data.floats().tolist() == [[0.5, 1.0]]
    assert data.notes == []
    beyond = open_data(np.array([[1.0, 13.0]]), like=like)
    assert beyond.floats().tolist() == [[0.5, 2.0]]
    assert "reach outside" in beyond.notes[0]
    table = open_data(np.array([[1, 5]]), like=like)
    assert table.floats().tolist() == [[0.5, 1.0]], "whole numbers in a table are the same quantity as the floats"
    counts = open_data(np.array([[0, 300]]), like={"shape": [2], "range": [0, 255]})
    assert counts.range == (0, 255)
    digits = open_data(np.full((1, 8, 8), 16, np.int64), like={"shape": [1, 8, 8], "range": [0, 16]})
    assert digits.floats().max() == 1


@pytest.mark.parametrize(
    ("shape", "wanted"),
    [
        ((5, 16), (1, 4, 4)),
        ((5, 4, 4), (16,)),
        ((5, 1, 4, 4), (16,)),
        ((5, 4, 4, 1), (1, 4, 4)),
        ((5, 4, 4), (4, 4)),
    ],
)
def test_shapes_that_fit_a_run(shape, wanted) -> None:
    array = np.arange(80, dtype=np.uint8).reshape(shape)
    data = open_data(array, like={"shape": wanted, "range": (0, 255)})
    assert data.shape == wanted
    assert data.batch([0, 4]).shape == (2, *wanted)
    assert data.batch([1]).flatten().tolist() == list(range(16, 32))


@pytest.mark.parametrize(
    ("shape", "wanted"),
    [((4, 4), (1, 4, 4)), ((4, 4, 3), (3, 4, 4)), ((3, 4, 4), (3, 4, 4)), ((16,), (1, 4, 4)), ((4,), (4,))],
)
def test_one_item_that_fits_a_run(shape, wanted) -> None:
    data = open_data(np.zeros(shape, np.uint8), like={"shape": wanted, "range": (0, 255)})
    assert len(data) == 1
    assert data.floats().shape == (1, *wanted)


def test_shapes_that_do_not_fit(tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    np.save(path, np.zeros((2, 3, 32, 32), np.uint8))
    with pytest.raises(BadInput, match=r"x\.npy: pictures of 3×32×32, but this run takes 1×28×28$"):
        open_data(path, like={"shape": [1, 28, 28], "range": [0, 255]})
    with pytest.raises(BadInput, match="digits: pictures of 1×8×8, but this run takes 1×28×28"):
        open_data("digits", like={"shape": [1, 28, 28], "range": [0, 255]})
    with pytest.raises(BadInput, match="rows of 3072, but this run takes 3×32×32"):
        open_data(np.zeros((2, 3072)), like={"shape": [3, 32, 32], "range": [0, 1]})
