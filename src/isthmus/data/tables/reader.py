"""Reading of text tables: delimiter, encoding, number format, column names and units are inferred from the file."""

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
DELIMITERS = ("\t", ";", "|", ",")  # in this order, because in "1,5;2,5" the commas are decimal
MISSING = {"", "na", "n/a", "nan", "null", "none", "?", "-", "--", "#n/a", "inf", "-inf", "infinity", "-infinity"}
SAMPLE_ROWS, SAMPLE_CELLS = 1000, 100_000  # maximum sample from which the format is inferred
Row = list[str]


@dataclass(frozen=True)
class Dialect:
    """Text format of a table. delimiter: "" for spaces. decimal: "." or ",". thousands: pattern of digit separators."""

    encoding: str
    delimiter: str
    decimal: str
    thousands: str

    def number(self, cell: str) -> float:
        """The number in a cell, NaN if it is missing; raises ValueError for other text."""
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
        """Whether a cell holds a number; a missing cell does not."""
        if is_missing(cell):
            return False
        try:
            self.number(cell)
        except ValueError:
            return False
        return True


@dataclass
class Sheet:
    """A table whose rows are not read yet. names: of the columns, None if the file has no header.

    sample: the first rows. units: of the columns, if the line below the names has them.
    """

    path: Path
    dialect: Dialect
    names: list[str] | None
    sample: list[Row]
    units: list[str] | None
    skipped: int  # records before the first row

    @property
    def width(self) -> int:
        return len(self.sample[0])

    def rows(self) -> Iterator[tuple[int, Row]]:
        """(line number, cells) of each row. Raises BadInput for a row with another number of cells."""
        for line, cells in itertools.islice(records(self.path, self.dialect), self.skipped, None):
            if len(cells) != self.width:
                raise BadInput(f"{self.path}: {len(cells)} cells in line {line} and {self.width} before; {ACCEPTED}")
            yield line, cells


