"""The text of a table: how its cells are apart, how its numbers are written, and which lines are no rows."""

from __future__ import annotations

import csv
import itertools
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from isthmus.errors import BadInput

ACCEPTED = "accepted are rows of as many cells each, apart by , ; | tab or spaces, with or without a line of names"
MARKS = ("\t", ";", "|", ",")  # in this order, because of "1,5;2,5" the commas are decimal
MISSING = {"", "na", "n/a", "nan", "null", "none", "?", "-", "--", "#n/a", "inf", "-inf", "infinity", "-infinity"}
SAMPLE, LOOKED_AT = 1000, 100_000  # rows and cells, at most, that are looked at before any is read
Cells = list[str]


@dataclass(frozen=True)
class Writing:
    """How a file is written. mark: between cells, "" for spaces. decimal: "." or ",". thousands: what groups digits."""

    encoding: str
    mark: str
    decimal: str
    thousands: str

    def number(self, cell: str) -> float:
        """The number in a cell, NaN where it is missing; raises ValueError for anything else."""
        text = cell.strip()
        if self.decimal == ".":
            try:
                return float(text)
            except ValueError:
                pass
        if text.lower() in MISSING:
            return float("nan")
        if self.thousands:
            text = re.sub(rf"(?<=\d){self.thousands}(?=\d{{3}}(\D|$))", "", text)
        return float(text.replace(",", ".") if self.decimal == "," else text)

    def is_number(self, cell: str) -> bool:
        """Whether there is a number in it; nothing is none."""
        if is_missing(cell):
            return False
        try:
            self.number(cell)
        except ValueError:
            return False
        return True


@dataclass
class Sheet:
    """A table whose rows are still to be read. names: of the columns, None where the file has no line of them.

    sample: the first rows. units: of the columns, where a line below the names has them.
    """

    path: Path
    writing: Writing
    names: list[str] | None
    sample: list[Cells]
    units: list[str] | None
    skipped: int  # records before the first row

    @property
    def width(self) -> int:
        return len(self.sample[0])

    def rows(self) -> Iterator[tuple[int, Cells]]:
        """The line and the cells of each row. Raises BadInput for one of another number of cells."""
        for line, cells in itertools.islice(records(self.path, self.writing), self.skipped, None):
            if len(cells) != self.width:
                raise BadInput(f"{self.path}: {len(cells)} cells in line {line} and {self.width} before; {ACCEPTED}")
            yield line, cells


