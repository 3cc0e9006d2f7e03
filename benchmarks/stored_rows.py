"""The rows of a part, stored as they come: a stopped benchmark continues with the next one."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from common import write

RUNS = Path("runs")  # relative to where it is run
Row = dict[str, Any]


class Part:
    """Rows of results/JOB-NAME.json, kept in RUNS/JOB until all are there."""

    def __init__(self, job: str, name: str) -> None:
        self.name, self.path = f"{job}-{name}", RUNS / job / f"{name}.jsonl"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        lines = self.path.read_text(encoding="utf-8").splitlines() if self.path.exists() else []
        self.rows: list[Row] = [json.loads(line) for line in lines]

    def row(self, make: Callable[[], Row], **key: Any) -> Row:
        """The row of this key: stored from an earlier start, or else made, with its seconds and the load by others."""
        for row in self.rows:
            if key.items() <= row.items():
                return row
        load, began, used = os.getloadavg()[0], time.perf_counter(), time.process_time()
        row = key | make()
        row |= {"seconds": round(time.perf_counter() - began, 1), "cpu_seconds": round(time.process_time() - used, 1)}
        row["load"] = round(load, 1)
        self.rows.append(row)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
        print(json.dumps(row, ensure_ascii=False), flush=True)
        return row

    def end(self, protocol: str, rows: list[Row] | None = None, **more: Any) -> None:
        """Write the results; the stored rows are removed. rows: others than the stored ones."""
        write(self.name, protocol, rows or self.rows, sum(row["seconds"] for row in self.rows), **more)
        self.path.unlink(missing_ok=True)


def finished(out: Path, train: Callable[[Path], Any]) -> Path:
    """The run folder `out` that `train` fills, unless it is complete; OUT.seconds has its processor time."""
    if not _seconds_file(out).exists():
        shutil.rmtree(out, ignore_errors=True)
        began = time.process_time()
        train(out)
        _seconds_file(out).write_text(f"{time.process_time() - began:.1f}")
    return out


def seconds_of(out: Path) -> float:
    """The processor time of the training of a run that `finished` has filled."""
    return float(_seconds_file(out).read_text())


def _seconds_file(out: Path) -> Path:
    return out.parent / f"{out.name}.seconds"
