"""Tables in text as Data: a row an item, or a window of rows; a column a number, a word, a label, or left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from isthmus.data.arrays import open_array
from isthmus.data.base import Data, Numbered, Range
from isthmus.data.column_ranges import range_by_column
from isthmus.data.tables.cells import Read, expanded, read_cells, windows_of
from isthmus.data.tables.reader import called, open_sheet
from isthmus.data.tables.schema import COUNTS, Schema, matched, place_of_ids, schema_of
from isthmus.errors import BadInput, at_least, unknown

__all__ = ["TABLES", "Asked", "open_frame", "open_table"]

TABLES = (".csv", ".tsv", ".txt")
RULES = ("median", "drop")
UNSAID = ("dropped", "empty")  # reasons to leave a column out
NAMED = 5  # in a note


@dataclass(frozen=True)
class Asked:
    """What can be asked of a table: the column of labels, columns to leave out, and columns to keep that look as if
    they only count (names, or numbers from 1 on), what is done about missing cells (median, drop), the label of the
    rows that are learned from, and windows of a series. A run keeps it in its schema."""

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


def names_of(some: str | Sequence[str]) -> list[str]:
    return [some] if isinstance(some, str) else list(map(str, some))


ASKED = tuple(one.name for one in fields(Asked))


def open_table(path: Path, like: Mapping[str, Any] | None = None, asked: Asked | None = None) -> Data:
    """A .csv (.tsv, .txt) as Data, whose `table` is the schema in plain JSON, which `like` brings from a run.

    Raises BadInput for a file that is no table, for missing cells without a rule, and for other columns than the run's.
    """
    notes: list[str] = []
    sheet = open_sheet(path)
    kept = like.get("table") if like is not None else None
    if kept is not None:
        schema = Schema.of(kept)
        places, label = matched(schema, sheet, notes)
    else:
        asked = asked or Asked()
        schema = schema_of(sheet, asked.labels, names_of(asked.drop), names_of(asked.keep))
        schema.missing, schema.normal, schema.window = asked.missing, str(asked.normal), asked.window
        schema.stride = asked.stride or asked.window
        names = sheet.names or [f"column {place + 1}" for place in range(sheet.width)]
        places = [names.index(column.name) for column in schema.columns]
        label = None if schema.label is None else names.index(schema.label.name)
        notes += told_of(schema, path)
    if sheet.units is not None:
        notes.append(f"{path.name}: the line below the names is taken as units")
    read = read_cells(sheet, schema, places, label, grow=kept is None, id=place_of_ids(schema, sheet))
    for (column, word), line in list(read.strange.items())[:NAMED]:
        notes.append(f"{path.name}: line {line}, {called(column)}: {word!r} is unknown to this run, as no word at all")
    numbers = filled(read, schema, path, notes, measure=kept is None)
    if schema.normal and kept is None:
        numbers = only_normal(read, schema, numbers, path, notes)
    rows = expanded(read.values, schema)
    source = {"kind": "file", "path": str(path.resolve())}
    columns = schema.headings if schema.named else None
    if schema.window:
        return windowed(rows, schema, path, notes, source, like)
    data = open_array(rows, name=str(path), source=source, like=like, labels=read.labels, columns=columns)
    numbered = Numbered(numbers)  # of their file, of which some rows may be left out
    named = [*numbered] if schema.normal else numbered
    data = replace(data, names=named, notes=notes + data.notes, table=schema.json(), ids=read.ids)
    return replace(data, range=words_from_0_to_1(data.range, schema)) if like is None else data


def open_frame(frame: Any, like: Mapping[str, Any] | None = None, asked: Asked | None = None) -> Data:
    """A DataFrame (pandas, or what writes itself by to_csv) as the table that it is as a .csv, without its index."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / type(frame).__name__
        frame.to_csv(path, index=False)
        data = open_table(path, like, asked)
    source = {key: value for key, value in data.source.items() if key != "path"}
    return replace(data, source=source | {"kind": "array", "name": type(frame).__name__})


def told_of(schema: Schema, path: Path) -> list[str]:
    """What a new table was taken for, in a note each."""
    notes = [
        f"{path.name}: {called(name)} is left out: {why}"
        + (f"; --keep '{name}' learns from it" if why in COUNTS else "")
        for name, why in schema.left.items()
        if why not in UNSAID
    ]
    if schema.label is not None:
        notes.append(f"{path.name}: {called(schema.label.name)} is taken as labels")
    for column in schema.columns:
        if column.kind == "category":
            notes.append(
                f"{path.name}: {called(column.name)} is taken as categories: {', '.join(column.values[:NAMED])}"
            )
    return notes


