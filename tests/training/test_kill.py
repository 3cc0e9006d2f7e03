"""The short form of benchmarks/kill.py: killed at a random moment, a folder loads, and the run goes on bit for bit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "kill.py"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a killed process is forked from a warm one")
def test_a_killed_training_loads_and_goes_on_as_if_nothing_had_been() -> None:
    done = subprocess.run([sys.executable, str(SCRIPT), "--trials", "4"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["failures"] == []
    for row in told["rows"]:
        assert row["trials"] == 2
        assert row["bit_equal"] == "2 of 2"
        loads, runs = row["loads"].split(" of ")
        assert loads == runs
    assert sum(row["kills"] for row in told["rows"]) > 0
