"""The labels of items: of a built-in set, a table, or the folders that the items lie in."""

from __future__ import annotations

from pathlib import PurePosixPath

import numpy as np

from isthmus.data.base import Data
from isthmus.data.tables.schema import Schema


def item_labels(data: Data) -> np.ndarray | None:
    """N integers of a built-in set; N texts of a table, a table of labels, or the first folder of each name."""
    schema = Schema.of(data.table) if data.table is not None else None
    if data.labels is not None and schema is not None and schema.label is not None:
        return np.array([*schema.label.values, ""])[data.labels]  # -1, a row without a label, becomes ""
    if data.labels is not None and "labels" in data.source and "names" in data.source["labels"]:
        return np.array(data.source["labels"]["names"])[data.labels]
    if data.labels is not None:
        return data.labels
    folders = [PurePosixPath(name).parts[0] for name in data.names if "/" in name]
    return np.array(folders) if folders and len(folders) == len(data) else None
