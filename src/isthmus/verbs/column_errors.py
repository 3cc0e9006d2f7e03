"""The error of each column of a table, in its own units."""

from __future__ import annotations

from typing import Any

import numpy as np

from isthmus.autoencoder import Autoencoder
from isthmus.data import Data
from isthmus.data.tables.schema import Schema
from isthmus.fields import by_column
from isthmus.inference.inputs import chunks


def column_figures(model: Autoencoder, data: Data) -> dict[str, Any]:
    """The error of each column in its own units; empty for data with one range for all columns.

    rmse_per_column: root mean squared error of the reconstruction. rmse_of_mean_per_column: the same for the mean of
    these items as a constant prediction; mse_per_pixel_of_mean: over all columns, scaled like mse_per_pixel.
    """
    if not by_column(data.range):
        return {}
    total, sums, squares = (np.zeros(data.shape) for _ in range(3))
    for _, x in chunks(data):
        x, y = x.cpu().double(), model.reconstruct(x, unit=True).cpu().double()
        total += (y - x).square().sum(0).numpy()
        sums += x.sum(0).numpy()
        squares += x.square().sum(0).numpy()
    count, (low, high) = len(data), (np.array(bound) for bound in data.range)
    variance = (squares / count - (sums / count) ** 2).clip(min=0)
    schema = Schema.of(data.table) if data.table is not None else None
    window = (schema.window if schema else 0) or 1

    def each(squared: np.ndarray) -> dict[str, float]:
        errors = np.sqrt((squared * (high - low) ** 2).reshape(-1, window).mean(1)).tolist()
        names = schema.headings if schema else [f"column {place + 1}" for place in range(len(errors))]
        return dict(zip(names, errors, strict=True))

    return {
        "mse_per_pixel_of_mean": float(variance.mean()),
        "rmse_per_column": each(total / count),
        "rmse_of_mean_per_column": each(variance),
    }
