"""The scale of rows of numbers: one range for all columns, or one for each of them."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from isthmus.data.base import Range

TAIL = 0.01  # of the rows, at each end of a column, lie outside of its range
SPANNED = 0.1  # of the range of all columns, at least, is spanned by a column of a series
MOST = 100_000  # rows that are looked at; of more, evenly spread ones
NAMED = 5  # columns in a note


def ranges_of(rows: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """A low and a high for each column of N×D: all but the lowest and the highest hundredth of its values lie between.

    So a wrong reading in a thousand changes nothing; what lies outside goes below 0 or above 1. A column that differs
    in fewer rows than that has its least and greatest value. A constant has its value in the middle and itself as
    width, so that it means .5 and a change of it counts in parts of it.
    """
    rows = evenly(rows)
    low, high = np.quantile(rows, (TAIL, 1 - TAIL), axis=0)
    same = low == high
    low[same], high[same] = rows[:, same].min(0), rows[:, same].max(0)
    half = np.where(low == 0, 1.0, np.abs(low)) / 2
    low, high = np.where(low == high, low - half, low), np.where(low == high, high + half, high)
    return tuple(map(float, low)), tuple(map(float, high))


def share_one(rows: np.ndarray, names: Sequence[str] | None = None) -> bool:
    """Whether the columns of N×D are of one kind, as in a series or a flat picture, and so have one range.

    They are where they have no names, or the same name with other numbers (pixel0, pixel1), and of those that vary
    nine in ten span a tenth or more of the range of all of them.
    """
    if names is not None and len({re.sub(r"\d+", "", name) for name in names}) > 1:
        return False
    rows = evenly(rows)
    span = np.ptp(rows, axis=0)
    varying = span[span > 0]
    return not len(varying) or bool(np.quantile(varying, 0.1) >= SPANNED * np.ptp(rows))


def range_by_column(rows: np.ndarray, names: Sequence[str] | None, notes: list[str]) -> Range:
    """`ranges_of` the columns, with a note that says so and names those that are constant."""
    constant = np.flatnonzero(np.ptp(evenly(rows), axis=0) == 0)
    notes.append(f"{rows.shape[1]} columns, each scaled by itself: 98 % of its values become 0 to 1")
    if len(constant):
        told = ", ".join(str(place + 1) if names is None else names[place] for place in constant[:NAMED])
        notes.append(f"constant columns: {told}{' ...' if len(constant) > NAMED else ''}")
    return ranges_of(rows)


def evenly(rows: np.ndarray) -> np.ndarray:
    return np.asarray(rows[:: -(-len(rows) // MOST)], dtype=np.float64)
