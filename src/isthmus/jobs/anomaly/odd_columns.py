"""The columns that make a row anomalous, for scores.csv and the page of detect."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor

from isthmus.autoencoder import Autoencoder
from isthmus.data import from_unit
from isthmus.data.tables.schema import Schema
from isthmus.fields import by_column, range_of
from isthmus.report import Page

ROWS_ON_PAGE, COLUMNS_NAMED = 24, 3  # worst rows on the page; columns named for each
LEAST_SHARE = 0.05  # of the error of a row, below which a column is not named
Row = dict[str, Any]


class OddColumns:
    """Computes the share of each column in the error of a row, and keeps the worst rows for the page."""

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
        """None for a model of images, of rows whose columns share one range, or of a single column."""
        like = model.about.get("input", {})
        odd = cls(model) if "range" in like and by_column(range_of(like)) else None
        return odd if odd is not None and len(odd.names) > 1 else None

    def add(self, x: Tensor, errors_of_items: Tensor, rows: Sequence[Row]) -> None:
        """Add the column 'odd' to each row. x: items N×D in [0, 1]; errors_of_items: their anomaly maps, N×D."""
        errors = np.add.reduceat(errors_of_items.double().numpy(), self.starts, axis=1)
        shares = errors / errors.sum(1, keepdims=True).clip(min=1e-300)
        values = from_unit(x.cpu(), self.range).numpy()
        for row, share, values_of_item in zip(rows, shares, values, strict=True):
            largest = [column for column in np.argsort(-share)[:COLUMNS_NAMED] if share[column] >= LEAST_SHARE]
            row["odd"] = ", ".join(f"{self.names[column]} {share[column]:.0%}" for column in largest)
            self.worst.append(row | {"value": self.describe_value(largest[0], values_of_item)} if largest else row)
        self.worst = sorted(self.worst, key=lambda row: -float(row["score"]))[:ROWS_ON_PAGE]

    def describe_value(self, column: int, values_of_item: np.ndarray) -> str:
        """The value of a column and its usual range in the training data."""
        if not self.single[column]:
            return self.names[column]
        start = self.starts[column]
        low, high = (float(bound[start]) if isinstance(bound, tuple) else bound for bound in self.range)
        return f"{self.names[column]} is {values_of_item[start]:.5g}, usual are {low:.5g} to {high:.5g}"

    def show(self, page: Page) -> None:
        """Add the worst rows and their odd columns to the page."""
        page.section("The worst rows", "The share of a column is its part of the error of the row.")
        columns = {"file": "row", "score": "score", "verdict": "verdict", "odd": "odd columns", "value": "the oddest"}
        page.table([{name: row.get(key, "") for key, name in columns.items()} for row in self.worst])
