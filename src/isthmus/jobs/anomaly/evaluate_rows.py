"""Metrics of a detector on the rows of a table, by their labels."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from isthmus.autoencoder import Autoencoder
from isthmus.data import Data
from isthmus.data.tables.schema import Schema
from isthmus.inference.inputs import is_training_data, parts_of
from isthmus.jobs.anomaly.calibrate import Batches
from isthmus.jobs.anomaly.detector_part import detector_of
from isthmus.jobs.anomaly.evaluate import told_apart


def evaluate_rows(model: Autoencoder, data: Data) -> dict[str, Any]:
    """As judged has it, of rows with labels: normal are those of the label that the run learned from (normal=).

    Of the table that it learned from, normal rows are those of the test part alone. Empty where nothing says what is
    normal, or all rows are, or none.
    """
    detector = detector_of(model)
    schema = Schema.of(data.table) if data.table is not None else None
    if detector is None or schema is None or not schema.normal or schema.label is None or data.labels is None:
        return {}
    rows = np.arange(len(data))
    if is_training_data(data, model):
        parts = parts_of(data, model)
        rows = np.setdiff1d(rows, np.concatenate([parts["train"], parts["validation"]]))
    bad = data.labels[rows] != schema.label.values.index(schema.normal)
    if bad.all() or not bad.any():
        return {}
    score = torch.cat([detector(model, x).score for x in Batches(data, rows)]).numpy()
    calibrated = is_training_data(data, model) and detector.calibrated_on == "test"
    figures = told_apart(score, bad, detector.threshold(), calibrated)
    kinds = {value: data.labels[rows] == place for place, value in enumerate(schema.label.values)}
    figures["per_kind"] = {
        value: told_apart(score[~bad | chosen], bad[~bad | chosen], figures["threshold"])["image_auroc"]
        for value, chosen in kinds.items()
        if value != schema.normal and chosen.any()
    }
    return figures
