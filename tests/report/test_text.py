import io

import numpy as np
import pytest

from isthmus.report import number, table
from isthmus.report.text import column, winners


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (0, "0"), (0.0, "0"), (22.1342, "22.13"), (22.1, "22.1"), (np.float32(0.25), "0.25"), (-3.5, "−3.5"),
        (1048576, "1,048,576"), (np.int64(12345), "12,345"), (999.96, "1,000"), (12345.6, "12,350"),
        (0.01234567, "0.01235"), (0.0001234, "0.0001234"), (1.2e-6, "1.2 × 10⁻⁶"), (-1e-05, "−1 × 10⁻⁵"),
        (3.456e15, "3.46 × 10¹⁵"), (float("nan"), "–"), (None, "–"), (float("inf"), "∞"), (True, "yes"),
        ("22.1 dB", "22.1 dB"),
    ],
)  # fmt: skip
def test_number(x, text):
    assert number(x) == text


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([22.134, 9.8, None], ["22.13", "9.80", "–"]),
        ([4.3, 61.5], ["4.3", "61.5"]),
        ([0.1234, -0.05], ["0.1234", "−0.0500"]),
        ([1, 20000], ["1", "20,000"]),
        ([500.0, 0.001], ["500", "0.001"]),
        (["conv", 1.5], ["conv", "1.5"]),
        (["a-b", 1.5], ["a-b", "1.5"]),
    ],
)
def test_a_column_keeps_its_decimals(values, texts):
    assert column(values) == texts


def test_winners():
    assert winners([3, 1.0, None, 3, "x"], "max") == {0, 3}
    assert winners([3, 1.0, float("nan")], "min") == {1}
    assert winners([2, 2], "min") == winners([1, 2], None) == set()


def test_table_for_the_terminal():
    from rich.console import Console

    console = Console(file=io.StringIO(), width=60, force_terminal=True)
    console.print(table([{"name": "[conv]", "psnr": 22.134}, {"name": "pca", "code": 24}], best={"psnr": "max"}))
    text = console.file.getvalue()
    assert "[conv]" in text
    assert "22.13" in text
    assert "–" in text
