"""What the columns of a table are: kept with a run as plain JSON, and matched by name with the tables it is given."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from isthmus.data.tables.reader import Sheet, called, is_missing
from isthmus.errors import BadInput, unknown

LABELS = ("label", "labels", "class", "target", "y")  # a column so named says what a row is
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
MOST = 32  # different words in a column of categories
ROW_NUMBERS, ROW_IDS, WORDS = "row numbers", "row names", "different words"  # why a column is left out
STAMP, TIME, STEPS = "a timestamp", "a time", "even steps, as of a clock"
COUNTS = (ROW_NUMBERS, ROW_IDS, STAMP, TIME, STEPS)  # of columns of numbers, which may be kept
ORDERED = 5  # rows, from which on numbers that go up one by one are those of rows


@dataclass
class Column:
    """kind: number, yes-no (0 or 1) or category (a number for each of its values, one of which is 1).

    values: the words of the file. fill: what stands for a missing number, or the place of the value.
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
    """The columns that are learned from, in order; `left` out: name -> why. label: the column of labels.

    named: whether the file had a line of names. missing: what is done about missing cells: "median", "drop", or "" for
    a refusal. normal: the label of the rows that are learned from, "" for all. window, stride: rows of a series in an
    item, and from one to the next; 0 where a row is an item.
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
        """A name for each number of a row."""
        return [name for column in self.columns for name in column.headings]

    def json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> Schema:
        """The schema that `json` made."""
        label = Column(**kept["label"]) if kept["label"] else None
        return cls(**{**kept, "columns": [Column(**each) for each in kept["columns"]], "label": label})


def schema_of(sheet: Sheet, labels: str | None, drop: Sequence[str], keep: Sequence[str] = ()) -> Schema:
    """What each column of a new table is. keep: columns of numbers that are learned from whatever they look like.

    Raises BadInput for a name that is none, a column of text to keep, and where nothing is left.
    """
    names = sheet.names or [f"column {place + 1}" for place in range(sheet.width)]
    dropped, kept = ({place_of(name, names, sheet) for name in some} for some in (drop, keep))
    label = None if labels is None else place_of(labels, names, sheet)
    schema = Schema([], named=sheet.names is not None)
    for place, name in enumerate(names):
        cells = [cells[place] for cells in sheet.sample]
        if place in dropped:
            schema.left[name] = "dropped"
        elif place == label or (label is None and schema.label is None and is_label(name, cells)):
            schema.label = Column(name, "category", sorted({cell.strip() for cell in cells if not is_missing(cell)}))
        elif why := why_left(name, cells, place, sheet):
            if place not in kept:
                schema.left[name] = why
            elif why in COUNTS:
                schema.columns.append(Column(name))
            else:
                accepted = f"numbers, or at most {MOST} different words, are accepted"
                raise BadInput(f"{sheet.path}: keep={name}: the column holds {why}; {accepted}")
        else:
            schema.columns.append(column_of(name, cells, sheet))
    if not schema.columns:
        told = "; ".join(f"{name}: {why}" for name, why in schema.left.items())
        raise BadInput(f"{sheet.path}: no table of numbers or categories ({told or 'labels alone'})")
    return schema


def place_of(name: str, names: Sequence[str], sheet: Sheet) -> int:
    """The place of a column that is called by its name, or by its number from 1 on."""
    if name in names:
        return names.index(name)
    if name.isdigit() and 1 <= int(name) <= len(names):
        return int(name) - 1
    raise BadInput(f"{sheet.path}: {unknown('column', name, names)}")


def is_label(name: str, cells: Sequence[str]) -> bool:
    """Whether a column that nobody has named is one of labels: by its name, of whole numbers or of few words."""
    if name.lower() not in LABELS:
        return False
    whole = all(re.fullmatch(r"-?\d+(\.0*)?", cell.strip()) for cell in cells)
    return whole or len({cell.strip() for cell in cells}) <= min(MOST, len(cells) / 2)


def why_left(name: str, cells: Sequence[str], place: int, sheet: Sheet) -> str:
    """Why nothing can be learned from a column, such as the number of a row; "" where it can."""
    known = [cell.strip() for cell in cells if not is_missing(cell)]
    if not known:
        return "empty"
    if 2 * sum(map(sheet.writing.is_number, known)) >= len(known):
        if not all(map(sheet.writing.is_number, known)):
            return ""
        values = np.array([sheet.writing.number(cell) for cell in known])
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
        unnamed = place == 0 and name == f"column {place + 1}"
        if rising and np.allclose(steps, steps[0], rtol=1e-6, atol=0) and (unnamed or CLOCK_NAMES.fullmatch(name)):
            return STEPS
        nameless = sheet.names is not None and unnamed
        if whole and len(set(known)) == len(known) >= ORDERED and (nameless or ROW_NAMES.fullmatch(name)):
            return ROW_IDS
        return ""
    if sum(bool(DATE.fullmatch(cell)) for cell in known) >= 0.9 * len(known):
        return "dates"
    few = len(set(known)) <= min(MOST, max(2, len(known) / 2)) and len(set(known)) < len(known)
    count = len(set(known))  # of the rows that are looked at
    return "" if few else f"{count if count <= MOST else f'more than {MOST}'} {WORDS}"


def column_of(name: str, cells: Sequence[str], sheet: Sheet) -> Column:
    known = [cell.strip() for cell in cells if not is_missing(cell)]
    if 2 * sum(map(sheet.writing.is_number, known)) >= len(known):
        return Column(name)
    words = Counter(known)
    if len(words) == 2 and {word.lower() for word in words} in YES_NO:
        no = min(words, key=lambda word: word.lower() not in ("false", "no", "off", "nein"))
        return Column(name, "yes-no", [no, next(word for word in words if word != no)])
    return Column(name, "category", sorted(words))


def matched(schema: Schema, sheet: Sheet, notes: list[str]) -> tuple[list[int], int | None]:
    """Where in this table the columns of the schema are, and the labels where there are some.

    By name; by place where one of the two has no names. Raises BadInput for columns that are missing or unknown.
    """
    wanted = [column.name for column in schema.columns]
    if sheet.names is None or not schema.named:
        everything = [*wanted, *schema.left, *([schema.label.name] if schema.label else [])]
        if sheet.width == len(wanted):
            return list(range(sheet.width)), None
        if not schema.named and sheet.width == len(everything):
            places = {name: int(name.split()[-1]) - 1 for name in everything}
            return [places[name] for name in wanted], None if schema.label is None else places[schema.label.name]
        raise BadInput(f"{sheet.path}: rows of {sheet.width}, but this run takes {len(wanted)}: {', '.join(wanted)}")
    places = {name: place for place, name in enumerate(sheet.names)}
    plain = {plainly(name): place for name, place in places.items()}
    found = [places.get(name, plain.get(plainly(name))) for name in wanted]
    if None in found:
        lost = [name for name, place in zip(wanted, found, strict=True) if place is None]
        raise BadInput(f"{sheet.path}: has no column {', '.join(lost)}; its columns are {', '.join(sheet.names)}")
    label = None if schema.label is None else places.get(schema.label.name)
    for name, place in places.items():
        if place in found or place == label or name in schema.left:
            continue
        cells = [cells[place] for cells in sheet.sample]
        if not why_left(name, cells, place, sheet) and not is_label(name, cells):
            raise BadInput(f"{sheet.path}: {called(name)} is unknown to this run, which takes {', '.join(wanted)}")
        notes.append(f"{sheet.path.name}: {called(name)} is left out, as this run does not know it")
    ordered = [place for place in found if place is not None]
    if ordered != sorted(ordered):
        notes.append(f"{sheet.path.name}: columns put into the order of the training: {', '.join(wanted)}")
    return ordered, label


def place_of_ids(schema: Schema, sheet: Sheet) -> int | None:
    """Where the rows of this table have names of their own: the likeliest of the columns that are left out; or None."""
    names = sheet.names or [f"column {place + 1}" for place in range(sheet.width)]
    known = [(name, why) for name, why in schema.left.items() if name in names and why not in ("empty", "dropped")]
    words = [n for n, why in known if why == ROW_IDS or (why.endswith(WORDS) and ROW_NAMES.fullmatch(n))]
    others = [name for name, why in known if why == ROW_NUMBERS or why.endswith(WORDS)]
    return names.index([*words, *others, *(name for name, _ in known)][0]) if known else None


def plainly(name: str) -> str:
    return " ".join(name.lower().split())
