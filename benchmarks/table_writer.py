"""Tables of docs and README from results/*.json. A benchmark declares its columns as format strings of its rows.

A cell whose value the row lacks is a dash, and a file that is missing gives no rows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from common import RESULTS, results

Row = Mapping[str, Any]
Cell = str | Callable[[Row], str]  # "{psnr:.2f}", or a function of the row
Lines = list[list[str]]  # the cells of each row
NONE = "–"


class Source(Protocol):
    """Rows of a table."""

    def lines(self) -> Lines: ...


@dataclass(frozen=True)
class Table:
    """The head of a table and the sources of its rows. short: a row as (title, Isthmus, baselines), for README.md."""

    head: Sequence[str]
    sources: Sequence[Source]
    short: Callable[[list[str]], list[str]] | None = None

    def lines(self) -> Lines:
        return [list(self.head), *(line[: len(self.head)] for source in self.sources for line in source.lines())]


@dataclass(frozen=True)
class Rows:
    """A row of the table for each row of results/`file`.json for which `only` and `where` hold.

    A cell may name values of the row, and of the record, such as its load or its machine. beside: another file, whose
    row of the same model is {beside}.
    """

    file: str
    cells: Sequence[Cell]
    only: Row = field(default_factory=dict)
    where: Callable[[Row], bool] = lambda row: True
    beside: str = ""

    def lines(self) -> Lines:
        others = {row["model"]: {"beside": row} for row in rows_of(self.beside)} if self.beside else {}
        rows = [{**row, **others.get(row.get("model"), {})} for row in rows_of(self.file, self.only) if self.where(row)]
        return [[filled(cell, row) for cell in self.cells] for row in rows]


@dataclass(frozen=True)
class Contest:
    """One row of the table: the figure of `ours` beside those of all other models in results/`file`.json.

    A model with several rows has several figures. The names of models end with "(published)" if their figure is cited.
    """

    title: str
    file: str
    ours: str
    figure: str
    only: Row = field(default_factory=dict)
    published: str = ""
    names: Mapping[str, str] = field(default_factory=dict)
    form: str = "**{}**"

    def lines(self) -> Lines:
        figures: dict[str, list[str]] = {}
        title = self.title
        for row in rows_of(self.file, self.only):
            if (figure := filled(self.figure, row)) != NONE:
                figures.setdefault(self.names.get(row["model"], row["model"]), []).append(figure)
                title = filled(self.title, row)
        scores = {name: " / ".join(values) for name, values in figures.items()}
        if self.ours not in scores:
            return []
        own = self.form.format(scores.pop(self.ours))
        cited = [f"{name.removesuffix(' (published)')} {value}" for name, value in scores.items() if is_cited(name)]
        beside = [f"{name} {value}" for name, value in scores.items() if not is_cited(name)]
        return [[title, own, "; ".join(beside) or NONE, self.published or "; ".join(cited) or NONE]]


@dataclass(frozen=True)
class Pivot:
    """A row for each combination of `cells`, and a column for each value of the key `column`, with its `figure`."""

    head: Sequence[str]
    file: str
    cells: Sequence[Cell]
    column: str
    figure: Cell
    column_head: Callable[[str], str] = str
    short = None

    def lines(self) -> Lines:
        lines: dict[tuple[str, ...], dict[str, str]] = {}
        columns: dict[str, None] = {}
        for row in rows_of(self.file):
            columns[row[self.column]] = None
            start = tuple(filled(cell, row) for cell in self.cells)
            lines.setdefault(start, {})[row[self.column]] = filled(self.figure, row)
        body = [[*start, *(found.get(column, NONE) for column in columns)] for start, found in lines.items()]
        return [[*self.head, *map(self.column_head, columns)], *body]


def is_cited(name: str) -> bool:
    return name.endswith("(published)")


def rows_of(file: str, only: Row | None = None) -> Iterator[dict[str, Any]]:
    """The rows of results/`file`.json for which `only` holds, each with the values of the record."""
    if (RESULTS / f"{file}.json").exists():
        record = results(file)
        for row in record.pop("rows"):
            if (only or {}).items() <= row.items():
                yield record | row


def filled(cell: Cell, row: Row) -> str:
    if not isinstance(cell, str):
        return cell(row)
    try:
        return cell.format_map(row)
    except KeyError:
        return NONE


def markdown(lines: Lines) -> str:
    head, *body = lines
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *body]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def put(page: Path, name: str, lines: Lines) -> None:
    """Write a table into a page, between <!-- figures:NAME --> and <!-- end -->."""
    text = page.read_text(encoding="utf-8")
    marks = rf"(<!-- figures:{name} -->\n).*?(<!-- end -->)"
    text, count = re.subn(marks, lambda match: f"{match[1]}{markdown(lines)}\n{match[2]}", text, flags=re.DOTALL)
    if count != 1:
        raise SystemExit(f"{page.name}: has {count} tables of the name {name}")
    page.write_text(text, encoding="utf-8")
