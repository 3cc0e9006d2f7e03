"""Page: a self-contained HTML page of text, images, charts and tables, without other files or network access."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

from PIL import Image

from isthmus.files import atomic
from isthmus.report.pictures import data_uri
from isthmus.report.svg import with_prefix
from isthmus.report.text import Row, column, columns, is_number, number, winners

Shown = Image.Image | Sequence[Image.Image] | str  # an image, several images, or a chart as an inline <svg>
TEXT_WIDTH = 680  # pixels: wider images extend beyond the text on the left and right

SKELETON = """<!DOCTYPE html>
<html lang="{lang}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
{css}</style>
</head>
<body>
<button id="theme" type="button" hidden aria-label="Light or dark">◐</button>
<main>
<header>
<h1>{title}</h1>
{lead}</header>
{contents}{body}
</main>
<script>
{script}</script>
</body>
</html>
"""


class Page:
    """Parts are shown in the order in which they are added; `write` writes the file.

    Every text is escaped. An empty line in it starts a new paragraph, and `backticks` are code.
    """

    def __init__(self, title: str, lead: str = "", lang: str = "en") -> None:
        self.title, self.lead, self.lang = title, lead, lang
        self._sections: list[tuple[str, str, list[str]]] = [("", "", [])]  # (anchor, heading, parts)
        self._charts = 0

    def section(self, heading: str, text: str = "") -> None:
        """Add a heading with paragraphs under it."""
        anchor = re.sub(r"\W+", "-", heading.lower()).strip("-") or "section"
        taken = {name for name, _, _ in self._sections} | {"theme"}
        fresh = next(a for n in range(1, len(taken) + 2) if (a := f"{anchor}-{n}" if n > 1 else anchor) not in taken)
        self._sections.append((fresh, heading, []))
        self.text(text)

    def text(self, text: str) -> None:
        self._add(_paragraphs(text))

    def picture(self, image: Image.Image, caption: str = "", alt: str | None = None) -> None:
        """Add an image with sharp pixels; alt: its text alternative, by default the caption."""
        self._add(_figure(_img(image, caption if alt is None else alt), caption, wide=image.width > TEXT_WIDTH))

    def chart(self, svg: str, caption: str = "") -> None:
        """Add a chart of `isthmus.report.charts`."""
        self._add(_figure(self._svg(svg, caption), caption))

    def side_by_side(self, items: Sequence[tuple[Shown, str]]) -> None:
        """Add images (or groups of images) or charts with their captions, in as many columns as fit."""

        def content(item: Shown, caption: str) -> str:
            if isinstance(item, Image.Image):
                return _img(item, caption)
            if isinstance(item, str):
                return self._svg(item, caption)
            return '<div class="together">' + "".join(_img(one, caption) for one in item) + "</div>"

        shown = [_figure(content(item, caption), caption) for item, caption in items]
        self._add('<div class="beside wide">\n' + "\n".join(shown) + "\n</div>")

    def table(self, rows: Sequence[Row], caption: str = "", best: Mapping[str, str] | None = None) -> None:
        """Add a table; numbers are right-aligned, and the `best` ("min" or "max") of a column is bold."""
        names = columns(rows)
        values = [[row.get(name) for row in rows] for name in names]
        classes = ["figure" if any(map(is_number, v)) else "" for v in values]
        bold = [winners(v, (best or {}).get(name)) for name, v in zip(names, values, strict=True)]
        texts = [column(v) for v in values]
        head = "".join(_cell("th", escape(n), kind) for n, kind in zip(names, classes, strict=True))
        body = "\n".join(
            "<tr>"
            + "".join(_cell("td", _strong(texts[c][r], r in bold[c]), classes[c]) for c in range(len(names)))
            + "</tr>"
            for r in range(len(rows))
        )
        label = escape(caption or "table")
        title = f"<caption>{_line(caption)}</caption>\n" if caption else ""
        self._add(
            f'<div class="table" tabindex="0" role="region" aria-label="{label}">\n<table>\n'
            f"{title}<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>\n</div>"
        )

    def code(self, text: str) -> None:
        """Add a code block; one click selects all of it, and a button copies it."""
        self._add(f'<div class="code"><pre><code>{escape(text.strip())}</code></pre></div>')

    def figures(self, values: Mapping[str, Any]) -> None:
        """Add a line of key figures: {"psnr": "22.1 dB", "code": 24}."""
        items = (f"<div><dt>{_line(k)}</dt><dd>{escape(number(v))}</dd></div>" for k, v in values.items())
        self._add('<dl class="figures">\n' + "\n".join(items) + "\n</dl>")

    def html(self) -> str:
        """The page as HTML."""
        headed = [(anchor, heading) for anchor, heading, _ in self._sections if anchor]
        links = "\n".join(f'<li><a href="#{a}">{escape(h)}</a></li>' for a, h in headed)
        contents = f'<nav aria-label="Contents">\n<ol>\n{links}\n</ol>\n</nav>\n' if len(headed) > 3 else ""
        here = files("isthmus.report")
        return SKELETON.format(
            lang=escape(self.lang),
            title=escape(self.title),
            css=here.joinpath("page.css").read_text("utf-8"),
            script=here.joinpath("page.js").read_text("utf-8"),
            lead=_paragraphs(self.lead, "lead"),
            contents=contents,
            body="\n".join(_section(*section) for section in self._sections if section[0] or section[2]),
        )

    def write(self, path: Path | str) -> Path:
        """Write the page atomically. Raises BadInput if it cannot be written."""
        html = self.html()
        with atomic(path) as temporary:
            temporary.write_text(html, encoding="utf-8")
        return Path(path)

    def _add(self, part: str) -> None:
        if part:
            self._sections[-1][2].append(part)

    def _svg(self, svg: str, caption: str) -> str:
        self._charts += 1  # the same chart may be added twice, so each gets its own prefix
        svg = with_prefix(svg, f"f{self._charts}").replace(' xmlns="http://www.w3.org/2000/svg"', "")
        return svg.replace("<svg ", f'<svg role="img" aria-label="{escape(caption or "chart")}" ', 1)


def _section(anchor: str, heading: str, parts: list[str]) -> str:
    title = f'<h2 id="{anchor}">{escape(heading)}</h2>' if anchor else ""
    return "\n".join(["<section>", *([title] if title else []), *parts, "</section>"])


def _paragraphs(text: str, kind: str = "") -> str:
    return "".join(f"<p{_class(kind)}>{_line(part)}</p>\n" for part in re.split(r"\n\s*\n", text.strip()) if part)


def _line(text: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def _img(image: Image.Image, alt: str) -> str:
    size = f'width="{image.width}" height="{image.height}"'
    return f'<img src="{data_uri(image)}" {size} alt="{escape(alt)}">'


def _figure(content: str, caption: str, *, wide: bool = False) -> str:
    below = f"<figcaption>{_line(caption)}</figcaption>" if caption else ""
    return f"<figure{_class('wide' if wide else '')}>{content}{below}</figure>"


def _cell(tag: str, content: str, kind: str) -> str:
    scope = ' scope="col"' if tag == "th" else ""
    return f"<{tag}{scope}{_class(kind)}>{content}</{tag}>"


def _class(name: str) -> str:
    return f' class="{name}"' if name else ""


def _strong(text: str, best: bool) -> str:
    return f"<strong>{escape(text)}</strong>" if best else escape(text)
