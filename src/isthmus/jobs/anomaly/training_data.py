"""The training data of anomaly detection: normal items, and the checks before a training."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from isthmus.autoencoder import Autoencoder
from isthmus.data import Data, anomaly_folders, choose_parts, open_data
from isthmus.data.find_images import find_pictures
from isthmus.data.folders import MIXED_SIZE
from isthmus.data.open import is_folder
from isthmus.errors import BadInput, Note
from isthmus.jobs.anomaly.affordable_size import side_within
from isthmus.recipes import Recipe


def open_normal(recipe: Recipe, data: Any, options: Mapping[str, Any]) -> Data:
    """Open the normal items of `data`, images uncropped."""
    how: dict[str, Any] = {key: options.get(key) for key in ("gray", "size")}
    how |= {"whole": recipe.whole, "largest": MIXED_SIZE}
    source = anomaly_folders(Path(data)).open(**how) if is_folder(data) else data
    return open_data(source, white=options.get("white"), table=options.get("table"), **how)


def affordable_size(recipe: Recipe, data: Any, options: Mapping[str, Any]) -> int | None:
    """The size of images of a folder of which a time budget suffices to train on enough; None if their own is."""
    training = options["training"]
    if training["budget"] is None or not is_folder(data):
        return None
    shape = open_normal(recipe, data, options).shape
    size = side_within(recipe, training["budget"], shape, options["code"], options["keys"], training)
    if size is not None:
        warnings.warn(
            f"images are resized to {size}×{size}, so that this budget suffices to train on enough of them; --size N "
            "chooses another size",
            Note,
            stacklevel=2,
        )
    return size


def note_labels(data: Data) -> None:
    """Warn if the rows to train on have several labels, so that they can hardly all be normal."""
    if data.labels is not None and data.table is not None and len(np.unique(data.labels)) > 1:
        values = data.table["label"]["values"]
        counts = Counter(data.labels.tolist()).most_common()  # the most frequent label is most likely normal
        kinds = ", ".join(f"{values[kind]} ({count})" for kind, count in counts[:5])
        warnings.warn(
            f"rows of several labels are used as normal data: {kinds}; --set normal={values[counts[0][0]]} selects one",
            Note,
            stacklevel=3,
        )


def note_features(model: Autoencoder) -> None:
    """Say which features `auto` takes."""
    if model.about["options"]["features"] in ("", "auto"):
        warnings.warn(
            "features: those that Isthmus ships, trained without labels; --set features=FILE.onnx, timm:NAME or "
            "hub:OWNER/NAME takes others, which may detect more",
            Note,
            stacklevel=3,
        )


def require_split(data: Data, options: Mapping[str, Any]) -> None:
    """Raise BadInput before the training if no items would be left for calibration."""
    parts = choose_parts(data, **{key: options[key] for key in ("seed", "validation", "test")})
    if not len(parts["validation"]) and not len(parts.get("test", ())):
        items = f"{len(data)} normal item{'' if len(data) == 1 else 's'}"
        raise BadInput(
            f"{items}, validation={options['validation']:g}: no item is held back for calibration; "
            "accepted: 3 or more items and a validation share above 0, or a folder of other normal items: good="
        )


def require_exists(key: str, folder: Path, training_data: Data) -> None:
    """Raise BadInput if `folder`, named for calibration, is missing or empty, or is the training folder."""
    if not folder.exists():
        raise BadInput(f"{key}={folder}: no such file or folder")
    if folder.is_dir() and not find_pictures(folder)[0]:
        raise BadInput(f"{key}={folder}: contains no images")
    if str(folder.resolve()) == training_data.source.get("path"):
        raise BadInput(
            f"{key}={folder}: must not be the training folder; the threshold needs items that were not trained on"
        )
