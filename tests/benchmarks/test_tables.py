"""The tables of README.md and the docs are those of benchmarks/results."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parents[2] / "benchmarks")]

import tables  # noqa: E402

PAGES = tables.pages()


@pytest.mark.parametrize(("page", "name", "rows"), PAGES, ids=[name for _, name, _ in PAGES])
def test_a_table_shows_the_results(page: Path, name: str, rows: tables.Table) -> None:
    text = page.read_text(encoding="utf-8")
    shown = text.partition(f"<!-- figures:{name} -->\n")[2].partition("\n<!-- end -->")[0]
    assert shown == tables.markdown(rows), "make tables"
    assert not any(character in shown for character in "{}[]"), "cells are text, not Python objects"
    assert len({len(row) for row in rows}) == 1
