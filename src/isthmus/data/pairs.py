"""Pairs: what is damaged and what it should be, of the same name in two places, as one set."""

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
    """Items of one set, each followed by its partner, `rows` of the other, along the first axis."""

    data: Data
    truth: Data

    @property
    def dtype(self) -> torch.dtype:
        return self.data.dtype

    def read(self, indices: np.ndarray) -> Tensor:
        return torch.cat([self.data.batch(indices), self.truth.batch(indices)], 1)


def paired(data: Data, truth: Data) -> Data:
    """`data` with its truth: items of 2C channels, first what is damaged. Names, parts and range are those of `data`.

    truth: opened like `data`. Raises BadInput where an item has no partner of its name, or one of another size or type.
    """
    if data.dtype == truth.dtype == torch.uint16:  # the depth that holds both
        shared = max(data.range, truth.range)
        data, truth = replace(data, range=shared), replace(truth, range=shared)
    if (data.shape, data.range) != (truth.shape, truth.range):
        one, other = (
            f"{kind_of_item(d.shape)}, {ends_of(d.range)[0]:g} to {ends_of(d.range)[1]:g}" for d in (data, truth)
        )
        raise BadInput(f"{one}, but their truth is {other}")
    partner = truth.subset(by_name(data, truth))
    whole = replace(
        data,
        items=Pairs(data, partner),
        shape=(2 * data.shape[0], *data.shape[1:]),
        rows=None,
        paired=True,
        notes=data.notes + truth.notes,
        skipped=data.skipped + truth.skipped,
        source={**data.source, "truth": truth.source},
    )
    return whole.to("cpu") if data.in_memory else whole


def by_name(data: Data, truth: Data) -> np.ndarray:
    """The rows of `truth` that are of the items of `data`: by name, without suffix where that one is not there.

    Items without names are of the same number, in the same order. Raises BadInput where one has no partner.
    """
    where = truth.source.get("path") or truth.source.get("name", "the truth")
    if isinstance(data.names, Numbered):
        if len(truth) != len(data):
            raise BadInput(f"{where}: {len(truth)} items for {len(data)}; as many are accepted")
        return np.arange(len(data))
    place = {bare(name): row for row, name in enumerate(truth.names)}
    place |= {name: row for row, name in enumerate(truth.names)}
    rows: Sequence[int | None] = [place.get(name, place.get(bare(name))) for name in data.names]
    if None in rows:
        name = data.names[rows.index(None)]
        raise BadInput(f"{where}: holds no truth of {name}" + (", or one of another size" if "#" in name else ""))
    return np.array(rows)


def bare(name: str) -> str:
    """more/a.jpg -> more/a; a square of a picture, as in a.jpg#0,64, stays that one."""
    return re.sub(r"\.\w+(?=#|$)", "", name)
