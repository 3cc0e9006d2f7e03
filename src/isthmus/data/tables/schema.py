"""Schema of a table: kinds of its columns, inferred, kept with a run as JSON, and matched with other tables by name."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from isthmus.data.tables.reader import Sheet, called, is_missing
from isthmus.errors import BadInput, unknown

LABELS = ("label", "labels", "class", "target", "y")  # names of columns of labels
ROW_NAMES = re.compile(r"(index|idx|id|.*[_ ]id|row|row.?(nr|no|number)|nr|no|#|unnamed: 0)", re.I)
CLOCK_NAMES = re.compile(
    r"(.*\W)?_?(time|date|datetime|timestamp|when|clock|epoch|day|zeit|datum)(_?(s|utc|\(s\)))?"
    r"|t|seconds?|minutes?|hours?",
    re.I,
)
YEARS, MONTHS = r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}", "jan|feb|mar|apr|may|mai|jun|jul|aug|sep|oct|okt|nov|dec|dez"
DATE = re.compile(
    rf"({YEARS}|\d{{1,2}}[-/.]\d{{1,2}}[-/.]\d{{2,4}}|.*\b({MONTHS})[a-z]*\b.*\d.*|\d{{1,2}}:\d{{2}}(:\d{{2}})?.*)"
    r"([ T].*)?",
    re.I,
)
YES_NO = ({"true", "false"}, {"yes", "no"}, {"on", "off"}, {"ja", "nein"})
EPOCH = (5e8, 5e9)  # seconds since 1970 of the years 1985 to 2128
MAX_CATEGORIES = 32  # different words in a column of categories
ROW_NUMBERS, ROW_IDS, WORDS = "row numbers", "row names", "different words"  # reasons to omit a column
STAMP, TIME, STEPS = "a timestamp", "a time", "even steps, as of a clock"
COUNTS = (ROW_NUMBERS, ROW_IDS, STAMP, TIME, STEPS)  # reasons for columns of numbers, which may be kept by option
ORDERED = 5  # minimum number of rows for which ascending values are recognized as row numbers


@dataclass
class Column:
    """kind: number, yes-no (0 or 1) or category (one-hot).

    values: the words of the categories. fill: replacement of a missing number, or index of the replacing category.
    """

    name: str
    kind: str = "number"
    values: list[str] = field(default_factory=list)
    fill: float = 0.0

    @property
    def width(self) -> int:
        return len(self.values) if self.kind == "category" else 1

    @property
    def headings(self) -> list[str]:
        return [f"{self.name}={value}" for value in self.values] if self.kind == "category" else [self.name]


@dataclass
class Schema:
    """columns: input of the model, in order. left: omitted columns, name -> reason. label: the column of labels.

    named: whether the file has a header. missing: rule for missing cells: "median", "drop", or "" to refuse them.
    normal: the label of the training rows, "" for all. window, stride: rows of a series in an item, and rows from one
    item to the next; 0 if a row is an item.
    """

    columns: list[Column]
    left: dict[str, str] = field(default_factory=dict)
    label: Column | None = None
    named: bool = True
    missing: str = ""
    normal: str = ""
    window: int = 0
    stride: int = 0

    @property
    def headings(self) -> list[str]:
        """A name for each number of an item."""
        return [name for column in self.columns for name in column.headings]

    def json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> Schema:
        """The schema that `json` made."""
        label = Column(**kept["label"]) if kept["label"] else None
        return cls(**{**kept, "columns": [Column(**each) for each in kept["columns"]], "label": label})


def schema_of(sheet: Sheet, labels: str | None, drop: Sequence[str], keep: Sequence[str] = ()) -> Schema:
    """The inferred schema of a new table. keep: columns of numbers that are never omitted.

    Raises BadInput for an unknown name, a column of text to keep, and if no column remains.
    """
    names = sheet.names or [f"column {index + 1}" for index in range(sheet.width)]
    dropped, kept = ({index_of(name, names, sheet) for name in columns} for columns in (drop, keep))
    label = None if labels is None else index_of(labels, names, sheet)
    schema = Schema([], named=sheet.names is not None)
    for index, name in enumerate(names):
        cells = [cells[index] for cells in sheet.sample]
        if index in dropped:
            schema.left[name] = "dropped"
        elif index == label or (label is None and schema.label is None and is_label(name, cells)):
            schema.label = Column(name, "category", sorted({cell.strip() for cell in cells if not is_missing(cell)}))
        elif reason := omission(name, cells, index, sheet):
            if index not in kept:
                schema.left[name] = reason
            elif reason in COUNTS:
                schema.columns.append(Column(name))
            else:
                accepted = f"numbers, or at most {MAX_CATEGORIES} different words, are accepted"
                raise BadInput(f"{sheet.path}: keep={name}: the column holds {reason}; {accepted}")
        else:
            schema.columns.append(column_of(name, cells, sheet))
    if not schema.columns:
        omitted = "; ".join(f"{name}: {reason}" for name, reason in schema.left.items())
        raise BadInput(f"{sheet.path}: no table of numbers or categories ({omitted or 'labels alone'})")
    return schema


def index_of(name: str, names: Sequence[str], sheet: Sheet) -> int:
    """The index of a column by its name, or by its number from 1 on."""
    if name in names:
        return names.index(name)
    if name.isdigit() and 1 <= int(name) <= len(names):
        return int(name) - 1
    raise BadInput(f"{sheet.path}: {unknown('column', name, names)}")


def is_label(name: str, cells: Sequence[str]) -> bool:
    """Whether a column, without an option, holds labels: by its name, and by integers or few words in it."""
    if name.lower() not in LABELS:
        return False
    whole = all(re.fullmatch(r"-?\d+(\.0*)?", cell.strip()) for cell in cells)
    return whole or len({cell.strip() for cell in cells}) <= min(MAX_CATEGORIES, len(cells) / 2)


def omission(name: str, cells: Sequence[str], index: int, sheet: Sheet) -> str:
    """The reason to omit a column as uninformative, such as "row numbers"; "" to keep it."""
    known = [cell.strip() for cell in cells if not is_missing(cell)]
    if not known:
        return "empty"
    if 2 * sum(map(sheet.dialect.is_number, known)) >= len(known):
        if not all(map(sheet.dialect.is_number, known)):
            return ""
        values = np.array([sheet.dialect.number(cell) for cell in known])
        steps, rising = np.diff(values), len(values) >= ORDERED and bool((np.diff(values) > 0).all())
        whole = bool((values == np.rint(values)).all())
        seconds = values / 10.0 ** (3 * max(0, round((np.log10(max(abs(values[0]), 1)) - 9.2) / 3)))
        if len(values) >= ORDERED and (steps >= 0).all() and steps.any():
            if EPOCH[0] < seconds.min() and seconds.max() < EPOCH[1]:
                return STAMP
            if CLOCK_NAMES.fullmatch(name):
                return TIME
        if rising and whole and (steps == 1).all():
            return ROW_NUMBERS
        unnamed = index == 0 and name == f"column {index + 1}"
        if rising and np.allclose(steps, steps[0], rtol=1e-6, atol=0) and (unnamed or CLOCK_NAMES.fullmatch(name)):
            return STEPS
        nameless = sheet.names is not None and unnamed
        if whole and len(set(known)) == len(known) >= ORDERED and (nameless or ROW_NAMES.fullmatch(name)):
            return ROW_IDS
        return ""
    if sum(bool(DATE.fullmatch(cell)) for cell in known) >= 0.9 * len(known):
        return "dates"
    few = len(set(known)) <= min(MAX_CATEGORIES, max(2, len(known) / 2)) and len(set(known)) < len(known)
    count = len(set(known))  # in the sample
    return "" if few else f"{count if count <= MAX_CATEGORIES else f'more than {MAX_CATEGORIES}'} {WORDS}"


def column_of(name: str, cells: Sequence[str], sheet: Sheet) -> Column:
    known = [cell.strip() for cell in cells if not is_missing(cell)]
    if 2 * sum(map(sheet.dialect.is_number, known)) >= len(known):
        return Column(name)
    words = Counter(known)
    if len(words) == 2 and {word.lower() for word in words} in YES_NO:
        no = min(words, key=lambda word: word.lower() not in ("false", "no", "off", "nein"))
        return Column(name, "yes-no", [no, next(word for word in words if word != no)])
    return Column(name, "category", sorted(words))


def match_columns(schema: Schema, sheet: Sheet, notes: list[str]) -> tuple[list[int], int | None]:
    """(indices of the schema's columns in this table, index of the labels or None).

    By name, or by position if either has no names. Raises BadInput for columns that are missing or unknown.
    """
    wanted = [column.name for column in schema.columns]
    if sheet.names is None or not schema.named:
        everything = [*wanted, *schema.left, *([schema.label.name] if schema.label else [])]
        if sheet.width == len(wanted):
            return list(range(sheet.width)), None
        if not schema.named and sheet.width == len(everything):
            indices = {name: int(name.split()[-1]) - 1 for name in everything}
            return [indices[name] for name in wanted], None if schema.label is None else indices[schema.label.name]
        raise BadInput(f"{sheet.path}: rows of {sheet.width}, but this run takes {len(wanted)}: {', '.join(wanted)}")
    indices = {name: index for index, name in enumerate(sheet.names)}
    plain = {normalized(name): index for name, index in indices.items()}
    matches = [indices.get(name, plain.get(normalized(name))) for name in wanted]
    if None in matches:
        missing = [name for name, index in zip(wanted, matches, strict=True) if index is None]
        raise BadInput(f"{sheet.path}: has no column {', '.join(missing)}; its columns are {', '.join(sheet.names)}")
    label = None if schema.label is None else indices.get(schema.label.name)
    for name, index in indices.items():
        if index in matches or index == label or name in schema.left:
            continue
        cells = [cells[index] for cells in sheet.sample]
        if not omission(name, cells, index, sheet) and not is_label(name, cells):
            raise BadInput(f"{sheet.path}: {called(name)} is unknown to this run, which takes {', '.join(wanted)}")
        notes.append(f"{sheet.path.name}: {called(name)} is left out, as this run does not know it")
    ordered = [index for index in matches if index is not None]
    if ordered != sorted(ordered):
        notes.append(f"{sheet.path.name}: columns put into the order of the training: {', '.join(wanted)}")
    return ordered, label


def id_column(schema: Schema, sheet: Sheet) -> int | None:
    """The index of the column with the names of the rows, the likeliest of the omitted columns; or None."""
    names = sheet.names or [f"column {index + 1}" for index in range(sheet.width)]
    known = [
        (name, reason) for name, reason in schema.left.items() if name in names and reason not in ("empty", "dropped")
    ]
    words = [n for n, reason in known if reason == ROW_IDS or (reason.endswith(WORDS) and ROW_NAMES.fullmatch(n))]
    others = [name for name, reason in known if reason == ROW_NUMBERS or reason.endswith(WORDS)]
    return names.index([*words, *others, *(name for name, _ in known)][0]) if known else None


def normalized(name: str) -> str:
    """A name in lower case with single spaces."""
    return " ".join(name.lower().split())
