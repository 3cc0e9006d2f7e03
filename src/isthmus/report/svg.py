"""Conversion of matplotlib's SVG for inlining in a page: colors as CSS variables, fonts of the page, unique ids."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Petroff's ten colors (2021, arXiv 2107.02270), optimized for all kinds of color vision; the colors with the best
# contrast on white come first. A page may change them: they are written as var(--c1, ...).
PALETTE = (
    "#3f90da", "#e76300", "#832db6", "#ffa90e", "#bd1f01",
    "#717581", "#a96b59", "#b9ac70", "#92dadd", "#94a4a2",
)  # fmt: skip
# Unique placeholder colors, replaced in the text by currentColor and var(--paper).
INK, PAPER = "#010203", "#fdfcfb"
PIXELS = 121  # maximum width of an inch on the screen


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
