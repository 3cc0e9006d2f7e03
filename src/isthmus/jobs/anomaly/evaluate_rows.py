"""Figures of rows of a table: of a detector by their labels, of any model by columns in their own units."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from isthmus.autoencoder import Autoencoder
from isthmus.data import Data
from isthmus.data.base import by_column
from isthmus.data.tables.schema import Schema
from isthmus.inference.inputs import chunks, parts_of, trained_on
from isthmus.jobs.anomaly.calibrate import Batches
from isthmus.jobs.anomaly.evaluate import told_apart


def evaluate_rows(model: Autoencoder, data: Data) -> dict[str, Any]:
    """As judged has it, of rows with labels: normal are those of the label that the run learned from (normal=).

    Of the table that it learned from, normal rows are those of the test part alone. Empty where nothing says what is
    normal, or all rows are, or none.
    """
    schema = Schema.of(data.table) if data.table is not None else None
    if model.detector is None or schema is None or not schema.normal or schema.label is None or data.labels is None:
        return {}
    rows = np.arange(len(data))
    if trained_on(data, model):
        parts = parts_of(data, model)
        rows = np.setdiff1d(rows, np.concatenate([parts["train"], parts["validation"]]))
    bad = data.labels[rows] != schema.label.values.index(schema.normal)
    if bad.all() or not bad.any():
        return {}
    score = torch.cat([model.detector(model, x).score for x in Batches(data, rows)]).numpy()
    calibrated = trained_on(data, model) and model.detector.calibrated_on == "test"
    figures = told_apart(score, bad, model.detector.threshold(), calibrated)
    kinds = {value: data.labels[rows] == place for place, value in enumerate(schema.label.values)}
    figures["per_kind"] = {
        value: told_apart(score[~bad | chosen], bad[~bad | chosen], figures["threshold"])["image_auroc"]
        for value, chosen in kinds.items()
        if value != schema.normal and chosen.any()
    }
    return figures


def column_figures(model: Autoencoder, data: Data) -> dict[str, Any]:
    """The error of each column in its own units, beside that of the column's mean; of data of one range nothing.

    rmse_per_column, and rmse_of_mean_per_column: roots of mean squared errors, of the reconstruction, and of the mean
    of these items in place of each. mse_per_pixel_of_mean: that of all columns, scaled as mse_per_pixel is.
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
