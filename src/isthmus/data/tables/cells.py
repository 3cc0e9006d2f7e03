"""Conversion of the cells of a table to numbers, and back."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from isthmus.data.tables.reader import Sheet, called, is_missing
from isthmus.data.tables.schema import Column, Schema
from isthmus.errors import BadInput
from isthmus.files import atomic

BLOCK = 4096  # rows converted at a time


@dataclass
class Cells:
    """values: N×C, one number per column of the schema (the index of a category), NaN if missing.

    labels: N indices of categories, -1 if missing, or None. lines: N line numbers in the file. unknown: categories that
    are not in the schema: (column, word) -> first line. ids: the names of the rows, or None.
    """

    values: np.ndarray
    labels: np.ndarray | None
    lines: np.ndarray
    unknown: dict[tuple[str, str], int]
    ids: np.ndarray | None = None

    def select(self, rows: np.ndarray) -> None:
        """Keep only these rows."""
        self.values = self.values[rows]
        self.labels = None if self.labels is None else self.labels[rows]
        self.ids = None if self.ids is None else self.ids[rows]


def read_cells(
    sheet: Sheet, schema: Schema, indices: Sequence[int], label: int | None, grow: bool, id: int | None = None
) -> Cells:
    """All rows of the columns at `indices`. grow: add new words to the categories of their column. id: the index of the
    column with the names of the rows.

    Raises BadInput that names the line and the column of a cell that is not a number.
    """
    number, columns = sheet.dialect.number, schema.columns
    plain = all(column.kind == "number" for column in columns) and sheet.dialect.decimal == "."
    unknown: dict[tuple[str, str], int] = {}
    blocks, rows, lines, labels, ids = [], list[list[float]](), list[int](), list[int](), list[str]()

    def read(column: Column, cell: str, line: int) -> float:
        if column.kind == "number":
            try:
                return number(cell)
            except ValueError:
                problem = f"line {line}, {called(column.name)}: {cell.strip()!r} is no number"
                raise BadInput(f"{sheet.path}: {problem}; --drop {column.name!r} leaves the column out") from None
        return word(column, cell, line)

    def word(column: Column, cell: str, line: int) -> float:
        text = cell.strip()
        if is_missing(cell):
            return np.nan
        if text not in column.values:
            if not grow or column.kind == "yes-no":
                unknown.setdefault((column.name, text), line)
                return -1.0
            column.values.append(text)
        return float(column.values.index(text))

    for line, cells in sheet.rows():
        try:
            row = [float(cells[index]) for index in indices] if plain else None
        except ValueError:
            row = None
        rows.append(row or [read(column, cells[index], line) for column, index in zip(columns, indices, strict=True)])
        lines.append(line)
        ids += [] if id is None else [cells[id].strip()]
        if label is not None and schema.label is not None:
            category = word(schema.label, cells[label], line)
            labels.append(-1 if np.isnan(category) else int(category))
        if len(rows) == BLOCK:
            blocks.append(np.array(rows))
            rows = []
    values = np.concatenate([*blocks, np.array(rows).reshape(-1, len(columns))])
    values[~np.isfinite(values)] = np.nan
    in_columns = {key: line for key, line in unknown.items() if schema.label is None or key[0] != schema.label.name}
    names = np.array(ids) if id is not None else None
    return Cells(values, np.array(labels) if label is not None else None, np.array(lines), in_columns, names)


def one_hot(values: np.ndarray, schema: Schema) -> np.ndarray:
    """N×C numbers and category indices -> N×D float32, categories one-hot encoded."""
    parts = []
    for column, numbers in zip(schema.columns, values.T, strict=True):
        if column.kind == "category":
            parts.append((numbers[:, None] == np.arange(column.width)).astype(np.float32))
        else:
            parts.append(numbers[:, None].astype(np.float32))
    return np.concatenate(parts, 1)


def lines_of(rows: np.ndarray, schema: Schema) -> Iterator[list[str]]:
    """N×D in the units of the table as text cells: numbers with seven digits, words for categories and yes or no."""
    ends = np.cumsum([column.width for column in schema.columns])
    for row in rows:
        yield [text_of(column, part) for column, part in zip(schema.columns, np.split(row, ends[:-1]), strict=True)]


def text_of(column: Column, part: np.ndarray) -> str:
    if column.kind == "category":
        return column.values[int(part.argmax())]
    if column.kind == "yes-no":
        return column.values[int(part[0] > 0.5)]
    return f"{part[0]:.7g}"


def windows_of(rows: np.ndarray, window: int, stride: int) -> tuple[np.ndarray, np.ndarray]:
    """(first row of each window, N×(D·window) one column after the other) of T×D; the last window ends the series."""
    starts = np.arange(0, len(rows) - window + 1, stride)
    if starts[-1] + window < len(rows):
        starts = np.append(starts, len(rows) - window)
    windows = np.lib.stride_tricks.sliding_window_view(rows, window, axis=0)[starts]  # N×D×window
    return starts, np.ascontiguousarray(windows.reshape(len(starts), -1))


def joined(items: np.ndarray, starts: Iterable[int], window: int) -> np.ndarray:
    """The rows T×D of windows N×(D·window), averaged where windows overlap, without rows outside of all windows."""
    begins = np.fromiter(starts, int)
    begins = begins - begins.min()
    windows = items.reshape(len(items), -1, window).transpose(0, 2, 1)
    total, count = np.zeros((begins.max() + window, windows.shape[2])), np.zeros(begins.max() + window)
    for begin, one in zip(begins, windows, strict=True):
        total[begin : begin + window] += one
        count[begin : begin + window] += 1
    return total[count > 0] / count[count > 0, None]


def write_table(out: Path, values: np.ndarray, schema: Schema, names: Sequence[str]) -> None:
    """Write N×D in the units of the table as a .csv with its column names; windows are joined into the series."""
    if schema.window:
        starts = [int(name.partition("-")[0]) for name in names]
        numbered = range(0, len(names) * schema.window, schema.window)
        values = joined(values, starts if all("-" in name for name in names) else numbered, schema.window)
    with atomic(out) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        if schema.named:
            writer.writerow([column.name for column in schema.columns])
        writer.writerows(lines_of(values, schema))
