"""Data whose items lie in shards."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from isthmus import create
from isthmus.data import Data
from isthmus.data.base import Numbered

# Uneven shards, as they are where somebody's tars are of a size in bytes: of most of them a last one is left over.
COUNTS = {
    "even": [16] * 128,
    "not a power of two": [7] * 100,
    "uneven": np.random.default_rng(0).integers(1, 40, 200).tolist(),
    "one giant": [1000, *[3] * 70],
    "fewer than lanes": [9, 2, 30, 5, 8],
    "two": [3, 3],
    "one": [50],
    "one item": [1],
}


def homes(counts: list[int]) -> np.ndarray:
    """The shard of each row."""
    return np.repeat(np.arange(len(counts)), counts)


class Plain:
    """Items without files, which remember what was asked: item i is the number i, of which `starts` tells the shard."""

    dtype = torch.int64

    def __init__(self, counts: list[int]) -> None:
        self.starts = np.cumsum([0, *counts])[:-1]
        self.asked: list[np.ndarray] = []

    def read(self, indices: np.ndarray) -> torch.Tensor:
        self.asked.append(indices)
        return torch.from_numpy(indices)[:, None]


def plain(counts: list[int]) -> Data:
    total = sum(counts)
    return Data(Plain(counts), (1,), (0.0, 1.0), Numbered(range(total)))


def model() -> Any:
    return create("undercomplete", shape=(1, 8, 8), code=4)
