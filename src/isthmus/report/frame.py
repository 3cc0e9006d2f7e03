"""What every chart shares: axes without junk, a legend, notes, and dots that weigh little."""

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
WIDTH, HEIGHT = 5.6, 3.3  # inches; small, so that the letters can still be read on a telephone
GHOST = 0.14  # how faint a line is that only guides the eye
PLAIN = "#85827b"  # points of no class: seen on white and on black
LETTERS = 62  # that fit across the width


def new_axes(
    xlabel: str = "", ylabel: str = "", *, width: float = WIDTH, height: float = HEIGHT, guides: str = "y"
) -> tuple[Figure, Axes]:
    """A figure of its own, outside pyplot; `guides` are the axes with faint lines: "x", "y", "both" or ""."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlabel(xlabel)
    axes.set_ylabel(ylabel)
    axes.tick_params(length=0, pad=5)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_alpha(0.5)
    if guides:
        axes.grid(axis=guides, color=INK, alpha=GHOST, linewidth=0.8)  # type: ignore[arg-type]
        axes.set_axisbelow(True)
    return figure, axes


def legend(figure: Figure, shown: Mapping[str, Artist], *, always: bool = False) -> None:
    """Above the axes, in as many columns as there is room for; none where there is nothing to tell apart."""
    if len(shown) > 1 or (shown and always):
        columns = max(1, LETTERS // (max(map(len, shown)) + 5))
        where: Any = {"loc": "outside upper left", "ncols": min(len(shown), columns)}
        figure.legend(list(shown.values()), list(shown), handlelength=1.4, columnspacing=1.4, **where)


def note(axes: Axes, text: str, at: tuple[float, float], shift: tuple[float, float], **how: Any) -> None:
    """Words beside a place of the chart, `shift` points away."""
    axes.annotate(text, at, xytext=shift, textcoords="offset points", color=INK, **how)


def dots(axes: Axes, points: Array, colour: str, of: int) -> None:
    """N×2 points of `of` in all, as one path of strokes with no length and round ends.

    Ten thousand take 160 kB, stay sharp at every size, and follow the colours of the page.
    """
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    points = points[np.isfinite(points).all(axis=1)]
    if not len(points):
        return
    path = Path(np.repeat(points, 2, axis=0), np.tile([Path.MOVETO, Path.LINETO], len(points)))
    path.should_simplify = False  # or strokes with no length would be dropped
    size = float(np.clip(100 / math.sqrt(of), 1.8, 4.5))
    alpha = 0.5 if colour == PLAIN else 0.75
    drawn = PathPatch(path, fill=False, edgecolor=colour, linewidth=size, capstyle="round", alpha=alpha)
    axes.add_patch(drawn)
    axes.autoscale_view()


def whole_steps(axes: Axes, columns: list[Any]) -> None:
    """Epochs come in whole numbers, so their ticks do too."""
    if all(float(x).is_integer() for column in columns for x in numbers(column)):
        axes.locator_params(axis="x", integer=True)


def colour(i: int) -> str:
    return PALETTE[i % len(PALETTE)]


def numbers(values: Any) -> Array:
    return np.asarray(values, float).reshape(-1)


def same_length(name: str, a: Any, b: Any) -> None:
    if len(a) != len(b):
        raise BadInput(f"{name}: {len(a)} and {len(b)} numbers cannot be drawn against each other")