def open_sheet(path: Path) -> Sheet:
    """Look at the first rows of a file. Raises BadInput where they are no table."""
    encoding = encoding_of(path)
    lines = [line for line in first_lines(path, encoding) if line.strip() and not line.startswith("#")]
    if not lines:
        raise BadInput(f"{path}: holds no rows; {ACCEPTED}")
    plain = Writing(encoding, mark_of(lines), ".", "")
    count = max(100, min(SAMPLE, LOOKED_AT // (lines[0].count(plain.mark or " ") + 1)))
    first = [cells for _, cells in itertools.islice(records(path, plain), count)]
    width = len(first[-1])
    if len(first) > 1 and len(first[0]) == width - 1 and all(len(cells) == width for cells in first[1:]):
        raise BadInput(f"{path}: {width - 1} names for {width} columns; {ACCEPTED}")
    for number, cells in enumerate(first, 1):
        if len(cells) != len(first[0]):
            raise BadInput(
                f"{path}: {len(first[0])} cells in the first row and {len(cells)} in row {number}; {ACCEPTED}"
            )
    decimal, thousands = digits_of(first)
    writing = Writing(encoding, plain.mark, decimal, thousands)
    names, rows = named(first, writing)
    units = rows[0] if names is not None and is_units(rows, writing) else None
    rows = rows[1:] if units is not None else rows
    if not rows:
        raise BadInput(f"{path}: holds no rows; {ACCEPTED}")
    return Sheet(path, writing, names, rows, units, (names is not None) + (units is not None))


def records(path: Path, writing: Writing) -> Iterator[tuple[int, Cells]]:
    """(last line, cells) of each record that is not empty and no comment."""
    with path.open(encoding=writing.encoding, newline="") as file:
        if not writing.mark:
            for line, text in enumerate(file, 1):
                if text.strip() and not text.startswith("#"):
                    yield line, [cell.strip('"') for cell in text.split()]
            return
        reader = csv.reader(file, delimiter=writing.mark, skipinitialspace=True)
        try:
            for cells in reader:
                if any(cell.strip() for cell in cells) and not cells[0].startswith("#"):
                    yield reader.line_num, cells
        except csv.Error as error:
            raise BadInput(f"{path}: line {reader.line_num}: {error}; {ACCEPTED}") from error


def encoding_of(path: Path) -> str:
    """UTF-8 (with or without a mark), UTF-16 with one, else that of older Windows. Raises BadInput for no text."""
    with path.open("rb") as file:
        if file.read(2) in (b"\xff\xfe", b"\xfe\xff"):
            return "utf-16"
    for encoding in ("utf-8-sig", "cp1252"):
        try:
            with path.open(encoding=encoding) as file:
                while file.read(2**20):
                    pass
        except UnicodeDecodeError:
            continue
        return encoding
    raise BadInput(f"{path}: no text in UTF-8 or Latin-1; {ACCEPTED}")


def first_lines(path: Path, encoding: str) -> list[str]:
    with path.open(encoding=encoding) as file:
        return [line for _ in range(100) if (line := file.readline(2**24))]


def mark_of(lines: Sequence[str]) -> str:
    """What stands between cells: the first of MARKS that cuts most lines into as many, else spaces."""
    best, most = "", 0.0
    for mark in MARKS:
        counts = [len(cells) for cells in csv.reader(lines, delimiter=mark, skipinitialspace=True) if cells]
        count, often = Counter(counts).most_common(1)[0]
        if count > 1 and often / len(counts) >= 0.5 and often / len(counts) > most:
            best, most = mark, often / len(counts)
    return best


def digits_of(rows: Sequence[Cells]) -> tuple[str, str]:
    """(the decimal mark, a pattern of what groups digits), by how all cells are written."""
    cells = [cell.strip() for row in rows for cell in row]
    dots = any(re.fullmatch(r"[-+]?\d*\.\d+(e[-+]?\d+)?", cell, re.I) and not grouped(cell, ".") for cell in cells)
    commas = any(re.fullmatch(r"[-+]?\d*,\d+(e[-+]?\d+)?", cell, re.I) and not grouped(cell, ",") for cell in cells)
    mixed = any(re.fullmatch(r"[-+]?\d{1,3}(\.\d{3})+,\d+", cell) for cell in cells)  # 1.234,5
    if mixed or (commas and not dots):
        return ",", r"[. '\u00a0\u202f]"
    twice = any(re.fullmatch(r"[-+]?\d{1,3}(,\d{3}){2,}(\.\d+)?", cell) for cell in cells)  # 1,234,567
    if not dots and not twice and any(grouped(cell, ",") for cell in cells):
        return ",", r"[ '\u00a0\u202f]"  # 20,123 in every cell: of a file without a single dot a decimal comma
    return ".", r"[, '\u00a0\u202f]"


def grouped(cell: str, mark: str) -> bool:
    """Whether the mark may group digits: 1,234 but not 1,23 and not 0,123."""
    return bool(re.fullmatch(rf"[-+]?[1-9]\d{{0,2}}({re.escape(mark)}\d{{3}})+", cell))


def named(rows: list[Cells], writing: Writing) -> tuple[list[str] | None, list[Cells]]:
    """(the names in the first row, the rows below), or (None, all rows) where it is a row like the others."""
    top, below = rows[0], rows[1:]
    if not below:
        return (None, rows) if any(map(writing.is_number, top)) else (top, [])
    numeric = numeric_columns(below, writing)
    counted = [cell.strip() for cell in top if cell.strip()]
    whole = [int(cell) for cell in counted if cell.isdigit()]
    numbered = len(whole) == len(counted) >= 3 and whole in (list(range(len(whole))), list(range(1, len(whole) + 1)))
    if numbered and [cell.strip() for cell in below[0]] != top:  # as pandas names columns that have no names
        return unique(top), below
    if numeric:
        odd = [place for place in numeric if not writing.is_number(top[place]) and not is_missing(top[place])]
        # one odd cell is a slip of the pen, unless nothing in the row is a number
        head = odd and (len(odd) > 1 or not any(map(writing.is_number, top)))
        return (unique(top), below) if head else (None, rows)
    others = all(top[place] not in {row[place] for row in below} for place in range(len(top)))
    return (unique(top), below) if others else (None, rows)


def numeric_columns(rows: Sequence[Cells], writing: Writing) -> list[int]:
    """The columns in which at least half of what is not missing is a number."""
    found = []
    for place in range(len(rows[0])):
        cells = [row[place] for row in rows if not is_missing(row[place])]
        if cells and 2 * sum(map(writing.is_number, cells)) >= len(cells):
            found.append(place)
    return found


def is_units(rows: list[Cells], writing: Writing) -> bool:
    """Whether the first row has words where all others have numbers."""
    if len(rows) < 2:
        return False
    cells = [rows[0][place] for place in numeric_columns(rows[1:], writing)]
    return bool(cells) and not any(map(writing.is_number, cells)) and not all(map(is_missing, cells))


def unique(names: Sequence[str]) -> list[str]:
    """Names without spaces around them, one for each column: an empty one is called by its place."""
    found: list[str] = []
    for place, name in enumerate(names, 1):
        name = name.strip() or f"column {place}"
        found.append(name if name not in found else f"{name} ({place})")
    return found


def called(name: str) -> str:
    """A column in a sentence."""
    return name if name.startswith("column ") else f"column {name}"


def is_missing(cell: str) -> bool:
    return cell.strip().lower() in MISSING
