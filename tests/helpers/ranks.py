"""Two processes equal one: the same curve and weights, one folder, one voice; and where one ends, so does the other.

Two real launches, the command line's own and torchrun's, take seconds each. All other pairs are forked from one warm
process and told their rank by the environment, as a job queue does it.
"""

from __future__ import annotations

import csv
import multiprocessing
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from isthmus import load

LIMIT = 120.0  # seconds: whatever takes longer hangs, also on a busy machine
# What a rank does: speak into files of its own, and run some code with its rank and its arguments.
RANK = """
import os, sys
os.environ.update(environment)
for number, place in enumerate(streams, 1):
    os.dup2(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
sys.stdout, sys.stderr = open(1, "w", buffering=1), open(2, "w", buffering=1)
import torch
torch.set_num_threads(1)
exec(code, {"argument": argument})
"""


class Pair:
    """Two ranks at work: their processes, and what each has said."""

    def __init__(self, code: str, argument: Any, folder: Path, ranks: int = 2) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(
            ["isthmus.cli.train", "isthmus.verbs.train", "lightning_fabric", "sklearn.cluster"]
        )
        folder.mkdir(parents=True, exist_ok=True)
        self.places = [(folder / f"{rank}.out", folder / f"{rank}.err") for rank in range(ranks)]
        shared = {"WORLD_SIZE": str(ranks), "NODE_RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
        self.ranks = []
        for rank, places in enumerate(self.places):
            own = {"RANK": str(rank), "LOCAL_RANK": str(rank), "OMP_NUM_THREADS": "1"}
            scope = {"environment": shared | own if ranks > 1 else {}, "streams": list(map(str, places))}
            process = context.Process(target=exec, args=(RANK, scope | {"code": code, "argument": argument}))
            process.start()
            self.ranks.append(process)

    def ended(self) -> tuple[int | None, ...]:
        """The exit codes, once all have ended; None for one that hangs."""
        end = time.monotonic() + LIMIT
        for process in self.ranks:
            process.join(max(0.0, end - time.monotonic()))
        codes = tuple(process.exitcode for process in self.ranks)
        for process in self.ranks:
            process.kill()
        return codes

    def said(self, rank: int) -> tuple[str, str]:
        out, err = self.places[rank]
        return out.read_text(), err.read_text()

    def send(self, number: int, *ranks: int) -> None:
        for rank in ranks:
            pid = self.ranks[rank].pid
            assert pid is not None
            os.kill(pid, number)


def until(there: Callable[[], bool]) -> None:
    end = time.monotonic() + LIMIT
    while not there():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.01)


def checkpoints(run: Path) -> list[str]:
    return sorted(path.name for path in (run / "checkpoints").glob("[0-9]*.safetensors"))


def rows(run: Path) -> list[dict[str, float]]:
    with (run / "history.csv").open(encoding="utf-8") as file:
        return [{k: float(v) for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


def must_equal(run: Path, other: Path, but: int = -1) -> None:
    """The same curve (`but` for one epoch of it) and weights within the rounding of float32."""
    curve, wanted = rows(run), rows(other)
    assert [list(row) for row in curve] == [list(row) for row in wanted]
    for epoch, (row, exact) in enumerate(zip(curve, wanted, strict=True)):
        assert epoch == but or row == pytest.approx(exact, rel=2e-5, abs=1e-6)
    own, theirs = load(run).state_dict(), load(other).state_dict()
    for name, tensor in own.items():
        assert torch.allclose(tensor, theirs[name], rtol=1e-4, atol=2e-5), name
