"""What the commands print: results on stdout, everything else on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isthmus.distributed import first_rank

if TYPE_CHECKING:
    from rich.table import Table


def print_json(value: Any) -> None:
    from isthmus.store import finite

    print(json.dumps(finite(value), ensure_ascii=False))


def print_lines(facts: Mapping[str, Any]) -> None:
    """A line a figure: name and value."""
    from isthmus.report import number

    width = max(map(len, facts))
    for name, item in facts.items():
        lines = item if isinstance(item, list) and item and isinstance(item[0], str) else [item]
        for line in lines:
            shown = "×".join(map(str, line)) if isinstance(line, list) else number(line)
            print(f"{name:<{width}}  {shown}")


def print_figures(figures: Mapping[str, Any]) -> None:
    """A line a figure; those of several columns or kinds as tables, of the same ones as one table."""
    print_lines({name: value for name, value in figures.items() if not isinstance(value, dict)})
    alike: dict[tuple[str, ...], dict[str, Mapping[str, Any]]] = {}
    for name, value in figures.items():
        if isinstance(value, dict):
            alike.setdefault(tuple(value), {})[name] = value
    for heads, tables in alike.items():
        of = next(iter(tables)).rpartition("per_")[2]
        print()
        print_table([{of: head, **{name: each[head] for name, each in tables.items()}} for head in heads])


def print_card(card: Mapping[str, Any]) -> None:
    """What is known of a model: a line a fact, those within another after its name; rows of figures as tables."""
    lines: dict[str, Any] = {}
    tables: dict[str, list[Mapping[str, Any]]] = {}

    def sort(facts: Mapping[str, Any], above: str = "") -> None:
        for key, value in facts.items():
            if isinstance(value, dict):
                sort(value, f"{above}{key} ")
            elif isinstance(value, list) and value and isinstance(value[0], dict):
                tables[f"{above}{key}"] = value
            else:
                lines[f"{above}{key}"] = value

    sort(card)
    print_lines(lines)
    for name, rows in tables.items():
        print(f"\n{name}")
        print_table(rows)


def print_table(rows: Sequence[Mapping[str, Any]], best: Mapping[str, str] | None = None) -> None:
    """A row a line; on a terminal that is too narrow for that a row a column, or a figure a line. Nothing is cut."""
    from rich.console import Console

    from isthmus.report import table

    console = Console()
    unbound = console.options.update_width(sys.maxsize)
    drawn = table(rows, best)
    if not console.is_terminal:  # a file or another program has no edge
        console.width = drawn.__rich_measure__(console, unbound).maximum
    for one in (drawn, *turned(rows)):
        if one.__rich_measure__(console, unbound).minimum <= console.width:
            console.print(one)
            return
    for place, row in enumerate(rows):
        print("\n" * bool(place), end="")
        print_lines(row)


def turned(rows: Sequence[Mapping[str, Any]]) -> list[Table]:
    """The table of the same figures with a row a column, headed by its first key; none where two have the same."""
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


def done(sentence: str, *commands: str) -> None:
    """A closing sentence, and the next commands to try; of several processes the first one speaks."""
    if not first_rank():
        return
    print(sentence, file=sys.stderr)
    for command in commands:
        print(f"  {command}", file=sys.stderr)


def unused_path(path: Path) -> Path:
    """The path, or with -2, -3 ... where something is there already."""
    number = 1
    while (place := path if number == 1 else path.with_stem(f"{path.stem}-{number}")).exists():
        number += 1
    return place