def filled(read: Read, schema: Schema, path: Path, notes: list[str], measure: bool) -> np.ndarray:
    """Fill the missing cells of `read`, or leave their rows out, as the schema says; return the numbers of the rows.

    measure: take what fills them from these rows, and keep it. Raises BadInput that names the first of them.
    """
    gaps, count = np.isnan(read.values), len(read.values)
    if measure:
        for place, column in enumerate(schema.columns):
            known = read.values[~gaps[:, place], place]
            if column.kind == "number":
                column.fill = float(np.median(known)) if len(known) else 0.0
            elif len(known):
                column.fill = float(np.bincount(known.astype(int)).argmax())
    if not gaps.any():
        return np.arange(count)
    row, place = (int(each[0]) for each in np.nonzero(gaps))
    lost = {column.name: int(number) for column, number in zip(schema.columns, gaps.sum(0), strict=True) if number}
    told = ", ".join(f"{number} in {name}" for name, number in list(lost.items())[:NAMED])
    told += f" and {sum(list(lost.values())[NAMED:])} in {len(lost) - NAMED} more columns" if len(lost) > NAMED else ""
    if not schema.missing:
        where = f"line {read.lines[row]}, {called(schema.columns[place].name)}"
        how = "trained with --set missing=median or missing=drop" if not measure else "--set missing=median or drop"
        raise BadInput(
            f"{path}: missing cells ({told}), the first in {where}: {how} is accepted, which fills in the "
            "median of the column (the commonest word of categories) or leaves the row out"
        )
    if schema.missing == "median":
        read.values[gaps] = np.broadcast_to([column.fill for column in schema.columns], gaps.shape)[gaps]
        notes.append(f"{path.name}: missing cells filled with the median of their column: {told}")
        return np.arange(count)
    kept = np.flatnonzero(~gaps.any(1))
    if not len(kept):
        raise BadInput(f"{path}: a cell is missing in every row, so missing=drop leaves none; median is accepted")
    notes.append(f"{path.name}: {count - len(kept)} rows with missing cells left out: {told}")
    read.keep(kept)
    return kept


def only_normal(read: Read, schema: Schema, numbers: np.ndarray, path: Path, notes: list[str]) -> np.ndarray:
    """Leave only the rows of the normal label; return their numbers. Raises BadInput where there is no such label."""
    if schema.label is None or read.labels is None:
        raise BadInput(f"{path}: normal={schema.normal}: --labels names the column of the labels")
    if schema.normal not in schema.label.values:
        raise unknown(f"label in {called(schema.label.name)}", schema.normal, schema.label.values)
    kept = np.flatnonzero(read.labels == schema.label.values.index(schema.normal))
    notes.append(f"{path.name}: {len(kept)} of {len(numbers)} rows are {schema.normal}: the others are left out")
    read.keep(kept)
    return numbers[kept]


def windowed(
    rows: np.ndarray,
    schema: Schema,
    path: Path,
    notes: list[str],
    source: dict[str, Any],
    like: Mapping[str, Any] | None,
) -> Data:
    """Windows of a series as items, a column after the other; each is called by its first and last row."""
    window = schema.window
    if len(rows) < window:
        raise BadInput(f"{path}: {len(rows)} rows, but a window is {window}; as many rows or more are accepted")
    starts, items = windows_of(rows, window, schema.stride)
    data = open_array(items, name=str(path), source=source, like=like)
    if like is None:
        low, high = range_by_column(rows, schema.headings if schema.named else None, notes)
        assert isinstance(low, tuple)
        assert isinstance(high, tuple)
        low, high = words_from_0_to_1((low, high), schema)  # type: ignore[assignment]
        data.range = tuple(np.repeat(low, window).tolist()), tuple(np.repeat(high, window).tolist())
        data.notes = []
    names = [f"{start:05d}-{start + window - 1:05d}" for start in starts]
    # Windows overlap: those of one stretch stay in one part.
    stretches = starts // (10 * window)
    return replace(data, names=names, pictures=stretches, notes=notes + data.notes, table=schema.json())


def words_from_0_to_1(known: Range, schema: Schema) -> Range:
    """The ranges, where columns have some of their own, but words, which stay 0 and 1 however rare they are."""
    if not isinstance(known[0], tuple) or not isinstance(known[1], tuple):
        return known
    words = [column.kind != "number" for column in schema.columns for _ in range(column.width)]
    low = tuple(0.0 if word else value for word, value in zip(words, known[0], strict=True))
    return low, tuple(1.0 if word else value for word, value in zip(words, known[1], strict=True))
