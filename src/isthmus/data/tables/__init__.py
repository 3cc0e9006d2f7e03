"""Text tables (.csv) as Data: an item is a row or a window of rows; columns are numbers, categories or labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from isthmus.data.arrays import open_array
from isthmus.data.base import Data, Numbered
from isthmus.data.column_ranges import range_by_column
from isthmus.data.tables.cells import Cells, one_hot, read_cells, windows_of
from isthmus.data.tables.reader import called, open_sheet
from isthmus.data.tables.schema import COUNTS, Schema, id_column, match_columns, schema_of
from isthmus.errors import BadInput, at_least, unknown
from isthmus.fields import Range

__all__ = ["TABLES", "TableOptions", "open_frame", "open_table"]

TABLES = (".csv", ".tsv", ".txt")
RULES = ("median", "drop")
SILENT = ("dropped", "empty")  # reasons to omit a column without a note
NAMED = 5  # names in a note


@dataclass(frozen=True)
class TableOptions:
    """Options of a table, which a run keeps in its schema.

    labels: the column of labels. drop: columns to omit. keep: columns to keep that would be omitted as counters or time
    stamps. drop and keep hold names, or numbers from 1 on. missing: treatment of missing cells (median, drop). normal:
    the label of the training rows. window, stride: windows of a series.
    """

    labels: str | None = None
    drop: str | Sequence[str] = ()
    keep: str | Sequence[str] = ()
    missing: str = ""
    normal: str = ""
    window: int = 0
    stride: int = 0

    def __post_init__(self) -> None:
        if self.missing and self.missing not in RULES:
            raise unknown("rule for missing cells", self.missing, RULES)
        for name in ("window", "stride"):
            at_least(name, getattr(self, name), 0)
        if self.stride and not self.window:
            raise BadInput(f"stride {self.stride}: goes with a window, the number of rows in an item")


def names_of(columns: str | Sequence[str]) -> list[str]:
    return [columns] if isinstance(columns, str) else list(map(str, columns))


OPTIONS = tuple(one.name for one in fields(TableOptions))


def open_table(path: Path, like: Mapping[str, Any] | None = None, options: TableOptions | None = None) -> Data:
    """A .csv (.tsv, .txt) as Data, with the schema as plain JSON in `table`; `like` brings the schema of a run.

    Raises BadInput for a file that is not a table, for missing cells without a rule, and for other columns than the
    run's.
    """
    notes: list[str] = []
    sheet = open_sheet(path)
    kept = like.get("table") if like is not None else None
    if kept is not None:
        schema = Schema.of(kept)
        indices, label = match_columns(schema, sheet, notes)
    else:
        options = options or TableOptions()
        schema = schema_of(sheet, options.labels, names_of(options.drop), names_of(options.keep))
        schema.missing, schema.normal, schema.window = options.missing, str(options.normal), options.window
        schema.stride = options.stride or options.window
        names = sheet.names or [f"column {index + 1}" for index in range(sheet.width)]
        indices = [names.index(column.name) for column in schema.columns]
        label = None if schema.label is None else names.index(schema.label.name)
        notes += schema_notes(schema, path)
    if sheet.units is not None:
        notes.append(f"{path.name}: the line below the names is taken as units")
    cells = read_cells(sheet, schema, indices, label, grow=kept is None, id=id_column(schema, sheet))
    for (column, word), line in list(cells.unknown.items())[:NAMED]:
        notes.append(f"{path.name}: line {line}, {called(column)}: {word!r} is unknown to this run, as no word at all")
    numbers = fill_missing(cells, schema, path, notes, measure=kept is None)
    if schema.normal and kept is None:
        numbers = only_normal(cells, schema, numbers, path, notes)
    rows = one_hot(cells.values, schema)
    source = {"kind": "file", "path": str(path.resolve())}
    columns = schema.headings if schema.named else None
    if schema.window:
        return windowed(rows, schema, path, notes, source, like)
    data = open_array(rows, name=str(path), source=source, like=like, labels=cells.labels, columns=columns)
    numbered = Numbered(numbers)  # numbers in the file, of which some rows may be omitted
    named = [*numbered] if schema.normal else numbered
    data = replace(data, names=named, notes=notes + data.notes, table=schema.json(), ids=cells.ids)
    return replace(data, range=with_category_ranges(data.range, schema)) if like is None else data


def open_frame(frame: Any, like: Mapping[str, Any] | None = None, options: TableOptions | None = None) -> Data:
    """A DataFrame (of pandas, or any object with to_csv), without its index, opened like its .csv."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / type(frame).__name__
        frame.to_csv(path, index=False)
        data = open_table(path, like, options)
    source = {key: value for key, value in data.source.items() if key != "path"}
    return replace(data, source=source | {"kind": "array", "name": type(frame).__name__})


