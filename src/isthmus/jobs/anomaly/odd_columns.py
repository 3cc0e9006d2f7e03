"""Which columns of a row are not as they should be: for scores.csv, and for the page of a detector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor

from isthmus.autoencoder import Autoencoder
from isthmus.data import from_unit
from isthmus.data.base import by_column, range_of
from isthmus.data.tables.schema import Schema
from isthmus.report import Page

SHOWN, NAMED = 24, 3  # of the worst rows; columns of each
LEAST = 0.05  # of what is wrong with a row, below which a column is not named
Row = dict[str, Any]


class OddColumns:
    """The share that each column has in what is wrong with a row, and the worst rows for a page."""

    def __init__(self, model: Autoencoder) -> None:
        like = model.about["input"]
        self.range = range_of(like)
        schema = Schema.of(like["table"]) if like.get("table") else None
        windows = (schema.window if schema else 0) or 1
        widths = [column.width * windows for column in schema.columns] if schema else [1] * model.shape[0]
        self.starts = np.cumsum([0, *widths[:-1]])
        self.names = (
            [column.name for column in schema.columns] if schema else [f"column {n + 1}" for n in range(len(widths))]
        )
        self.single = [width == 1 for width in widths]
        self.worst: list[Row] = []

    @classmethod
    def of(cls, model: Autoencoder) -> OddColumns | None:
        """None for a model of pictures, of rows whose columns are of one kind, and of a single column."""
        like = model.about.get("input", {})
        odd = cls(model) if "range" in like and by_column(range_of(like)) else None
        return odd if odd is not None and len(odd.names) > 1 else None

    def add(self, x: Tensor, seen: Tensor, rows: Sequence[Row]) -> None:
        """Put into each row which columns are odd. x, seen: N×D, items in [0, 1], and how far they are from normal."""
        errors = np.add.reduceat(seen.double().numpy(), self.starts, axis=1)
        shares = errors / errors.sum(1, keepdims=True).clip(min=1e-300)
        values = from_unit(x.cpu(), self.range).numpy()
        for row, share, own in zip(rows, shares, values, strict=True):
            most = [place for place in np.argsort(-share)[:NAMED] if share[place] >= LEAST]
            row["odd"] = ", ".join(f"{self.names[place]} {share[place]:.0%}" for place in most)
            self.worst.append(row | {"value": self.told(most[0], own)} if most else row)
        self.worst = sorted(self.worst, key=lambda row: -float(row["score"]))[:SHOWN]

    def told(self, place: int, own: np.ndarray) -> str:
        """The value of a column, and between which most of it lay in training."""
        if not self.single[place]:
            return self.names[place]
        start = self.starts[place]
        low, high = (float(bound[start]) if isinstance(bound, tuple) else bound for bound in self.range)
        return f"{self.names[place]} is {own[start]:.5g}, usual are {low:.5g} to {high:.5g}"

    def show(self, page: Page) -> None:
        """The worst rows, and which columns are odd in them."""
        page.section("The worst rows", "A column's share is its part of all that is wrong with the row.")
        columns = {"file": "row", "score": "score", "verdict": "verdict", "odd": "odd columns", "value": "the oddest"}
        page.table([{name: row.get(key, "") for key, name in columns.items()} for row in self.worst])
