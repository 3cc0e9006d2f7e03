"""Value ranges of tables: one range for all columns, or one per column."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from isthmus.fields import Range

TAIL = 0.01  # fraction of the values of a column below its range, and above it
SPANNED = 0.1  # a column of a series spans at least this fraction of the range of all columns
MAX_ROWS = 100_000  # rows, evenly spaced, from which ranges are computed
NAMED = 5  # columns named in a note


def ranges_of(rows: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """(lows, highs) of the columns of N×D: the 1 % and 99 % quantiles.

    So one outlier in a thousand changes nothing; it is scaled below 0 or above 1. A column that varies in fewer rows
    has its minimum and maximum. The range of a constant column is centered on its value and as wide as its magnitude,
    so that it is scaled to .5 and changes count relative to it.
    """
    rows = evenly(rows)
    low, high = np.quantile(rows, (TAIL, 1 - TAIL), axis=0)
    same = low == high
    low[same], high[same] = rows[:, same].min(0), rows[:, same].max(0)
    half = np.where(low == 0, 1.0, np.abs(low)) / 2
    low, high = np.where(low == high, low - half, low), np.where(low == high, high + half, high)
    return tuple(map(float, low)), tuple(map(float, high))


def share_one(rows: np.ndarray, names: Sequence[str] | None = None) -> bool:
    """Whether the columns of N×D are of one kind, as in a series or a flat image, and so share one range.

    They are if they have no names, or the same name with different numbers (pixel0, pixel1), and nine in ten of the
    varying columns span a tenth or more of the range of all columns.
    """
    if names is not None and len({re.sub(r"\d+", "", name) for name in names}) > 1:
        return False
    rows = evenly(rows)
    span = np.ptp(rows, axis=0)
    varying = span[span > 0]
    return not len(varying) or bool(np.quantile(varying, 0.1) >= SPANNED * np.ptp(rows))


def range_by_column(rows: np.ndarray, names: Sequence[str] | None, notes: list[str]) -> Range:
    """`ranges_of` the columns, with notes that say so and name the constant columns."""
    constant = np.flatnonzero(np.ptp(evenly(rows), axis=0) == 0)
    count = rows.shape[1]
    scaled = "one column, scaled" if count == 1 else f"{count} columns, each scaled separately"
    notes.append(f"{scaled} so that 98 % of its values lie in 0 to 1")
    if len(constant):
        listed = ", ".join(str(index + 1) if names is None else names[index] for index in constant[:NAMED])
        notes.append(f"constant columns: {listed}{' ...' if len(constant) > NAMED else ''}")
    return ranges_of(rows)


def evenly(rows: np.ndarray) -> np.ndarray:
    return np.asarray(rows[:: -(-len(rows) // MAX_ROWS)], dtype=np.float64)
