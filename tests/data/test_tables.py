"""A table of numbers in text, as people have it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from isthmus.data import from_unit, open_data
from isthmus.errors import BadInput


def written(folder: Path, text: str, name: str = "rows.csv") -> str:
    (folder / name).write_text(text, encoding="utf-8")
    return str(folder / name)


@pytest.mark.parametrize("mark", [",", ";", "\t", " ", "   "])
@pytest.mark.parametrize("head", ["", "a{0}b{0}c\n", '"a"{0}"b"{0}"c"\r\n'])
def test_rows_are_items_with_any_separator(tmp_path: Path, mark: str, head: str) -> None:
    lines = [mark.join(row) for row in (("0.5", "0.25", "1"), ("0", "0.125", "0.75"))]
    data = open_data(written(tmp_path, head.format(mark) + "\n".join(lines) + "\n"))
    assert data.shape == (3,)
    assert data.labels is None
    assert data.batch([0, 1]).tolist() == [[0.5, 0.25, 1], [0, 0.125, 0.75]]


def test_a_date_is_left_out_with_a_note_and_a_label_is_a_label(tmp_path: Path) -> None:
    text = "date,load,label,heat\n2016-07-01,3,1,0.5\n2016-07-02,5,0,1.5\n"
    data = open_data(written(tmp_path, "\ufeff" + text))
    assert data.shape == (2,)
    assert data.labels is not None
    assert data.labels.tolist() == [1, 0]
    assert any("column date is left out: dates" in note for note in data.notes)
    assert np.allclose(from_unit(data.floats(), data.range), [[3, 0.5], [5, 1.5]])


def test_columns_of_several_kinds_have_a_range_each(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    rows = np.c_[random.normal(1e4, 500, 999), random.normal(0.015, 0.003, 999), np.full(999, 7.0)]
    rows[3, 1] = 9.9  # a wrong reading
    lines = ["rpm,vib,stuck", *(",".join(f"{value:.7g}" for value in row) for row in rows)]
    data = open_data(written(tmp_path, "\n".join(lines)))
    units = data.floats().numpy()
    assert ((units >= 0) & (units <= 1)).mean(0) == pytest.approx([0.98, 0.98, 1], abs=0.01)
    assert units[3, 1] > 100, "a value far out goes far out"
    assert units[:, 2] == pytest.approx(0.5), "a constant is in the middle"
    assert any("constant columns: stuck" in note for note in data.notes)
    assert np.allclose(open_data(rows).range, data.range, rtol=1e-4), "an array is a table as well"


def test_columns_of_one_kind_share_a_range(tmp_path: Path) -> None:
    series = np.sin(np.arange(50)[:, None] + np.arange(20)[None])
    assert open_data(series).range == pytest.approx((series.min(), series.max()))
    numbered = ",".join(f"pixel{n}" for n in range(20)) + "\n" + "\n".join(",".join(map(str, row)) for row in series)
    assert open_data(written(tmp_path, numbered)).range == pytest.approx((series.min(), series.max()))
    flat = np.random.default_rng(0).integers(0, 256, (50, 64))
    flat[:, :5] = 0  # the rim of a picture
    assert open_data(flat).range == (0, 255)


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
        ("1,2\n3,x\n", "line 2, column 2: 'x' is no number"),
        ("1,2\n3\n", "2 cells in the first row and 1 in row 2"),
        ("1,2\n3,4\n5,x\n", "line 3, column 2: 'x' is no number"),
        ("1,2\n3,4\n5\n", "2 cells in the first row and 1 in row 3"),
        ("1,2\n3,nan\n", "missing cells .1 in column 2., the first in line 2, column 2"),
    ],
)
def test_other_files_are_refused_in_one_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(BadInput, match=said) as refused:
        open_data(written(tmp_path, text))
    assert "rows.csv" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_bytes(bytes(range(128, 256)))
    with pytest.raises(BadInput, match="no text in UTF-8 or Latin-1"):
        open_data(str(tmp_path / "rows.csv"))
