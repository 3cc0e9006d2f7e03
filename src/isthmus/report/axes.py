"""Parts shared by all charts: plain axes, legend, notes, and compact scatter points."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from isthmus.errors import BadInput
from isthmus.report.svg import INK, PALETTE

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = np.ndarray[Any, np.dtype[Any]]
WIDTH, HEIGHT = 5.6, 3.3  # inches; small, so that text stays readable on a phone
GUIDE_ALPHA = 0.14  # opacity of grid lines
PLAIN = "#85827b"  # color of points without a class, visible on white and on black
LETTERS = 62  # number of letters that fit in the width


def new_axes(
    xlabel: str = "", ylabel: str = "", *, width: float = WIDTH, height: float = HEIGHT, guides: str = "y"
) -> tuple[Figure, Axes]:
    """A new figure, independent of pyplot; guides: axes with grid lines: "x", "y", "both" or ""."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlabel(xlabel)
    axes.set_ylabel(ylabel)
    axes.tick_params(length=0, pad=5)
    for edge in ("top", "right", "left"):
        axes.spines[edge].set_visible(False)
    axes.spines["bottom"].set_alpha(0.5)
    if guides:
        axes.grid(axis=guides, color=INK, alpha=GUIDE_ALPHA, linewidth=0.8)  # type: ignore[arg-type]
        axes.set_axisbelow(True)
    return figure, axes


def legend(figure: Figure, shown: Mapping[str, Artist], *, always: bool = False) -> None:
    """A legend above the axes, in as many columns as fit; none for a single entry, unless `always`."""
    if len(shown) > 1 or (shown and always):
        columns = max(1, LETTERS // (max(map(len, shown)) + 5))
        position: Any = {"loc": "outside upper left", "ncols": min(len(shown), columns)}
        figure.legend(list(shown.values()), list(shown), handlelength=1.4, columnspacing=1.4, **position)


def note(axes: Axes, text: str, at: tuple[float, float], shift: tuple[float, float], **options: Any) -> None:
    """Text next to a position of the chart, `shift` points away."""
    axes.annotate(text, at, xytext=shift, textcoords="offset points", color=INK, **options)


def dots(axes: Axes, points: Array, color: str, total: int) -> None:
    """N×2 points of `total`, as one path of strokes with no length and round ends.

    Ten thousand take 160 kB, stay sharp at every size, and follow the colors of the page.
    """
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    points = points[np.isfinite(points).all(axis=1)]
    if not len(points):
        return
    path = Path(np.repeat(points, 2, axis=0), np.tile([Path.MOVETO, Path.LINETO], len(points)))
    path.should_simplify = False  # otherwise strokes with no length are dropped
    size = float(np.clip(100 / math.sqrt(total), 1.8, 4.5))
    alpha = 0.5 if color == PLAIN else 0.75
    drawn = PathPatch(path, fill=False, edgecolor=color, linewidth=size, capstyle="round", alpha=alpha)
    axes.add_patch(drawn)
    axes.autoscale_view()


def whole_steps(axes: Axes, columns: list[Any]) -> None:
    """Integer ticks for integer values, such as epochs."""
    if all(float(x).is_integer() for column in columns for x in numbers(column)):
        axes.locator_params(axis="x", integer=True)


def color(i: int) -> str:
    return PALETTE[i % len(PALETTE)]


def numbers(values: Any) -> Array:
    return np.asarray(values, float).reshape(-1)


def same_length(name: str, a: Any, b: Any) -> None:
    if len(a) != len(b):
        raise BadInput(f"{name}: {len(a)} and {len(b)} numbers cannot be drawn against each other")
