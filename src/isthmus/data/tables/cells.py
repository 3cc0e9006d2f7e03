"""From the cells of a table to numbers, and back."""

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

AT_ONCE = 4096  # rows whose cells are held as text


@dataclass
class Read:
    """values: N×C, a number a column of the schema (of a category the place of its word), NaN where it is missing.

    labels: N places of words, -1 where there is none, or None. lines: of the file, where each row ends. strange: words
    that the schema does not know: (column, word) -> the first line. ids: N texts, as the table calls its rows, or None.
    """

    values: np.ndarray
    labels: np.ndarray | None
    lines: np.ndarray
    strange: dict[tuple[str, str], int]
    ids: np.ndarray | None = None

    def keep(self, rows: np.ndarray) -> None:
        """Leave these rows alone."""
        self.values = self.values[rows]
        self.labels = None if self.labels is None else self.labels[rows]
        self.ids = None if self.ids is None else self.ids[rows]


def read_cells(
    sheet: Sheet, schema: Schema, places: Sequence[int], label: int | None, grow: bool, id: int | None = None
) -> Read:
    """All rows of the columns at `places`. grow: words that are new become values of their column. id: the place of
    the names of the rows.

    Raises BadInput that names the line and the column of a cell that is no number.
    """
    number, columns = sheet.writing.number, schema.columns
    plain = all(column.kind == "number" for column in columns) and sheet.writing.decimal == "."
    strange: dict[tuple[str, str], int] = {}
    blocks, rows, lines, labels, ids = [], list[list[float]](), list[int](), list[int](), list[str]()

    def read(column: Column, cell: str, line: int) -> float:
        if column.kind == "number":
            try:
                return number(cell)
            except ValueError:
                told = f"line {line}, {called(column.name)}: {cell.strip()!r} is no number"
                raise BadInput(f"{sheet.path}: {told}; --drop {column.name!r} leaves the column out") from None
        return word(column, cell, line)

    def word(column: Column, cell: str, line: int) -> float:
        text = cell.strip()
        if is_missing(cell):
            return np.nan
        if text not in column.values:
            if not grow or column.kind == "yes-no":
                strange.setdefault((column.name, text), line)
                return -1.0
            column.values.append(text)
        return float(column.values.index(text))

    for line, cells in sheet.rows():
        try:
            row = [float(cells[place]) for place in places] if plain else None
        except ValueError:
            row = None
        rows.append(row or [read(column, cells[place], line) for column, place in zip(columns, places, strict=True)])
        lines.append(line)
        ids += [] if id is None else [cells[id].strip()]
        if label is not None and schema.label is not None:
            found = word(schema.label, cells[label], line)
            labels.append(-1 if np.isnan(found) else int(found))
        if len(rows) == AT_ONCE:
            blocks.append(np.array(rows))
            rows = []
    values = np.concatenate([*blocks, np.array(rows).reshape(-1, len(columns))])
    values[~np.isfinite(values)] = np.nan
    told = {key: line for key, line in strange.items() if schema.label is None or key[0] != schema.label.name}
    words = np.array(ids) if id is not None else None
    return Read(values, np.array(labels) if label is not None else None, np.array(lines), told, words)


def expanded(values: np.ndarray, schema: Schema) -> np.ndarray:
    """N×C places and numbers -> N×D float32, of a category a column for each of its words, 1 in one of them."""
    parts = []
    for column, numbers in zip(schema.columns, values.T, strict=True):
        if column.kind == "category":
            parts.append((numbers[:, None] == np.arange(column.width)).astype(np.float32))
        else:
            parts.append(numbers[:, None].astype(np.float32))
    return np.concatenate(parts, 1)


def lines_of(rows: np.ndarray, schema: Schema) -> Iterator[list[str]]:
    """N×D in the units of the table as cells: numbers of seven digits, words for categories and yes or no."""
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
    """(first row of each window, N×(D·window) a column after the other) of T×D; the last ends with the series."""
    starts = np.arange(0, len(rows) - window + 1, stride)
    if starts[-1] + window < len(rows):
        starts = np.append(starts, len(rows) - window)
    seen = np.lib.stride_tricks.sliding_window_view(rows, window, axis=0)[starts]  # N×D×window
    return starts, np.ascontiguousarray(seen.reshape(len(starts), -1))


def joined(items: np.ndarray, starts: Iterable[int], window: int) -> np.ndarray:
    """The rows T×D that windows N×(D·window) are of, the mean where several overlap, without rows that none shows."""
    begins = np.fromiter(starts, int)
    begins = begins - begins.min()
    seen = items.reshape(len(items), -1, window).transpose(0, 2, 1)
    total, count = np.zeros((begins.max() + window, seen.shape[2])), np.zeros(begins.max() + window)
    for begin, one in zip(begins, seen, strict=True):
        total[begin : begin + window] += one
        count[begin : begin + window] += 1
    return total[count > 0] / count[count > 0, None]


def write_table(out: Path, values: np.ndarray, schema: Schema, names: Sequence[str]) -> None:
    """N×D in the units of the table as a .csv, under its names; of windows the series that they are of."""
    if schema.window:
        starts = [int(name.partition("-")[0]) for name in names]
        places = starts if all("-" in name for name in names) else range(0, len(names) * schema.window, schema.window)
        values = joined(values, places, schema.window)
    with atomic(out) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        if schema.named:
            writer.writerow([column.name for column in schema.columns])
        writer.writerows(lines_of(values, schema))
