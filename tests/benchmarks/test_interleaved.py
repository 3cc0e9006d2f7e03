"""Speeds are measured on a quiet machine, and a table without one of its rows is not written."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parents[2] / "benchmarks")]

import interleaved  # noqa: E402


def test_a_machine_at_work_is_refused_unless_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interleaved, "LOAD", interleaved.MOST_LOAD + 0.1)
    with pytest.raises(SystemExit, match="or pass --loaded"):
        interleaved.quiet()
    monkeypatch.setattr(interleaved, "LOADED", True)
    interleaved.quiet()


def test_a_table_without_a_contender_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interleaved, "ABSENT", ["pythae"])
    monkeypatch.setattr(interleaved, "write", lambda *_, **__: pytest.fail("written"))
    with pytest.raises(SystemExit, match="nothing is written: pythae did not run"):
        interleaved.record("dense", "", [], time.perf_counter(), {})
