"""Page: a self-contained HTML page of text, images, charts and tables, without other files or network access.

`page.html` is its Jinja2 template, with a macro for each kind of part.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

from PIL import Image

from isthmus.files import atomic
from isthmus.report.figures import with_prefix
from isthmus.report.pictures import data_uri
from isthmus.report.text import Row, column, columns, is_number, number, winners

Shown = Image.Image | Sequence[Image.Image] | str  # an image, several images, or a chart as an inline <svg>
TEXT_WIDTH = 680  # pixels: wider images extend beyond the text on the left and right


@dataclass
class _Section:
    anchor: str = ""
    heading: str = ""
    parts: list[tuple[str, dict[str, Any]]] = field(default_factory=list)  # (macro of page.html, its arguments)


class Page:
    """Parts are shown in the order in which they are added; `write` writes the file.

    Every text is escaped. An empty line in it starts a new paragraph, and `backticks` are code.
    """

    def __init__(self, title: str, lead: str = "", lang: str = "en") -> None:
        self.title, self.lead, self.lang = title, lead, lang
        self._sections = [_Section()]
        self._charts = 0

    def section(self, heading: str, text: str = "") -> None:
        """Add a heading with paragraphs under it."""
        anchor = re.sub(r"\W+", "-", heading.lower()).strip("-") or "section"
        taken = {section.anchor for section in self._sections} | {"theme"}
        fresh = next(a for n in range(1, len(taken) + 2) if (a := f"{anchor}-{n}" if n > 1 else anchor) not in taken)
        self._sections.append(_Section(fresh, heading))
        self.text(text)

    def text(self, text: str) -> None:
        if text.strip():
            self._add("paragraphs", text=text)

    def picture(self, image: Image.Image, caption: str = "", alt: str | None = None) -> None:
        """Add an image with sharp pixels; alt: its text alternative, by default the caption."""
        self._add("figure", shown=self._shown(image, caption, alt) | {"wide": image.width > TEXT_WIDTH})

    def chart(self, svg: str, caption: str = "") -> None:
        """Add a chart of `isthmus.report.charts`."""
        self._add("figure", shown=self._shown(svg, caption))

    def side_by_side(self, items: Sequence[tuple[Shown, str]]) -> None:
        """Add images (or groups of images) or charts with their captions, in as many columns as fit."""
        self._add("side_by_side", items=[self._shown(item, caption) for item, caption in items])

    def table(self, rows: Sequence[Row], caption: str = "", best: Mapping[str, str] | None = None) -> None:
        """Add a table; numbers are right-aligned, and the `best` ("min" or "max") of a column is bold."""
        drawn = []
        for name in columns(rows):
            values = [row.get(name) for row in rows]
            won = winners(values, (best or {}).get(name))
            drawn.append({"name": name, "numeric": any(map(is_number, values)), "texts": column(values), "best": won})
        self._add("table", columns=drawn, caption=caption)

    def code(self, text: str) -> None:
        """Add a code block; one click selects all of it, and a button copies it."""
        self._add("code", text=text.strip())

    def figures(self, values: Mapping[str, Any]) -> None:
        """Add a line of key figures: {"psnr": "22.1 dB", "code": 24}."""
        self._add("figures", values=[(name, number(value)) for name, value in values.items()])

    def html(self) -> str:
        """The page as HTML."""
        from jinja2 import Environment

        environment = Environment(autoescape=True, keep_trailing_newline=True)
        environment.filters["paragraphs"] = lambda text: [p for p in re.split(r"\n\s*\n", text.strip()) if p]
        css, script, template = (
            files("isthmus.report").joinpath(name).read_text("utf-8") for name in ("page.css", "page.js", "page.html")
        )
        return environment.from_string(template).render(
            page=self,
            css=css,
            script=script,
            contents=[section for section in self._sections if section.anchor],
            sections=[section for section in self._sections if section.anchor or section.parts],
        )

    def write(self, path: Path | str) -> Path:
        """Write the page atomically. Raises BadInput if it cannot be written."""
        html = self.html()
        with atomic(path) as temporary:
            temporary.write_text(html, encoding="utf-8")
        return Path(path)

    def _add(self, macro: str, **arguments: Any) -> None:
        self._sections[-1].parts.append((macro, arguments))

    def _shown(self, item: Shown, caption: str, alt: str | None = None) -> dict[str, Any]:
        if isinstance(item, str):
            self._charts += 1  # the same chart may be added twice, so each gets its own prefix
            svg = with_prefix(item, f"f{self._charts}").replace(' xmlns="http://www.w3.org/2000/svg"', "")
            label = f'<svg role="img" aria-label="{escape(caption or "chart")}" '
            return {"svg": svg.replace("<svg ", label, 1), "caption": caption}
        images = [item] if isinstance(item, Image.Image) else item
        alt = caption if alt is None else alt
        drawn = [{"uri": data_uri(one), "width": one.width, "height": one.height, "alt": alt} for one in images]
        return {"images": drawn, "caption": caption}
