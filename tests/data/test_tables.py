"""A table of numbers in text, as people have it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from isthmus.data import open_data
from isthmus.errors import BadInput


def written(folder: Path, text: str, name: str = "rows.csv") -> str:
    (folder / name).write_text(text, encoding="utf-8")
    return str(folder / name)


@pytest.mark.parametrize("mark", [",", ";", "\t", " ", "   "])
@pytest.mark.parametrize("head", ["", "a{0}b{0}c\n", '"a"{0}"b"{0}"c"\r\n'])
def test_rows_are_items_whatever_stands_between_the_numbers(tmp_path: Path, mark: str, head: str) -> None:
    lines = [mark.join(row) for row in (("0.5", "0.25", "1"), ("0", "0.125", "0.75"))]
    data = open_data(written(tmp_path, head.format(mark) + "\n".join(lines) + "\n"))
    assert data.shape == (3,)
    assert data.labels is None
    assert data.floats().tolist() == [[0.5, 0.25, 1], [0, 0.125, 0.75]]


def test_a_date_is_left_out_and_said_and_a_label_is_a_label(tmp_path: Path) -> None:
    text = "date,load,label,heat\n2016-07-01,3,1,0.5\n2016-07-02,5,0,1.5\n"
    data = open_data(written(tmp_path, "\ufeff" + text))
    assert data.shape == (2,)
    assert data.labels is not None
    assert data.labels.tolist() == [1, 0]
    assert any("left out, as no numbers: date" in note for note in data.notes)
    low, high = data.range
    assert np.allclose(data.floats().numpy() * (high - low) + low, [[3, 0.5], [5, 1.5]])


def test_a_run_takes_the_same_columns_in_its_own_range(tmp_path: Path) -> None:
    data = open_data(written(tmp_path, "1,2\n3,4\n"), like={"shape": [2], "range": [0, 8]})
    assert data.floats().tolist() == [[0.125, 0.25], [0.375, 0.5]]
    with pytest.raises(BadInput, match="rows of 2, but this run takes 3"):
        open_data(written(tmp_path, "1,2\n3,4\n"), like={"shape": [3], "range": [0, 8]})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no rows"),
        ("\n\n", "holds no rows"),
        ("name\nperson\n", "no table of numbers"),
        ("1,2\n3,x\n", "could not convert string 'x' to float64 at row 1"),
        ("1,2\n3\n", "2 cells in the first line and 1 in the next"),
        ("1,2\n3,4\n5,x\n", "could not convert string 'x' to float64 at row 2"),
        ("1,2\n3,4\n5\n", "row 3|invalid column"),
        ("1,2\n3,nan\n", "NaN or infinite values, the first in item 1"),
    ],
)
def test_what_is_no_table_is_refused_in_one_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(BadInput, match=said) as refused:
        open_data(written(tmp_path, text))
    assert "rows.csv" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_bytes(bytes(range(128, 256)))
    with pytest.raises(BadInput, match="no text in UTF-8"):
        open_data(str(tmp_path / "rows.csv"))
