"""Figures of matplotlib: plain axes, legend, notes and points of a chart, and its SVG for inlining in a page.

In the SVG colors are CSS variables, fonts those of the page, and ids unique.
"""

from __future__ import annotations

import hashlib
import io
import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from isthmus.errors import BadInput

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = np.ndarray[Any, np.dtype[Any]]
WIDTH, HEIGHT = 5.6, 3.3  # inches; small, so that text stays readable on a phone
GUIDE_ALPHA = 0.14  # opacity of grid lines
PLAIN = "#85827b"  # color of points without a class, visible on white and on black
LETTERS = 62  # number of letters that fit in the width
# Petroff's ten colors (2021, arXiv 2107.02270), optimized for all kinds of color vision; the colors with the best
# contrast on white come first. A page may change them: they are written as var(--c1, ...).
PALETTE = (
    "#3f90da", "#e76300", "#832db6", "#ffa90e", "#bd1f01",
    "#717581", "#a96b59", "#b9ac70", "#92dadd", "#94a4a2",
)  # fmt: skip
# Unique placeholder colors, replaced in the text by currentColor and var(--paper).
INK, PAPER = "#010203", "#fdfcfb"
PIXELS = 121  # maximum width of an inch on the screen


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


@contextmanager
def style() -> Iterator[None]:
    """matplotlib's settings while a chart is drawn and written; the previous ones are restored afterwards."""
    import matplotlib

    settings: Any = {
        "svg.fonttype": "none",
        "svg.hashsalt": "isthmus",
        "font.family": ["sans-serif"],
        "font.sans-serif": ["DejaVu Sans"],  # part of matplotlib: the same layout on every machine
        "font.size": 9.5,
        "text.parse_math": False,  # a $ in a name is not math
        "legend.frameon": False,
        "legend.borderaxespad": 0.0,
        **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), INK),
    }
    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # a user's matplotlibrc must not change a chart
        matplotlib.rcParams.update(settings)
        yield


def inline(figure: Figure) -> str:
    """The figure as one compact `<svg>`; call it inside `style`."""
    buffer = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    figure.savefig(buffer, format="svg", transparent=True, metadata=nothing)
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", svg, flags=re.DOTALL)
    svg = svg.replace("xlink:href", "href").replace(' xmlns:xlink="http://www.w3.org/1999/xlink"', "")
    svg = re.sub(r"base64,\s+", "base64,", svg)
    svg = re.sub(r"'DejaVu Sans'(, '[^']*')*, sans-serif", "var(--sans, system-ui, sans-serif)", svg)
    svg = re.sub(r' (?:d|x|y)="[^"]*"', lambda match: re.sub(r"(\.\d\d)\d+", r"\1", match[0]), svg)
    svg = re.sub(r"\s*\n\s*", " ", svg).replace("> <", "><").strip()
    svg = re.sub(r"M ((\d+(?:\.\d)?)\d*) ((\d+(?:\.\d)?)\d*) L \1 \3 ?", r"M\2 \4h0", svg)  # a dot
    widest = f"max-width: {figure.get_figwidth() * PIXELS:.0f}px"
    svg = svg.replace("<svg ", f'<svg stroke-linejoin="round" style="{widest}" ', 1).replace(INK, "currentColor")
    svg = svg.replace(PAPER, f"var(--paper, {PAPER})")
    for i, color in enumerate(PALETTE, 1):
        svg = svg.replace(color, f"var(--c{i}, {color})")
    return with_prefix(svg, "i" + hashlib.sha256(svg.encode()).hexdigest()[:8])


def with_prefix(svg: str, prefix: str) -> str:
    """The same SVG with `prefix` before each id that is referenced, and without the other ids."""
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', svg))
    svg = re.sub(r'\s+id="([^"]+)"', lambda m: f' id="{prefix}-{m[1]}"' if m[1] in used else "", svg)
    return re.sub(r'(href="#|url\(#)([^")]+)', lambda m: f"{m[1]}{prefix}-{m[2]}", svg)
