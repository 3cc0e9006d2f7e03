"""Chooses the metrics of a detector: by folders or labels of defects, by labels of rows, or without labels."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from isthmus.autoencoder import Autoencoder
from isthmus.data import Data, anomaly_folders
from isthmus.data.image_labels import labeled_by
from isthmus.data.open import is_folder
from isthmus.data.tables.schema import Schema
from isthmus.errors import BadInput, Note
from isthmus.inference.inputs import is_training_data, name_of, open_for, parts_of, skipped_files
from isthmus.jobs.anomaly.calibrate import Batches
from isthmus.jobs.anomaly.detector import Detector, detector_of
from isthmus.jobs.anomaly.evaluate_images import evaluate_detector, separation, unlabeled


def evaluate(model: Autoencoder, source: Any, options: Mapping[str, Any]) -> dict[str, Any] | None:
    """Metrics for Job.evaluate; None without a detector, or if the restoration of degraded data is asked for."""
    detector = detector_of(model)
    if options["degraded"] and model.features is not None:
        raise BadInput("truth, sigma and corruption: measure a restoration, and a model of features restores no image")
    if detector is None or options["degraded"]:
        return None
    labels, split, first = (options[name] for name in ("labels", "split", "first"))
    is_complete, images = split is None and first is None, len(model.shape) == 3
    if images and is_folder(source):
        layout = anomaly_folders(Path(source)) if labels is None else labeled_by(Path(source), Path(labels))
        if is_complete and (layout.kinds or labels is not None):
            return {"data": Path(source).name, **evaluate_detector(model, detector, Path(source), layout)}
        source = layout.open(like=model.about["input"])  # without anomalous kinds: the normal images of the folder
    elif labels is not None:
        raise BadInput(f"labels={labels}: need a folder of images and a run of detect")
    data = open_for(model, source)
    if not images:
        figures = evaluate_rows(model, detector, data) if is_complete else {}
        return {"data": name_of(data), **figures, **skipped_files(data.skipped)} if figures else None
    part = split or ("test" if len(parts_of(data, model).get("test", ())) else "all")
    data = open_for(model, data, split=part, first=first)
    figures = unlabeled(model, detector, data, part) | skipped_files(data.skipped)
    return {"data": name_of(data), "split": part, "items": len(data), **figures}


def evaluate_rows(model: Autoencoder, detector: Detector, data: Data) -> dict[str, Any]:
    """The metrics of evaluate_detector for labeled rows.

    The label of normal rows is that of the training option normal=, else the only one of the training table; with
    several, a note asks for the option. Of the training table only the test split counts. Empty if there are no
    labels, or only normal or anomalous rows.
    """
    schema = Schema.of(data.table) if data.table is not None else None
    if schema is None or schema.label is None or data.labels is None:
        return {}
    values = schema.label.values
    if not (normal := schema.normal or (values[0] if len(values) == 1 else "")):
        text = (
            f"no AUROC: trained on rows labeled {', '.join(values)}; train with --set normal={values[0]} to measure it"
        )
        warnings.warn(text, Note, stacklevel=2)
        return {}
    rows = np.arange(len(data))
    if is_training_data(data, model):
        parts = parts_of(data, model)
        rows = np.setdiff1d(rows, np.concatenate([parts["train"], parts["validation"]]))
    anomalous = data.labels[rows] != values.index(normal)
    if anomalous.all() or not anomalous.any():
        return {}
    score = torch.cat([detector(model, x).score for x in Batches(data, rows)]).numpy()
    calibrated = is_training_data(data, model) and detector.calibrated_on == "test"
    figures = separation(score, anomalous, detector.threshold(), calibrated)
    kinds = {value: data.labels[rows] == index for index, value in enumerate(values)}
    per_kind = {
        value: separation(score[~anomalous | chosen], anomalous[~anomalous | chosen], figures["threshold"])[
            "image_auroc"
        ]
        for value, chosen in kinds.items()
        if value != normal and chosen.any()
    }
    return figures | ({"per_kind": per_kind} if per_kind else {})
