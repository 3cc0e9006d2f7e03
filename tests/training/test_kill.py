"""The short form of benchmarks/kill.py: killed at a random moment, a folder loads, and the run resumes to the bit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from isthmus import create, fit, store

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "kill.py"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a killed process is forked from a warm one")
def test_a_killed_training_loads_and_resumes_to_the_bit() -> None:
    done = subprocess.run([sys.executable, str(SCRIPT), "--trials", "4"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["failures"] == []
    for row in told["rows"]:
        assert row["trials"] == 2
        assert row["bit_equal"] == row["nothing_left_behind"] == "2 of 2"
        loads, runs = row["loads"].split(" of ")
        assert loads == runs
    assert sum(row["kills"] for row in told["rows"]) > 0


WRITES = """
import sys, torch
from pathlib import Path
from isthmus.store import write_tensors
many = {"many": torch.zeros(50_000_000)}
print("begins", flush=True)
while True:
    write_tensors(Path(sys.argv[1]), many)
"""


def test_partial_files_of_safetensors_are_removed(tmp_path: Path) -> None:
    """It writes beside our temporary name under one of its own, which a kill may leave; of whatever version it is."""
    run, digits = tmp_path / "run", torch.rand(64, 1, 8, 8)
    fit(create("undercomplete", shape=(1, 8, 8), code=2), digits, out=run, epochs=1, quiet=True, device="cpu")
    whole = sorted(path.name for path in run.rglob("*"))
    target = run / store.CHECKPOINTS / "99999999.safetensors"
    with subprocess.Popen([sys.executable, "-c", WRITES, str(target)], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "begins\n"
        ours, deadline = f".{target.name}.{writer.pid}.tmp", time.monotonic() + 60
        while not (strays := {path.name for path in run.rglob(".*")} - {ours}) and time.monotonic() < deadline:
            pass
        writer.kill()
    assert strays, "safetensors writes under no name of its own any more"
    target.unlink(missing_ok=True)
    fit(create("undercomplete", shape=(1, 8, 8), code=2), digits, out=run, epochs=1, quiet=True, resume=True)
    assert sorted(path.name for path in run.rglob("*")) == whole
