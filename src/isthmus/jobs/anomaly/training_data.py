"""The data that a detector learns from: normal items, and the checks that a training of one needs."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from isthmus.data import Data, anomaly_folders, choose_parts, open_data
from isthmus.data.folders import MIXED_SIZE, find_pictures
from isthmus.data.open import is_folder
from isthmus.errors import BadInput, Note
from isthmus.jobs.anomaly.affordable_size import side_within
from isthmus.recipes import Recipe


def open_normal(recipe: Recipe, data: Any, options: Mapping[str, Any]) -> Data:
    """The normal items of `data`, images whole and as large as a budget affords."""

    def opened(size: int | None) -> Data:
        how: dict[str, Any] = {"gray": options.get("gray"), "size": size, "whole": recipe.whole, "largest": MIXED_SIZE}
        source = anomaly_folders(Path(data)).open(**how) if is_folder(data) else data
        return open_data(source, white=options.get("white"), table=options.get("table"), **how)

    size, training = options.get("size"), options.get("training", {})
    found = opened(size)
    if training.get("budget") is None or size is not None or not is_folder(data):
        return found
    size = side_within(recipe, training["budget"], found.seen, options.get("code"), options.get("keys", {}), training)
    if size is None:
        return found
    found = opened(size)
    found.notes.append(
        f"pictures are made {size}×{size}, of which this budget suffices to learn from enough; --size N names another "
        "size"
    )
    found.source["side"] = size  # as if it had been asked for: a training that resumes does not choose again
    return found


def note_labels(data: Data) -> None:
    """Say that a detector would learn from rows of several labels, which hardly are all normal."""
    if data.labels is not None and data.table is not None and len(np.unique(data.labels)) > 1:
        values = data.table["label"]["values"]
        counts = Counter(data.labels.tolist()).most_common()  # the first is most likely what is normal
        told = ", ".join(f"{values[kind]} ({count})" for kind, count in counts[:5])
        warnings.warn(
            f"rows of several labels are learned from as normal: {told}; --set normal={values[counts[0][0]]} takes one",
            Note,
            stacklevel=3,
        )


def require_split(data: Data, options: Mapping[str, Any]) -> None:
    """Raise BadInput where nothing would be held back to say what is normal: before the training, not after it."""
    parts = choose_parts(data, **{key: options[key] for key in ("seed", "validation", "test")})
    if not len(parts["validation"]) and not len(parts.get("test", ())):
        items = f"{len(data)} normal item{'' if len(data) == 1 else 's'}"
        raise BadInput(
            f"{items}, validation={options['validation']:g}: none is held back to say what is normal; "
            "3 or more are accepted, with a validation above 0, or a folder of others: good="
        )


def require_exists(key: str, folder: Path, learned: Data) -> None:
    """Raise BadInput where `folder`, which the line is to be drawn by, holds nothing, or is what is learned from."""
    if not folder.exists():
        raise BadInput(f"{key}={folder}: no such file or folder")
    if folder.is_dir() and not find_pictures(folder)[0]:
        raise BadInput(f"{key}={folder}: there are no pictures in it")
    if str(folder.resolve()) == learned.source.get("path"):
        raise BadInput(f"{key}={folder}: is what is learned from; the line has to be drawn by others")
