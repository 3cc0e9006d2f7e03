"""Metrics of a detector on the labeled rows of a table."""

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
from isthmus.jobs.anomaly.evaluate_images import separation


def evaluate_rows(model: Autoencoder, data: Data) -> dict[str, Any]:
    """The metrics of evaluate_detector for labeled rows; the training option normal= names the label of normal rows.

    Of the training table only the test split counts. Empty if there are no labels, or only normal or anomalous rows.
    """
    detector = detector_of(model)
    schema = Schema.of(data.table) if data.table is not None else None
    if detector is None or schema is None or not schema.normal or schema.label is None or data.labels is None:
        return {}
    rows = np.arange(len(data))
    if is_training_data(data, model):
        parts = parts_of(data, model)
        rows = np.setdiff1d(rows, np.concatenate([parts["train"], parts["validation"]]))
    anomalous = data.labels[rows] != schema.label.values.index(schema.normal)
    if anomalous.all() or not anomalous.any():
        return {}
    score = torch.cat([detector(model, x).score for x in Batches(data, rows)]).numpy()
    calibrated = is_training_data(data, model) and detector.calibrated_on == "test"
    figures = separation(score, anomalous, detector.threshold(), calibrated)
    kinds = {value: data.labels[rows] == index for index, value in enumerate(schema.label.values)}
    figures["per_kind"] = {
        value: separation(score[~anomalous | chosen], anomalous[~anomalous | chosen], figures["threshold"])[
            "image_auroc"
        ]
        for value, chosen in kinds.items()
        if value != schema.normal and chosen.any()
    }
    return figures
