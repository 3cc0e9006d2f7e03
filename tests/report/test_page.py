import re
from html.parser import HTMLParser

import numpy as np
import pytest

from isthmus.errors import BadInput
from isthmus.report import Page, charts, grid

VOID = {"meta", "img", "br", "link", "input", "hr"}
NASTY = "<script>alert('x')</script> & \"more\""


class Outline(HTMLParser):
    """Fails where tags do not nest; keeps what the tests ask for."""

    def __init__(self, html):
        super().__init__()
        self.open, self.tags, self.ids, self.text, self.addresses, self.alts = [], [], [], [], [], []
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        named = dict(attributes)
        self.tags.append(tag)
        self.ids += [named["id"]] if "id" in named else []
        self.addresses += [named[key] for key in ("src", "href") if key in named]
        self.alts += [named.get("alt")] if tag == "img" else []
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture
def page():
    page = Page(f"Title {NASTY}", lead=f"Lead {NASTY}")
    chart = charts.curves({NASTY: ([1, 2], [1, 2]), "b": ([1, 2], [2, 1])})
    picture = grid(np.random.default_rng(0).random((4, 1, 8, 8)))
    for heading in ("One", "One", NASTY, "Four & five"):
        page.section(heading, f"First `a<b` paragraph.\n\nSecond {NASTY}")
    page.picture(picture, NASTY)
    page.picture(picture, "caption", alt="said aloud")
    page.chart(chart, NASTY)
    page.chart(chart, "the same again")
    page.side_by_side([(picture, "left"), (chart, NASTY), ([picture, picture], "before and after")])
    page.table([{"name": NASTY, "psnr": 22.13}, {"name": "b", "psnr": 9.8}], NASTY, best={"psnr": "max"})
    page.code(f"isthmus train {NASTY}")
    page.figures({"psnr": "22.1 dB", NASTY: NASTY})
    return page


def test_the_page_is_whole_and_nests(page):
    html = page.html()
    outline = Outline(html)
    assert html.startswith('<!DOCTYPE html>\n<html lang="en">')
    assert '<meta name="color-scheme" content="light dark">' in html
    assert len(outline.ids) == len(set(outline.ids))
    assert all(outline.alts)
    assert "said aloud" in outline.alts
    assert outline.tags.count("h1") == 1
    assert outline.tags.count("h2") == outline.tags.count("section") == 4


def test_everything_is_escaped(page):
    html = page.html()
    outline = Outline(html)
    assert outline.tags.count("script") == 1
    assert "<script>alert" not in html
    assert "".join(outline.text).count("<script>alert('x')</script>") > 8
    assert "<code>a&lt;b</code>" in html


def test_no_resource_from_elsewhere(page):
    html = page.html()
    assert "http" not in html
    assert not re.search(r"@import|url\((?!#)", html)
    addresses = Outline(html).addresses
    assert addresses
    assert all(address.startswith(("#", "data:image/png;base64,")) for address in addresses)
    inner = {address[1:] for address in addresses if address.startswith("#")}
    assert inner <= set(Outline(html).ids)


def test_contents_only_where_there_are_more_than_three_sections(page):
    assert "<nav" in page.html()
    short = Page("Short")
    for heading in "abc":
        short.section(heading)
    assert "<nav" not in short.html()


def test_table_marks_the_best_and_aligns_figures(page):
    html = page.html()
    assert '<td class="figure"><strong>22.13</strong></td>' in html
    assert '<td class="figure">9.80</td>' in html
    assert '<th scope="col">name</th><th scope="col" class="figure">psnr</th>' in html


def test_written_whole_or_not_at_all(page, tmp_path, monkeypatch):
    path = page.write(tmp_path / "new" / "page.html")
    assert path.read_text("utf-8") == page.html()
    with pytest.raises(BadInput, match="cannot be written"):
        page.write(path / "below.html")
    monkeypatch.setattr(Page, "html", lambda self: "\ud800")  # cannot be encoded: fails in the midst of writing
    with pytest.raises(UnicodeEncodeError):
        page.write(tmp_path / "broken.html")
    assert [p.name for p in tmp_path.iterdir()] == ["new"]
    assert [p.name for p in path.parent.iterdir()] == ["page.html"]
