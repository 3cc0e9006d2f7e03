"""Figures of rows of a table: of a detector by their labels, of any model by columns in their own units."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from isthmus.autoencoder import Autoencoder
from isthmus.data import Data, from_unit
from isthmus.data.base import by_column
from isthmus.data.tables.schema import Schema
from isthmus.tasks.calibrate import Batches
from isthmus.tasks.inputs import chunks, parts_of, trained_on
from isthmus.tasks.judged import told_apart


def judged_rows(model: Autoencoder, data: Data) -> dict[str, Any]:
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
    """rmse_per_column: the root of the mean squared error of each column, in its own units; of other data nothing."""
    if not by_column(data.range):
        return {}
    total = np.zeros(data.shape)
    for _, x in chunks(data):
        apart = from_unit(model.reconstruct(x, unit=True), data.range) - from_unit(x, data.range)
        total += apart.double().square().sum(0).numpy()
    schema = Schema.of(data.table) if data.table is not None else None
    window = (schema.window if schema else 0) or 1
    each = np.sqrt(total.reshape(-1, window).mean(1) / len(data))
    names = schema.headings if schema else [f"column {place + 1}" for place in range(len(each))]
    return {"rmse_per_column": dict(zip(names, each.tolist(), strict=True))}
