"""Tables on a terminal of any width and in a pipe: no name or figure is cut."""

from __future__ import annotations

import re
import sys
from typing import Any

import pytest

from isthmus.cli.output import print_table

ROWS: list[dict[str, Any]] = [
    {
        "file": f"photo-{number}.png",
        "width": 1920,
        "psnr": 31.25 + number,
        "psnr_before": 20.5,
        "compression_factor": 98.0,
        "what it is": "a picture with a sky that goes on for many a word",
    }
    for number in range(3)
]


@pytest.mark.parametrize("width", [20, 40, 60, 80, 100, 200, None])
def test_no_name_and_no_figure_is_cut(
    width: int | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    if width is not None:
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", str(width or 30))
    print_table(ROWS)
    out = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
    assert "…" not in out
    for word in ("photo-0.png", "photo-2.png", "psnr_before", "compression_factor", "1,920", "33.25", "98"):
        assert word in out
    if width is None:  # a pipe has no edge: a line a row, with the header and the line below it
        assert len([line for line in out.splitlines() if line.strip()]) == 5
    elif width >= 80:
        assert max(map(len, out.splitlines())) <= width


def test_a_few_wide_rows_become_columns(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "56")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    print_table([{key: value for key, value in row.items() if key != "what it is"} for row in ROWS[:2]])
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line).split() for line in capsys.readouterr().out.splitlines()]
    assert ["file", "photo-0.png", "photo-1.png"] in lines
    assert ["psnr", "31.25", "32.25"] in lines
