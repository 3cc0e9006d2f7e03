"""Charts by matplotlib as inline SVG whose colors follow the light or dark theme of the page.

Every function returns one `<svg>` element as a string; equal data always gives an equal string.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from isthmus.errors import BadInput
from isthmus.report.figures import (
    INK,
    PALETTE,
    PAPER,
    PLAIN,
    WIDTH,
    color,
    dots,
    inline,
    legend,
    new_axes,
    note,
    numbers,
    same_length,
    style,
    whole_steps,
)
from isthmus.report.text import column, number

if TYPE_CHECKING:
    from matplotlib.artist import Artist

LAYERS = 4  # the classes of a scatter plot are drawn in turns, so that the last does not cover the others


def curves(series: Mapping[str, tuple[Any, Any]], xlabel: str = "", ylabel: str = "", *, log: bool = False) -> str:
    """A line for each {name: (x, y)}, x and y of M numbers each, with a gap where y is NaN; log: of the y axis."""
    with style():
        figure, axes = new_axes(xlabel, ylabel)
        shown: dict[str, Artist] = {}
        for i, (name, (x, y)) in enumerate(series.items()):
            x, y = numbers(x), numbers(y)
            same_length(name, x, y)
            mark = "o" if len(x) <= 12 else None
            dashes = ("-", "--", ":")[i // len(PALETTE) % 3]
            (shown[name],) = axes.plot(x, y, dashes, color=color(i), marker=mark, markersize=4, linewidth=1.8)
        if log:
            axes.set_yscale("log")
        whole_steps(axes, [x for x, _ in series.values()])
        legend(figure, shown)
        return inline(figure)


def scatter(
    points: Any,
    labels: Any = None,
    names: Mapping[Any, str] | Sequence[str] | None = None,
    lines: Mapping[str, Any] | None = None,
    xlabel: str = "",
    ylabel: str = "",
    *,
    equal: bool = True,
    height: float = 3.9,
) -> str:
    """N×2 points, colored by their N labels, with lines of M×2 points over them.

    names: of the labels. equal: one scale for both axes, so that distances are true. height: in inches; the width is
    5.6. More than six classes are also named next to their points, as few readers distinguish so many colors. Raises
    BadInput.
    """
    points = np.asarray(points, float)
    if points.ndim != 2 or points.shape[1] != 2:
        raise BadInput(f"points of shape {points.shape} cannot be drawn; N×2 can")
    classes, index = np.unique(np.asarray(labels), return_inverse=True) if labels is not None else (np.array([]), None)
    if index is not None:
        same_length("labels", points, index)
    called = [str(names[c]) if names is not None else str(c) for c in classes.tolist()]
    with style():
        figure, axes = new_axes(xlabel, ylabel, height=height, guides="both")
        shown: dict[str, Artist] = {}
        groups = [points[index == i] for i in range(len(called))] if index is not None else [points]
        for layer in range(LAYERS):
            for i, group in enumerate(groups):
                dots(axes, group[layer::LAYERS], color(i) if called else PLAIN, len(points))
        for i, name in enumerate(called):
            (shown[name],) = axes.plot([], [], "o", color=color(i), markersize=5)
            if len(called) > 6:
                box = {"boxstyle": "round,pad=0.2", "facecolor": PAPER, "edgecolor": "none", "alpha": 0.8}
                x, y = np.nanmedian(points[index == i], axis=0)
                axes.text(x, y, name, ha="center", va="center", weight="bold", bbox=box, color=INK)
        for i, (name, line) in enumerate((lines or {}).items()):
            x, y = np.asarray(line, float).T
            own = len(called) + i  # a line never has the color of a class
            (shown[name],) = axes.plot(x, y, color=color(own) if own < len(PALETTE) else INK, linewidth=2.4)
        if equal:
            axes.set_aspect("equal", adjustable="datalim")
        legend(figure, shown, always=True)
        return inline(figure)


def bars(values: Mapping[str, float], ylabel: str = "", errors: Mapping[str, float] | None = None) -> str:
    """A horizontal bar for each name, with its value at its end; ylabel: name of the value.

    errors: half the length of the whiskers, for some of the names.
    """
    names, sizes = list(values), np.array(list(values.values()), float)
    spread = np.array([(errors or {}).get(name, np.nan) for name in names])
    with style():
        figure, axes = new_axes(height=0.55 + 0.3 * len(names), guides="")
        positions = np.arange(len(names))[::-1]
        figures = column([*sizes.tolist(), *spread.tolist()])  # a mean and its deviation with equal decimals
        pairs = zip(figures[: len(names)], figures[len(names) :], spread, strict=True)
        texts = [size if np.isnan(error) else f"{size} ± {more}" for size, more, error in pairs]
        axes.barh(positions, sizes, color=color(0), height=0.62, linewidth=0)
        if errors:
            axes.errorbar(sizes, positions, xerr=spread, fmt="none", ecolor=INK, elinewidth=1.2, capsize=2.5)
        for position, size, error, text in zip(positions, sizes, spread, texts, strict=True):
            sign = -1 if size < 0 else 1
            end = size + sign * np.nan_to_num(error)
            note(axes, text, (end, position), (4 * sign, 0), ha="left" if sign > 0 else "right", va="center")
        axes.set_yticks(positions, names)
        axes.set_xlabel(ylabel, loc="left")
        axes.set_xticks([])
        axes.spines["bottom"].set_visible(False)
        axes.set_ylim(-0.6, len(names) - 0.4)
        axes.margins(x=0.2 if errors else 0.1)
        if (sizes >= 0).all():
            axes.set_xlim(left=0)
        return inline(figure)


def heat(
    matrix: Any,
    rows: Sequence[Any] | None = None,
    columns: Sequence[Any] | None = None,
    xlabel: str = "",
    ylabel: str = "",
    *,
    top: float | None = None,
) -> str:
    """An R×C matrix as colored cells: transparent at 0, blue above and orange below; up to 12×12 with their values.

    rows, columns: names of the R rows and C columns (as many as fit are written). top: the value of the full color, so
    that two matrices can be compared; by default the maximum. Raises BadInput.
    """
    cells = np.asarray(matrix, float)
    if cells.ndim != 2 or not cells.size:
        raise BadInput(f"a matrix of shape {cells.shape} cannot be drawn; R×C can")
    top = top or float(np.nanmax(np.abs(cells))) or 1.0
    with_values = cells.shape[0] <= 12 and cells.shape[1] <= 12
    with style():
        from matplotlib.cm import ScalarMappable
        from matplotlib.colors import LinearSegmentedColormap, Normalize, to_rgba

        clear = [(*to_rgba(PALETTE[i])[:3], 0.0) for i in (0, 1)]
        strong = [(*to_rgba(PALETTE[i])[:3], 0.85) for i in (0, 1)]
        signed = bool((cells < 0).any())
        hues = [strong[1], clear[1], clear[0], strong[0]] if signed else [clear[0], strong[0]]
        stops = [0, 0.5, 0.5, 1] if signed else [0, 1]
        color_map = LinearSegmentedColormap.from_list("heat", list(zip(stops, hues, strict=True)))
        ratio = cells.shape[0] / cells.shape[1]
        width = WIDTH if ratio < 0.6 else 4.2
        least = max(1.4, 0.7 + 0.16 * min(16, cells.shape[0]))  # a line of text for each named row
        height = float(np.clip(0.6 + (width - 0.7) * ratio, least, 5.0))
        figure, axes = new_axes(xlabel, ylabel, width=width, height=height, guides="")
        scale = Normalize(-top if signed else 0.0, top)
        axes.imshow(
            cells,
            cmap=color_map,
            norm=scale,
            interpolation="none",
            aspect="auto" if ratio > 3 or ratio < 0.3 else "equal",
        )
        for axis, size, names in ((axes.xaxis, cells.shape[1], columns), (axes.yaxis, cells.shape[0], rows)):
            step = math.ceil(size / 16)
            shown = range(0, size, step)
            axis.set_ticks(list(shown), [str(names[i] if names is not None else i) for i in shown])
        for spine in axes.spines.values():
            spine.set_visible(False)
        if with_values:
            for (r, c), value in np.ndenumerate(cells):
                if value:
                    axes.text(
                        c,
                        r,
                        number(float(f"{value:.2g}") if value % 1 else int(value)),
                        ha="center",
                        va="center",
                    )
        else:
            bar = figure.colorbar(ScalarMappable(scale, color_map), ax=axes, shrink=0.7, aspect=30)
            bar.outline.set_visible(False)
        return inline(figure)


def histogram(groups: Mapping[str, Any], xlabel: str = "", marks: Mapping[str, float] | None = None) -> str:
    """The values of each group in common bins, as shares of the group; marks: named vertical lines."""
    columns = {name: numbers(group) for name, group in groups.items()}
    columns = {name: column[np.isfinite(column)] for name, column in columns.items()}
    values = np.concatenate(list(columns.values())) if columns else np.array([])
    if not values.size:
        raise BadInput("a histogram needs at least one finite value")
    edges = np.histogram_bin_edges(values, bins=min(60, max(10, round(math.sqrt(values.size)))))
    with style():
        figure, axes = new_axes(xlabel, "share")
        shown: dict[str, Artist] = {}
        for i, (name, column) in enumerate(columns.items()):
            share = np.histogram(column, edges)[0] / max(1, column.size)
            axes.stairs(share, edges, fill=True, color=color(i), alpha=0.3, linewidth=0)
            shown[name] = axes.stairs(share, edges, color=color(i), linewidth=1.6)
        for name, position in (marks or {}).items():
            axes.axvline(position, color=INK, linewidth=1.2, linestyle=(0, (4, 3)))
            note(axes, name, (position, 1.0), (4, -2), xycoords=axes.get_xaxis_transform(), va="top")
        axes.set_ylim(bottom=0)
        legend(figure, shown)
        return inline(figure)
