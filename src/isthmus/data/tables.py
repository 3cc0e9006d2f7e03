"""A .csv as Data: a row an item (a beat, a reading of all sensors, a flat picture), a column a number."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from isthmus.data.base import Data
from isthmus.data.numeric import open_array
from isthmus.errors import BadInput

TABLES = (".csv", ".tsv", ".txt")
LABELS = ("label", "labels", "class", "target", "y")  # a column of whole numbers so named says what a row is
ACCEPTED = "accepted is a row of numbers a line, apart by , ; tab or spaces, with or without a line of names"


def open_table(path: Path, like: Mapping[str, Any] | None = None) -> Data:
    """A .csv (or .tsv, .txt) of numbers. Columns of something else, such as dates, are left out, which a note says.

    Raises BadInput for a file without numbers, and for a line that has others than the ones before it.
    """
    first, second = two_lines(path)
    apart = next((mark for mark in ",;\t" if mark in first), None)  # else spaces
    head, cells = cells_of(first, apart), cells_of(second or first, apart)
    if len(cells) != len(head):
        raise BadInput(f"{path}: {len(head)} cells in the first line and {len(cells)} in the next; {ACCEPTED}")
    pairs = [(is_number(top), is_number(below)) for top, below in zip(head, cells, strict=True)]
    named = any(below and not top for top, below in pairs)
    columns = [place for place, (top, below) in enumerate(pairs) if top or below]
    if not columns:
        raise BadInput(f"{path}: no table of numbers; {ACCEPTED}")
    names = head if named else [f"column {place + 1}" for place in range(len(head))]
    label = next((place for place in columns if names[place].lower() in LABELS), None)
    try:
        rows = np.loadtxt(
            path, np.float64, delimiter=apart, skiprows=int(named), usecols=columns, ndmin=2, encoding="utf-8-sig"
        )
    except ValueError as error:
        raise BadInput(f"{path}: {re.sub(r'; use `usecols`.*', '', str(error)).rstrip('.')}; {ACCEPTED}") from error
    labels = None
    if label is not None and len(columns) > 1:
        labels = rows[:, columns.index(label)]
        labels = labels.astype(np.int64) if (labels == np.rint(labels)).all() else None
        rows = rows if labels is None else np.delete(rows, columns.index(label), 1)
    kept = [names[place] for place in columns if labels is None or place != label] if named else None
    source = {"kind": "file", "path": str(path.resolve())}
    data = open_array(rows.astype(np.float32), name=str(path), source=source, like=like, labels=labels, columns=kept)
    left = [names[place] for place in range(len(cells)) if place not in columns]
    if left:
        data.notes.append(f"{path.name}: left out, as no numbers: {', '.join(left)}")
    return data


def two_lines(path: Path) -> tuple[str, str]:
    """The first two lines with something in them; the second is empty where there is one only."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            lines = [line for _ in range(100) if (line := file.readline(2**24)).strip()]
    except UnicodeDecodeError as error:
        raise BadInput(f"{path}: no text in UTF-8; {ACCEPTED}") from error
    if not lines:
        raise BadInput(f"{path}: holds no rows; {ACCEPTED}")
    return lines[0], lines[1] if len(lines) > 1 else ""


def cells_of(line: str, apart: str | None) -> list[str]:
    return [cell.strip().strip('"') for cell in line.strip().split(apart)]


def is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
