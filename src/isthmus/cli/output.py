"""Printing of results (stdout) and of everything else (stderr)."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isthmus.distributed import first_rank

if TYPE_CHECKING:
    from rich.table import Table

SENTENCE = 80  # characters, above which a text is no value in a table


def print_json(value: Any) -> None:
    from isthmus.store import finite

    print(json.dumps(finite(value), ensure_ascii=False))


def print_lines(facts: Mapping[str, Any]) -> None:
    """One line per item: name and value."""
    from isthmus.report import number

    width = max(map(len, facts))
    for name, item in facts.items():
        lines = item if isinstance(item, list) and item and isinstance(item[0], str) else [item]
        for line in lines:
            shown = in_words(line) if isinstance(line, list) else number(line)
            print(f"{name:<{width}}  {shown}")


class Images:
    """The metrics of each image of a verb, and its skipped files; `options` passes both to the verb."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.skipped: list[dict[str, str]] = []

    @property
    def options(self) -> dict[str, Any]:
        return {
            "each": self.rows.append,
            "skip": lambda name, reason: self.skipped.append({"file": name, "reason": reason}),
        }

    def print(self, out: Path, json: bool, closing: str) -> None:
        """Lines for one image; for several a table and the means, or one JSON object; seconds are summed."""
        rows = self.rows  # none if --resume had nothing left to do
        numbers = {
            key: [row[key] for row in rows if isinstance(row.get(key), float)] for row in rows[:1] for key in row
        }
        means = {key: sum(values) / len(values) for key, values in numbers.items() if values}
        means |= {"seconds": sum(numbers.get("seconds", []))}
        if json:
            print_json({"out": str(out), "pictures": len(rows), **means, "files": rows, "skipped": self.skipped})
            return
        if len(rows) == 1:
            print_lines(rows[0])
        elif rows:
            print_table(rows)
            print_lines({"pictures": len(rows), **means})
        print_closing(closing)


def in_words(values: list[Any]) -> str:
    """A shape as 3×32×32, an interval of floats as 0.89 to 0.91."""
    from isthmus.report import number

    interval = len(values) == 2 and all(isinstance(value, float) for value in values)
    return " to ".join(map(number, values)) if interval else "×".join(map(str, values))


def print_figures(figures: Mapping[str, Any]) -> None:
    """One line per metric; then the metrics per column or per kind as tables, one table per set of columns or kinds; at
    the end sentences such as the protocol."""
    sentences = [value for value in figures.values() if isinstance(value, str) and len(value) > SENTENCE]
    print_lines({name: each for name, each in figures.items() if not isinstance(each, dict) and each not in sentences})
    by_heads: dict[tuple[str, ...], dict[str, Mapping[str, Any]]] = {}
    for name, value in figures.items():
        if isinstance(value, dict) and value:
            by_heads.setdefault(tuple(value), {})[name] = value
    for heads, tables in by_heads.items():
        of = next(iter(tables)).rpartition("per_")[2]
        print()
        print_table([{of: head, **_cells(tables, head)} for head in heads])
    for sentence in sentences:
        print(f"\n{sentence}")


def _cells(tables: Mapping[str, Mapping[str, Any]], head: str) -> dict[str, Any]:
    """The cells of one row: a metric of each table, or several metrics of one."""
    cells: dict[str, Any] = {}
    for name, each in tables.items():
        cells |= each[head] if isinstance(each[head], dict) else {name: each[head]}
    return cells


def print_card(card: Mapping[str, Any]) -> None:
    """A model card: one line per fact, nested facts after the name of their parent; lists of rows as tables."""
    lines: dict[str, Any] = {}
    tables: dict[str, list[Mapping[str, Any]]] = {}

    def sort(facts: Mapping[str, Any], parent: str = "") -> None:
        for key, value in facts.items():
            if isinstance(value, dict):
                sort(value, f"{parent}{key} ")
            elif isinstance(value, list) and value and isinstance(value[0], dict):
                tables[f"{parent}{key}"] = value
            else:
                lines[f"{parent}{key}"] = value

    sort(card)
    print_lines(lines)
    for name, rows in tables.items():
        print(f"\n{name}")
        print_table(rows)


def print_table(rows: Sequence[Mapping[str, Any]], best: Mapping[str, str] | None = None) -> None:
    """Print one row per line; transposed, or one value per line, if the terminal is too narrow. Nothing is cut."""
    from rich.console import Console

    from isthmus.report import table

    console = Console()
    unbounded = console.options.update_width(sys.maxsize)
    drawing = table(rows, best)
    if not console.is_terminal:  # a file or a pipe has no width
        console.width = drawing.__rich_measure__(console, unbounded).maximum
    for one in (drawing, *transposed(rows)):
        if one.__rich_measure__(console, unbounded).minimum <= console.width:
            console.print(one)
            return
    for number, row in enumerate(rows):
        print("\n" * bool(number), end="")
        print_lines(row)


def transposed(rows: Sequence[Mapping[str, Any]]) -> list[Table]:
    """The table with rows and columns exchanged, headed by the first column; empty if two rows have the same head."""
    from isthmus.report import number, table

    first = next(iter(rows[0]), "")
    heads = [str(row.get(first)) for row in rows]
    if len(set(heads)) < len(heads):
        return []
    names = dict.fromkeys(name for row in rows for name in row if name != first)
    figures = [[number(row.get(name)) for row in rows] for name in names]
    return [
        table([{first: name, **dict(zip(heads, row, strict=True))} for name, row in zip(names, figures, strict=True)])
    ]


def print_closing(sentence: str, *commands: str) -> None:
    """Print a closing sentence and the next commands to try, on stderr of the first process."""
    if not first_rank():
        return
    print(sentence, file=sys.stderr)
    for command in commands:
        print(f"  {command}", file=sys.stderr)


def unused_path(path: Path) -> Path:
    """The path, with -2, -3 ... appended if it exists already."""
    number = 1
    while (free := path if number == 1 else path.with_stem(f"{path.stem}-{number}")).exists():
        number += 1
    return free
