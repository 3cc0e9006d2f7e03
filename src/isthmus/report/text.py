"""Formatting of numbers and tables as text: significant digits only, and no 1e-05."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from rich.table import Table

Row = Mapping[str, Any]
ABSENT = "–"
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(x: Any) -> str:
    """A number with at most four significant digits: 22.13, 0.0123, 1.2 × 10⁻⁶; – for None and NaN.

    Integers are exact. Any other object is returned as str(x).
    """
    if x is None:
        return ABSENT
    if isinstance(x, bool):
        return "yes" if x else "no"
    if not isinstance(x, Real):
        return str(x)
    if isinstance(x, Integral):
        return _minus(f"{int(x):,}")
    x = float(x)
    if math.isnan(x):
        return ABSENT
    if math.isinf(x):
        return "∞" if x > 0 else "−∞"
    x = float(f"{x:.4g}")
    if x and not 1e-4 <= abs(x) < 1e12:
        mantissa, exponent = f"{x:.3g}".split("e") if "e" in f"{x:.3g}" else f"{x:.2e}".split("e")
        return _minus(f"{float(mantissa):g} × 10") + str(int(exponent)).translate(_SUPERSCRIPT)
    return _minus(f"{x:,.0f}" if abs(x) >= 1000 else f"{x:.4g}")


def is_number(x: Any) -> bool:
    return isinstance(x, Real) and not isinstance(x, bool)


def columns(rows: Sequence[Row]) -> list[str]:
    """Every key of the rows, in the order of first appearance."""
    return list(dict.fromkeys(key for row in rows for key in row))


def column(values: Sequence[Any]) -> list[str]:
    """The numbers of one column with equal decimals, so that they are easy to compare.

    If they differ so much that small ones would lose their digits, each is formatted by `number`.
    """
    sizes = [abs(float(v)) for v in values if is_number(v) and math.isfinite(v) and v]
    floats = any(is_number(v) and not isinstance(v, Integral) for v in values)
    if not floats or not sizes or max(sizes) >= 1000 or min(sizes) < 1e-4:
        return [number(v) for v in values]
    decimals = max(0, 3 - math.floor(math.log10(max(sizes))))
    decimals = min(decimals, max(len(f"{s:.4g}".partition(".")[2]) for s in sizes))
    if min(sizes) < 10 ** (1 - decimals):
        return [number(v) for v in values]
    shared = [f"{v:.{decimals}f}" if is_number(v) and math.isfinite(v) else number(v) for v in values]
    return [_minus(text) if is_number(v) else text for v, text in zip(values, shared, strict=True)]


def winners(values: Sequence[Any], aim: str | None) -> set[int]:
    """Indices of the best numbers ("min" or "max") of a column, with ties; none if all are equal."""
    figures = {i: float(v) for i, v in enumerate(values) if is_number(v) and math.isfinite(v)}
    if aim is None or len(set(figures.values())) < 2:
        return set()
    best = {"min": min, "max": max}[aim](figures.values())
    return {i for i, v in figures.items() if v == best}


def table(rows: Sequence[Row], best: Mapping[str, str] | None = None) -> Table:
    """The rows as a table for `rich`: numbers right-aligned, the best of a column bold."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    names = columns(rows)
    drawn, body = Table(box=SIMPLE_HEAD, header_style="dim"), []
    for name in names:
        values = [row.get(name) for row in rows]
        won, texts = winners(values, (best or {}).get(name)), column(values)
        figures = any(map(is_number, values))
        words = texts if figures else [word for text in texts for word in text.split()]
        least = max(map(len, [*words, *name.split()]), default=1)  # in narrower columns numbers and names would be cut
        justify: Literal["left", "right"] = "right" if figures else "left"
        drawn.add_column(name, justify=justify, no_wrap=figures, min_width=least, overflow="fold")
        body.append([Text(t, "bold" if i in won else "") for i, t in enumerate(texts)])
    for line in zip(*body, strict=True):
        drawn.add_row(*line)
    return drawn


def _minus(text: str) -> str:
    return text.replace("-", "−")  # as wide as a digit, so that columns are aligned