def open_sheet(path: Path) -> Sheet:
    """Infer the format of a file from its first rows. Raises BadInput if they are not a table."""
    encoding = encoding_of(path)
    lines = [line for line in first_lines(path, encoding) if line.strip() and not line.startswith("#")]
    if not lines:
        raise BadInput(f"{path}: holds no rows; {ACCEPTED}")
    plain = Dialect(encoding, delimiter_of(lines), ".", "")
    count = max(100, min(SAMPLE_ROWS, SAMPLE_CELLS // (lines[0].count(plain.delimiter or " ") + 1)))
    first = [cells for _, cells in itertools.islice(records(path, plain), count)]
    width = len(first[-1])
    if len(first) > 1 and len(first[0]) == width - 1 and all(len(cells) == width for cells in first[1:]):
        raise BadInput(f"{path}: {width - 1} names for {width} columns; {ACCEPTED}")
    for number, cells in enumerate(first, 1):
        if len(cells) != len(first[0]):
            raise BadInput(
                f"{path}: {len(first[0])} cells in the first row and {len(cells)} in row {number}; {ACCEPTED}"
            )
    decimal, thousands = number_format(first)
    dialect = Dialect(encoding, plain.delimiter, decimal, thousands)
    names, rows = split_header(first, dialect)
    units = rows[0] if names is not None and is_units(rows, dialect) else None
    rows = rows[1:] if units is not None else rows
    if not rows:
        raise BadInput(f"{path}: holds no rows; {ACCEPTED}")
    return Sheet(path, dialect, names, rows, units, (names is not None) + (units is not None))


def records(path: Path, dialect: Dialect) -> Iterator[tuple[int, Row]]:
    """(last line number, cells) of each record that is neither empty nor a comment."""
    with path.open(encoding=dialect.encoding, newline="") as file:
        if not dialect.delimiter:
            for line, text in enumerate(file, 1):
                if text.strip() and not text.startswith("#"):
                    yield line, [cell.strip('"') for cell in text.split()]
            return
        reader = csv.reader(file, delimiter=dialect.delimiter, skipinitialspace=True)
        try:
            for cells in reader:
                if any(cell.strip() for cell in cells) and not cells[0].startswith("#"):
                    yield reader.line_num, cells
        except csv.Error as error:
            raise BadInput(f"{path}: line {reader.line_num}: {error}; {ACCEPTED}") from error


def encoding_of(path: Path) -> str:
    """UTF-8 (with or without a BOM), UTF-16 with a BOM, else Windows-1252. Raises BadInput for a binary file."""
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


def delimiter_of(lines: Sequence[str]) -> str:
    """The delimiter: the first of DELIMITERS that cuts most lines into equally many cells, else "" for spaces."""
    best, most = "", 0.0
    for delimiter in DELIMITERS:
        counts = [len(cells) for cells in csv.reader(lines, delimiter=delimiter, skipinitialspace=True) if cells]
        count, often = Counter(counts).most_common(1)[0]
        if count > 1 and often / len(counts) >= 0.5 and often / len(counts) > most:
            best, most = delimiter, often / len(counts)
    return best


def number_format(rows: Sequence[Row]) -> tuple[str, str]:
    """(decimal mark, pattern of digit separators), inferred from all cells."""
    cells = [cell.strip() for row in rows for cell in row]
    dots = any(re.fullmatch(r"[-+]?\d*\.\d+(e[-+]?\d+)?", cell, re.I) and not grouped(cell, ".") for cell in cells)
    commas = any(re.fullmatch(r"[-+]?\d*,\d+(e[-+]?\d+)?", cell, re.I) and not grouped(cell, ",") for cell in cells)
    mixed = any(re.fullmatch(r"[-+]?\d{1,3}(\.\d{3})+,\d+", cell) for cell in cells)  # 1.234,5
    if mixed or (commas and not dots):
        return ",", r"[. '\u00a0\u202f]"
    twice = any(re.fullmatch(r"[-+]?\d{1,3}(,\d{3}){2,}(\.\d+)?", cell) for cell in cells)  # 1,234,567
    if not dots and not twice and any(grouped(cell, ",") for cell in cells):
        return ",", r"[ '\u00a0\u202f]"  # like 20,123 in every cell: without a single dot, the comma is decimal
    return ".", r"[, '\u00a0\u202f]"


def grouped(cell: str, delimiter: str) -> bool:
    """Whether the mark may separate thousands: 1,234 but not 1,23 and not 0,123."""
    return bool(re.fullmatch(rf"[-+]?[1-9]\d{{0,2}}({re.escape(delimiter)}\d{{3}})+", cell))


def split_header(rows: list[Row], dialect: Dialect) -> tuple[list[str] | None, list[Row]]:
    """(the names in the first row, the rows below), or (None, all rows) if the first row is not a header."""
    top, below = rows[0], rows[1:]
    if not below:
        return (None, rows) if any(map(dialect.is_number, top)) else (top, [])
    numeric = numeric_columns(below, dialect)
    counted = [cell.strip() for cell in top if cell.strip()]
    whole = [int(cell) for cell in counted if cell.isdigit()]
    numbered = len(whole) == len(counted) >= 3 and whole in (list(range(len(whole))), list(range(1, len(whole) + 1)))
    if numbered and [cell.strip() for cell in below[0]] != top:  # numbers, by which pandas names unnamed columns
        return unique(top), below
    if numeric:
        odd = [index for index in numeric if not dialect.is_number(top[index]) and not is_missing(top[index])]
        # A single cell that is not a number is a typing error, unless the row has no number at all.
        head = odd and (len(odd) > 1 or not any(map(dialect.is_number, top)))
        return (unique(top), below) if head else (None, rows)
    others = all(top[index] not in {row[index] for row in below} for index in range(len(top)))
    return (unique(top), below) if others else (None, rows)


def numeric_columns(rows: Sequence[Row], dialect: Dialect) -> list[int]:
    """Indices of the columns in which at least half of the cells that are not missing are numbers."""
    columns = []
    for index in range(len(rows[0])):
        cells = [row[index] for row in rows if not is_missing(row[index])]
        if cells and 2 * sum(map(dialect.is_number, cells)) >= len(cells):
            columns.append(index)
    return columns


def is_units(rows: list[Row], dialect: Dialect) -> bool:
    """Whether the first row has words in the columns in which the others have numbers."""
    if len(rows) < 2:
        return False
    cells = [rows[0][index] for index in numeric_columns(rows[1:], dialect)]
    return bool(cells) and not any(map(dialect.is_number, cells)) and not all(map(is_missing, cells))


def unique(names: Sequence[str]) -> list[str]:
    """Stripped, unique names of all columns: an empty name becomes its number."""
    result: list[str] = []
    for index, name in enumerate(names, 1):
        name = name.strip() or f"column {index}"
        result.append(name if name not in result else f"{name} ({index})")
    return result


def called(name: str) -> str:
    """The name of a column in a message."""
    return name if name.startswith("column ") else f"column {name}"


def is_missing(cell: str) -> bool:
    return cell.strip().lower() in MISSING
