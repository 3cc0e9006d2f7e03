"""Tables as people have them: one case each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from isthmus.data import Data, open_data
from isthmus.data.tables import TableOptions
from isthmus.data.tables.cells import lines_of
from isthmus.data.tables.schema import Schema
from isthmus.errors import BadInput

ROWS = [(10854.3 + 7 * n % 90, 23.5 + n % 7, 0.0139 + n % 5 / 1000) for n in range(20)]
HEAD = "rpm,temp,vib"


def table(
    folder: Path, head: str | None = HEAD, rows: Any = ROWS, mark: str = ",", decimal: str = ".", **more: Any
) -> Data:
    lines = [mark.join(f"{v:.6g}".replace(".", decimal) if type(v) is float else str(v) for v in row) for row in rows]
    text = "\n".join(([] if head is None else [head.replace(",", mark)]) + lines) + "\n"
    (folder / "rows.csv").write_bytes(text.encode(more.pop("encoding", "utf-8")))
    return open_data(folder / "rows.csv", **more)


def values(data: Data) -> np.ndarray:
    return data.batch(np.arange(len(data))).numpy()


def like(data: Data) -> dict[str, Any]:
    return {"shape": list(data.shape), "range": data.range, "table": data.table}


@pytest.mark.parametrize(
    "how",
    [
        {"mark": ";", "decimal": ","},
        {"mark": ";", "decimal": ",", "head": None},
        {"mark": "\t"},
        {"mark": "|"},
        {"encoding": "utf-8-sig"},
        {"encoding": "utf-16"},
        {"head": '"rpm","temp","vib"'},
        {"head": "rpm,temp,vib\n1/min,C,mm"},
        {"rows": [tuple(f'"{v:.6g}"' for v in row) for row in ROWS]},
    ],
)
def test_number_formats_give_the_same_values(tmp_path: Path, how: dict[str, Any]) -> None:
    assert np.allclose(values(table(tmp_path, **how)), ROWS, rtol=1e-5)


def test_decimal_commas_and_thousands(tmp_path: Path) -> None:
    always_three = [("20,123", "21,456"), ("22,789", "23,000")] * 3
    assert values(table(tmp_path, None, always_three, ";"))[0] == pytest.approx([20.123, 21.456])
    thousands = [("10,854", "23.5"), ("9,123", "24.25")] * 3
    assert values(table(tmp_path, "rpm,temp", thousands, ";"))[0] == pytest.approx([10854, 23.5])
    both = [("1.234,5", "3"), ("12,25", "4")] * 3
    assert values(table(tmp_path, "a,b", both, ";"))[0] == pytest.approx([1234.5, 3])


def test_names_may_hold_commas_and_letters_of_the_west(tmp_path: Path) -> None:
    data = table(tmp_path, '"speed, rpm",Temperatur °C,vib', encoding="latin-1")
    assert data.table is not None
    assert Schema.of(data.table).headings == ["speed, rpm", "Temperatur °C", "vib"]


@pytest.mark.parametrize(
    ("head", "first", "why"),
    [
        (",rpm,temp,vib", lambda n: n, "row numbers"),
        ("id,rpm,temp,vib", lambda n: 7919 * n % 10007, "row names"),
        ("when,rpm,temp,vib", lambda n: f"2024-01-01 00:00:{n:02d}", "dates"),
        ("timestamp,rpm,temp,vib", lambda n: 1700000000 + 60 * n, "a timestamp"),
        ("seconds,rpm,temp,vib", lambda n: n / 10, "a time"),
        ("machine,rpm,temp,vib", lambda n: f"serial {n}", "20 different words"),
    ],
)
def test_a_column_of_row_numbers_is_left_out_with_a_note(tmp_path: Path, head: str, first: Any, why: str) -> None:
    data = table(tmp_path, head, [(first(n), *row) for n, row in enumerate(ROWS)])
    assert data.shape == (3,)
    assert any(why in note for note in data.notes), data.notes
    later = table(tmp_path, head, [(first(n + 5000), *row) for n, row in enumerate(ROWS)], like=like(data))
    assert np.array_equal(values(later), values(data)), "whatever it counts"
    assert np.array_equal(values(table(tmp_path, like=like(data))), values(data)), "or if it is not there"


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("dose", lambda n: n / 10),  # even steps, but of no clock
        ("width", lambda n: (7919 * n % 10007) / 1000),  # all different
        ("nr", lambda n: n * 1.37 + 0.2 * (n % 2)),  # rising, and called as if they counted
        ("speed", lambda n: 100 * n),
    ],
)
def test_a_column_of_measurements_is_no_count_of_rows(tmp_path: Path, name: str, first: Any) -> None:
    data = table(tmp_path, f"{name},rpm,temp,vib", [(first(n), *row) for n, row in enumerate(ROWS)])
    assert data.shape == (4,), data.notes


@pytest.mark.parametrize("first", [lambda n: n, lambda n: 1700000000 + 60 * n])
def test_a_column_that_only_counts_is_learned_from_where_somebody_asks(tmp_path: Path, first: Any) -> None:
    rows = [(first(n), *row) for n, row in enumerate(ROWS)]
    data = table(tmp_path, "id,rpm,temp,vib", rows)
    assert any("--keep 'id' learns from it" in note for note in data.notes)
    assert table(tmp_path, "id,rpm,temp,vib", rows, table=TableOptions(keep="id")).shape == (4,)
    named = [(f"serial {n}", *row) for n, row in enumerate(ROWS)]
    with pytest.raises(BadInput, match="keep=id: the column holds 20 different words; numbers"):
        table(tmp_path, "id,rpm,temp,vib", named, table=TableOptions(keep="id"))


def test_columns_are_matched_by_name(tmp_path: Path) -> None:
    run = like(table(tmp_path))
    swapped = table(tmp_path, "temp,rpm,vib", [(b, a, c) for a, b, c in ROWS], like=run)
    assert np.allclose(values(swapped), ROWS, rtol=1e-5)
    assert any("put into the order of the training: rpm, temp, vib" in note for note in swapped.notes)
    with pytest.raises(BadInput, match="has no column vib; its columns are rpm, temp"):
        table(tmp_path, "rpm,temp", [row[:2] for row in ROWS], like=run)
    with pytest.raises(BadInput, match="column load is unknown to this run, which takes rpm, temp, vib"):
        table(tmp_path, "rpm,temp,vib,load", [(*row, row[0] / 7) for row in ROWS], like=run)
    assert np.allclose(values(table(tmp_path, None, like=run)), ROWS, rtol=1e-5), "by place where there are no names"
    with pytest.raises(BadInput, match="rows of 2, but this run takes 3: rpm, temp, vib"):
        table(tmp_path, None, [row[:2] for row in ROWS], like=run)


def test_a_data_frame_is_a_table(tmp_path: Path) -> None:
    class DataFrame:
        columns = ("rpm", "temp", "vib")

        def to_csv(self, path: Path, index: bool) -> None:
            path.write_text("\n".join([HEAD, *(",".join(map(str, row)) for row in ROWS)]))

    data = open_data(DataFrame())
    assert np.allclose(values(data), ROWS)
    assert data.source["name"] == "DataFrame"
    assert "path" not in data.source
    assert len(open_data(DataFrame(), like=like(data))) == len(ROWS)


def test_labels_and_dropped_columns_are_named(tmp_path: Path) -> None:
    rows = [(*row, "ok" if n % 3 else "bad") for n, row in enumerate(ROWS)]
    data = table(tmp_path, HEAD + ",state", rows, table=TableOptions(labels="state", drop="temp"))
    assert data.labels is not None
    assert (data.shape, data.labels.tolist()[:4]) == ((2,), [0, 1, 1, 0])
    again = table(tmp_path, HEAD + ",state", rows, like=like(data))
    assert again.labels is not None
    assert (again.shape, again.labels.tolist()) == ((2,), data.labels.tolist())
    assert table(tmp_path, HEAD, like=like(data)).labels is None, "a table to be looked at needs no labels"
    with pytest.raises(BadInput, match="unknown column 'stat': did you mean 'state'"):
        table(tmp_path, HEAD + ",state", rows, table=TableOptions(labels="stat"))


def test_words_become_columns_of_0_and_1_and_words_again(tmp_path: Path) -> None:
    rows = [(*row, ("idle", "run", "off")[n % 3], n % 4 == 0) for n, row in enumerate(ROWS)]
    data = table(tmp_path, HEAD + ",mode,door", rows)
    assert data.shape == (7,)
    assert values(data)[0, 3:].tolist() == [1, 0, 0, 1]
    assert data.table is not None
    written = list(lines_of(values(data), Schema.of(data.table)))
    assert written[1] == ["10861.3", "24.5", "0.0149", "run", "False"]
    other = table(tmp_path, HEAD + ",mode,door", [(*ROWS[0], "turbo", True)], like=like(data))
    assert values(other)[0, 3:].tolist() == [0, 0, 0, 1]
    assert any("'turbo' is unknown to this run" in note for note in other.notes)


@pytest.mark.parametrize("gap", ["", "NA", "nan", "?"])
def test_missing_cells_are_named_or_filled_by_a_rule(tmp_path: Path, gap: str) -> None:
    rows: list[Any] = list(ROWS)
    rows[0], rows[9] = (ROWS[0][0], gap, ROWS[0][2]), (ROWS[9][0], gap, ROWS[9][2])
    with pytest.raises(BadInput, match=r"missing cells \(2 in temp\), the first in line 2, column temp"):
        table(tmp_path, rows=rows)
    data = table(tmp_path, rows=rows, table=TableOptions(missing="median"))
    assert (
        values(data)[[0, 9], 1].tolist() == [np.median([row[1] for n, row in enumerate(ROWS) if n not in (0, 9)])] * 2
    )
    later = table(tmp_path, rows=rows[:1], like=like(data))
    assert values(later)[0, 1] == values(data)[0, 1], "by what the run knows"
    kept = table(tmp_path, rows=rows, table=TableOptions(missing="drop"))
    assert list(kept.names)[:2] == ["00001", "00002"]
    assert len(kept) == 18


def test_a_series_is_cut_into_windows(tmp_path: Path) -> None:
    rows = [(n % 7 + 0.5, 1000.5 * (n % 3)) for n in range(25)]
    data = table(tmp_path, "a,b", rows, table=TableOptions(window=6, stride=3))
    assert data.shape == (12,)
    assert values(data)[1].tolist() == [row[0] for row in rows[3:9]] + [row[1] for row in rows[3:9]]
    assert list(data.names)[-2:] == ["00018-00023", "00019-00024"], "to its end"
    with pytest.raises(BadInput, match="4 rows, but a window is 6"):
        table(tmp_path, "a,b", rows[:4], like=like(data))
    with pytest.raises(BadInput, match="goes with a window"):
        TableOptions(stride=3)