def schema_notes(schema: Schema, path: Path) -> list[str]:
    """Notes on the inferred schema of a new table."""
    notes = [
        f"{path.name}: {called(name)} is left out: {why}"
        + (f"; --keep '{name}' learns from it" if why in COUNTS else "")
        for name, why in schema.left.items()
        if why not in SILENT
    ]
    if schema.label is not None:
        notes.append(f"{path.name}: {called(schema.label.name)} is taken as labels")
    if len(schema.columns) == 1 and schema.columns[0].kind == "number" and not schema.window:
        text = "an item is one number; --window N makes items of N rows of a series"
        notes.append(f"{path.name}: one column of numbers: {text}")
    for column in schema.columns:
        if column.kind == "category":
            notes.append(
                f"{path.name}: {called(column.name)} is taken as categories: {', '.join(column.values[:NAMED])}"
            )
    return notes


def fill_missing(cells: Cells, schema: Schema, path: Path, notes: list[str], measure: bool) -> np.ndarray:
    """Fill missing cells, or omit their rows, according to the schema; returns the numbers of the remaining rows.

    measure: compute the fill values from these rows into the schema. Without a rule, raises BadInput that names the
    first missing cell.
    """
    gaps, count = np.isnan(cells.values), len(cells.values)
    if measure:
        for index, column in enumerate(schema.columns):
            known = cells.values[~gaps[:, index], index]
            if column.kind == "number":
                column.fill = float(np.median(known)) if len(known) else 0.0
            elif len(known):
                column.fill = float(np.bincount(known.astype(int)).argmax())
    if not gaps.any():
        return np.arange(count)
    row, index = (int(each[0]) for each in np.nonzero(gaps))
    counts = {column.name: int(number) for column, number in zip(schema.columns, gaps.sum(0), strict=True) if number}
    missing = ", ".join(f"{number} in {name}" for name, number in list(counts.items())[:NAMED])
    if len(counts) > NAMED:
        missing += f" and {sum(list(counts.values())[NAMED:])} in {len(counts) - NAMED} more columns"
    if not schema.missing:
        first = f"line {cells.lines[row]}, {called(schema.columns[index].name)}"
        rule = "--set missing=median or missing=drop" + ("" if measure else " at training")
        raise BadInput(
            f"{path}: missing cells ({missing}), the first in {first}; accepted with {rule}: median fills in the "
            "median of the column (or its most frequent category), drop leaves the row out"
        )
    if schema.missing == "median":
        cells.values[gaps] = np.broadcast_to([column.fill for column in schema.columns], gaps.shape)[gaps]
        notes.append(f"{path.name}: missing cells filled with the median of their column: {missing}")
        return np.arange(count)
    kept = np.flatnonzero(~gaps.any(1))
    if not len(kept):
        raise BadInput(f"{path}: a cell is missing in every row, so missing=drop leaves none; median is accepted")
    notes.append(f"{path.name}: {count - len(kept)} rows with missing cells left out: {missing}")
    cells.select(kept)
    return kept


def only_normal(cells: Cells, schema: Schema, numbers: np.ndarray, path: Path, notes: list[str]) -> np.ndarray:
    """Select the rows with the normal label; returns their numbers. Raises BadInput if there is no such label."""
    if schema.label is None or cells.labels is None:
        raise BadInput(f"{path}: normal={schema.normal}: --labels names the column of the labels")
    if schema.normal not in schema.label.values:
        raise unknown(f"label in {called(schema.label.name)}", schema.normal, schema.label.values)
    kept = np.flatnonzero(cells.labels == schema.label.values.index(schema.normal))
    notes.append(f"{path.name}: {len(kept)} of {len(numbers)} rows are {schema.normal}: the others are left out")
    cells.select(kept)
    return numbers[kept]


def windowed(
    rows: np.ndarray,
    schema: Schema,
    path: Path,
    notes: list[str],
    source: dict[str, Any],
    like: Mapping[str, Any] | None,
) -> Data:
    """Windows of a series as items, one column after the other; names are the first and the last row of each."""
    window = schema.window
    if len(rows) < window:
        raise BadInput(f"{path}: {len(rows)} rows, but a window is {window}; as many rows or more are accepted")
    starts, items = windows_of(rows, window, schema.stride)
    data = open_array(items, name=str(path), source=source, like=like)
    if like is None:
        low, high = range_by_column(rows, schema.headings if schema.named else None, notes)
        assert isinstance(low, tuple)
        assert isinstance(high, tuple)
        low, high = with_category_ranges((low, high), schema)  # type: ignore[assignment]
        data.range = tuple(np.repeat(low, window).tolist()), tuple(np.repeat(high, window).tolist())
        data.notes = []
    names = [f"{start:05d}-{start + window - 1:05d}" for start in starts]
    # Windows overlap, so the windows of one section of the series stay in one part.
    sections = starts // (10 * window)
    return replace(data, names=names, pictures=sections, notes=notes + data.notes, table=schema.json())


def with_category_ranges(known: Range, schema: Schema) -> Range:
    """Ranges per column with categories kept at 0..1, however rare they are; one common range is returned unchanged."""
    if not isinstance(known[0], tuple) or not isinstance(known[1], tuple):
        return known
    categories = [column.kind != "number" for column in schema.columns for _ in range(column.width)]
    low = tuple(0.0 if category else value for category, value in zip(categories, known[0], strict=True))
    return low, tuple(1.0 if category else value for category, value in zip(categories, known[1], strict=True))
