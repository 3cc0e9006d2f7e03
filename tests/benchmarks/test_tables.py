"""The tables of README.md and the docs are those of benchmarks/results."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parents[2] / "benchmarks")]

import tables  # noqa: E402
from table_writer import Contest, Lines, Pivot, Rows, Table, markdown  # noqa: E402

PAGES = tables.pages()


@pytest.mark.parametrize(("page", "name", "rows"), PAGES, ids=[name for _, name, _ in PAGES])
def test_a_table_shows_the_results(page: Path, name: str, rows: Lines) -> None:
    text = page.read_text(encoding="utf-8")
    shown = text.partition(f"<!-- figures:{name} -->\n")[2].partition("\n<!-- end -->")[0]
    assert shown == markdown(rows), "make tables"
    assert not any(character in shown for character in "{}[]"), "cells are text, not Python objects"
    assert len({len(row) for row in rows}) == 1


RECORD = {
    "load": 0.5,
    "rows": [
        {"model": "ours", "set": "a", "psnr": 30.126, "noise": 15},
        {"model": "ours", "set": "a", "psnr": 28.0, "noise": 25},
        {"model": "BM3D", "set": "a", "psnr": 29.0, "noise": 15},
        {"model": "DnCNN (published)", "set": "a", "psnr": 31.0, "noise": 15},
        {"model": "ours", "set": "b", "noise": 15},
    ],
}


@pytest.fixture
def _record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "part.json").write_text(json.dumps(RECORD))
    for module in ("common", "table_writer"):
        monkeypatch.setattr(f"{module}.RESULTS", tmp_path)


@pytest.mark.usefixtures("_record")
def test_a_benchmark_declares_its_columns() -> None:
    contest = Contest("set {set}", "part", "ours", "{psnr:.1f}", {"set": "a"}, names={"BM3D": "BM3D, σ known"})
    assert contest.lines() == [["set a", "**30.1 / 28.0**", "BM3D, σ known 29.0", "DnCNN 31.0"]]
    rows = Rows("part", ("{model} {noise}", "{psnr:.1f}", lambda row: f"{row['load']:.0%}"), {"model": "ours"})
    assert rows.lines() == [["ours 15", "30.1", "50%"], ["ours 25", "28.0", "50%"], ["ours 15", "–", "50%"]]
    pivot = Pivot(("set",), "part", ("{set}",), "model", "{psnr:.0f}")
    assert pivot.lines()[0] == ["set", "ours", "BM3D", "DnCNN (published)"]
    assert pivot.lines()[-1] == ["b", "–", "–", "–"]
    assert Table(("", "ours"), [contest, Rows("absent", ("x",))]).lines() == [
        ["", "ours"],
        ["set a", "**30.1 / 28.0**"],
    ]
