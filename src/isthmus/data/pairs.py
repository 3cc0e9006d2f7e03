"""Pairs of degraded images and their ground truth, matched by name, as one set."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from isthmus.data.base import Data, Numbered, ends_of, kind_of_item
from isthmus.errors import BadInput


@dataclass
class Pairs:
    """Items of two sets, concatenated along the first axis."""

    data: Data
    truth: Data

    @property
    def dtype(self) -> torch.dtype:
        return self.data.dtype

    def read(self, indices: np.ndarray) -> Tensor:
        return torch.cat([self.data.batch(indices), self.truth.batch(indices)], 1)


def paired(data: Data, truth: Data) -> Data:
    """`data` with its ground truth: items of 2C channels, the degraded image first. Names, parts and range of `data`.

    truth: opened like `data`. Raises BadInput if an item has no truth of its name, or one of another size or dtype.
    """
    if data.dtype == truth.dtype == torch.uint16:  # the larger bit depth
        shared = max(data.range, truth.range)
        data, truth = replace(data, range=shared), replace(truth, range=shared)
    if (data.shape, data.range) != (truth.shape, truth.range):
        one, other = (
            f"{kind_of_item(d.shape)}, {ends_of(d.range)[0]:g} to {ends_of(d.range)[1]:g}" for d in (data, truth)
        )
        raise BadInput(f"{one}, but their truth is {other}")
    partner = truth.subset(by_name(data, truth))
    pairs = replace(
        data,
        items=Pairs(data, partner),
        shape=(2 * data.shape[0], *data.shape[1:]),
        rows=None,
        paired=True,
        notes=data.notes + truth.notes,
        skipped=data.skipped + truth.skipped,
        source={**data.source, "truth": truth.source},
    )
    return pairs.to("cpu") if data.in_memory else pairs


def by_name(data: Data, truth: Data) -> np.ndarray:
    """The rows of `truth` for the items of `data`: by name, else by name without suffix.

    Items without names are matched in order, and must be as many. Raises BadInput for an item without ground truth.
    """
    source = truth.source.get("path") or truth.source.get("name", "the truth")
    if isinstance(data.names, Numbered):
        if len(truth) != len(data):
            raise BadInput(f"{source}: {len(truth)} items for {len(data)}; as many are accepted")
        return np.arange(len(data))
    row_of = {without_suffix(name): row for row, name in enumerate(truth.names)}
    row_of |= {name: row for row, name in enumerate(truth.names)}
    rows: Sequence[int | None] = [row_of.get(name, row_of.get(without_suffix(name))) for name in data.names]
    if None in rows:
        name = data.names[rows.index(None)]
        raise BadInput(f"{source}: holds no truth of {name}" + (", or one of another size" if "#" in name else ""))
    return np.array(rows)


def without_suffix(name: str) -> str:
    """more/a.jpg -> more/a; a patch keeps its position: a.jpg#0,64 -> a#0,64."""
    return re.sub(r"\.\w+(?=#|$)", "", name)
