"""Chooses the metrics of a detector: by folders or labels of defects, by labels of rows, or without labels."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from isthmus.autoencoder import Autoencoder
from isthmus.data import anomaly_folders
from isthmus.data.open import is_folder
from isthmus.data.picture_labels import labeled_by
from isthmus.errors import BadInput
from isthmus.inference.inputs import name_of, open_for, parts_of
from isthmus.jobs.anomaly.detector_part import detector_of
from isthmus.jobs.anomaly.evaluate_images import evaluate_detector, unlabeled
from isthmus.jobs.anomaly.evaluate_rows import evaluate_rows


def evaluate(model: Autoencoder, source: Any, options: Mapping[str, Any]) -> dict[str, Any] | None:
    """Metrics for Job.evaluate; None without a detector, or if the restoration of degraded data is asked for."""
    if detector_of(model) is None or options["degraded"]:
        return None
    labels, split, first = (options[name] for name in ("labels", "split", "first"))
    is_complete, images = split is None and first is None, len(model.shape) == 3
    if images and is_folder(source):
        layout = anomaly_folders(Path(source)) if labels is None else labeled_by(Path(source), Path(labels))
        if is_complete and (layout.kinds or labels is not None):
            return {"data": Path(source).name, **evaluate_detector(model, Path(source), layout)}
        source = layout.open(like=model.about["input"])  # without anomalous kinds: the normal images of the folder
    elif labels is not None:
        raise BadInput(f"labels={labels}: need a folder of images and a run of detect")
    data = open_for(model, source)
    if not images:
        figures = evaluate_rows(model, data) if is_complete else {}
        return {"data": name_of(data), **figures} if figures else None
    part = split or ("test" if len(parts_of(data, model).get("test", ())) else "all")
    data = open_for(model, data, split=part, first=first)
    return {"data": name_of(data), "split": part, "items": len(data), **unlabeled(model, data, part)}
