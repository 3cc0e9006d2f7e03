import re
import xml.etree.ElementTree as ElementTree

import matplotlib
import numpy as np
import pytest

from isthmus.errors import BadInput
from isthmus.report import charts
from isthmus.report.figures import INK, PALETTE, PAPER, with_prefix

RNG = np.random.default_rng(0)
POINTS, LABELS = RNG.normal(size=(60, 2)), np.arange(60) % 8
DRAW = {
    "curves": lambda: charts.curves({"a": ([1, 2, 3], [3, 2, 1]), "b": ([1, 2], [2, 2])}, "epoch", "loss", log=True),
    "scatter": lambda: charts.scatter(POINTS, LABELS, lines={"PCA": [[0, 0], [1, 1]]}),
    "bars": lambda: charts.bars({"conv": 22.13, "PCA": -3.0}, "psnr", errors={"conv": 0.2}),
    "heat": lambda: charts.heat(RNG.normal(size=(3, 4)), list("abc"), list("wxyz"), "x", "y"),
    "large heat": lambda: charts.heat(np.eye(30)),
    "histogram": lambda: charts.histogram({"good": RNG.normal(size=50), "bad": [5, np.nan]}, "score", {"limit": 2}),
}


def texts(svg):
    return [
        "".join(node.itertext()).strip() for node in ElementTree.fromstring(svg).iter() if node.tag.endswith("text")
    ]


@pytest.mark.parametrize("draw", DRAW.values(), ids=DRAW)
def test_a_chart_uses_the_colors_of_the_page(draw):
    svg = draw()
    assert ElementTree.fromstring(svg).tag == "{http://www.w3.org/2000/svg}svg"
    assert "currentColor" in svg
    assert "#000000" not in svg
    assert not re.search(f"{INK}|{PAPER}(?!\\))|<style|<metadata|DejaVu", svg)
    bare = re.sub(r"var\(--c\d+, #\w+\)", "", svg)
    assert not any(color in bare for color in PALETTE)


@pytest.mark.parametrize("name", ["curves", "scatter", "bars"])
def test_the_palette_is_variables(name):
    assert f"var(--c1, {PALETTE[0]})" in DRAW[name]()


def test_the_same_data_give_the_same_string_with_any_settings():
    before = dict(matplotlib.rcParams)
    first = DRAW["curves"]()
    with matplotlib.rc_context({"font.size": 30, "lines.linewidth": 9}):
        assert DRAW["curves"]() == first
    assert dict(matplotlib.rcParams) == before


def test_names_in_two_charts_do_not_clash():
    one, two = charts.curves({"a": ([1, 2], [1, 2])}), charts.curves({"a": ([1, 2], [1, 3])})
    ids = [set(re.findall(r'\bid="([^"]+)"', svg)) for svg in (one, two)]
    assert ids[0]
    assert ids[1]
    assert not ids[0] & ids[1]
    for svg, own in zip((one, two), ids, strict=True):
        assert set(re.findall(r'(?:href="#|url\(#)([^")]+)', svg)) == own
    assert "p-" + next(iter(ids[0])) in with_prefix(one, "p")


def test_words_are_written_as_words():
    assert {"epoch", "loss", "a", "b"} <= set(texts(DRAW["curves"]()))
    assert {"22.13 ± 0.20", "−3.00", "conv", "psnr"} <= set(texts(DRAW["bars"]()))
    assert {"a", "z", "x", "y"} <= set(texts(DRAW["heat"]()))
    assert {"good", "bad", "limit", "score", "share"} <= set(texts(DRAW["histogram"]()))
    odd = {"_a $x$ <b>": ([1, 2], [1, 2]), "$": ([1, 2], [2, 1])}
    assert {"_a $x$ <b>", "$"} <= set(texts(charts.curves(odd)))


def test_epochs_are_whole_numbers():
    ticks = texts(charts.curves({"a": ([1, 2, 3], [0.1, 0.2, 0.3])}))
    assert {"1", "2", "3"} <= set(ticks)
    assert "1.5" not in ticks


def test_ten_thousand_points_stay_small_and_none_is_lost():
    svg = charts.scatter(RNG.normal(size=(10_000, 2)), RNG.integers(0, 10, 10_000), names=list("abcdefghij"))
    assert len(svg) < 250_000
    assert len(re.findall(r"M\S+ \S+h0", svg)) == 10_000
    assert texts(svg).count("j") == 2  # once in the legend, once where the class lies
    assert texts(charts.scatter(POINTS, LABELS % 2, names={0: "even", 1: "odd"})).count("odd") == 1


def test_a_point_that_is_not_finite_is_left_out():
    svg = charts.scatter([[0, 0], [np.nan, 1], [2, 2]])
    assert len(re.findall(r"M\S+ \S+h0", svg)) == 2


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: charts.scatter(np.zeros((3, 3))), "N×2 can"),
        (lambda: charts.scatter(np.zeros((3, 2)), [1, 2]), "labels: 3 and 2"),
        (lambda: charts.curves({"a": ([1, 2], [1])}), "a: 2 and 1"),
        (lambda: charts.heat(np.zeros(3)), "R×C can"),
        (lambda: charts.histogram({"a": [np.nan]}), "finite"),
    ],
)
def test_invalid_data_are_refused(wrong, message):
    with pytest.raises(BadInput, match=message):
        wrong()
