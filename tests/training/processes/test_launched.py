"""The launches of the command line, torchrun and SLURM."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from helpers.ranks import LIMIT, checkpoints, rows, until

from isthmus.distributed import first_rank, joint_failure, launched_processes


@pytest.fixture(scope="module")
def launched(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """isthmus train --devices 2, Ctrl-C as a terminal sends it; then torchrun goes on with it to the end."""
    folder = tmp_path_factory.mktemp("launched")
    program, torchrun = (str(Path(sys.executable).with_name(name)) for name in ("isthmus", "torchrun"))
    keys = ["undercomplete", str(digits), "--out", "run", "--code", "100", "--device", "cpu", "--batch-size", "10"]
    command = [program, "train", *keys, "--validation", "0.2", "--set", "test=0.03", "--json"]

    def start(*words: str) -> subprocess.Popen[str]:
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(words, cwd=folder, text=True, start_new_session=True, **pipes)

    two = start(*command, "--epochs", "100000", "--devices", "2")
    try:
        until(lambda: (folder / "run" / "history.csv").exists() or two.poll() is not None)
        os.killpg(two.pid, signal.SIGINT)
        said = two.communicate(timeout=LIMIT)
    finally:
        two.kill()
    epochs = len(rows(folder / "run")) + 3
    more = ("--epochs", str(epochs), "--resume")
    ranks = start(torchrun, "--standalone", "--nproc-per-node", "2", *command, *more)
    again = ranks.communicate(timeout=2 * LIMIT)
    return {
        "run": folder / "run",
        "epochs": epochs,
        "stopped": (two.returncode, *said),
        "done": (ranks.returncode, *again),
    }


def test_the_command_line_starts_two_ranks_and_torchrun_resumes(launched: dict[str, Any]) -> None:
    code, out, err = launched["stopped"]
    assert (code, out) == (130, ""), err
    assert err.splitlines()[-1] == "isthmus: stopped; the same command with --resume continues the run"
    code, out, err = launched["done"]
    assert code == 0, err
    figures = json.loads(out)
    assert (figures["status"], figures["epochs"]) == ("done", launched["epochs"])
    assert len(rows(launched["run"])) == launched["epochs"]
    assert len(checkpoints(launched["run"])) == 2
    assert not list(launched["run"].rglob(".*"))


def test_notes_of_ranks_appear_once(launched: dict[str, Any]) -> None:
    for _, _, err in (launched["stopped"], launched["done"]):
        assert err.count("no bottleneck any more") == 1


def test_sigterm_acts_like_ctrl_c_without_another_handler() -> None:
    with pytest.raises(KeyboardInterrupt), joint_failure(SimpleNamespace(world_size=1)):  # type: ignore[arg-type]
        os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    heard: list[int] = []
    own = signal.signal(signal.SIGTERM, lambda number, frame: heard.append(number))
    try:
        with joint_failure(SimpleNamespace(world_size=1)):  # type: ignore[arg-type]
            os.kill(os.getpid(), signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, own)
    assert heard == [signal.SIGTERM]


SLURM = {"SLURM_NTASKS": "8", "SLURM_NTASKS_PER_NODE": "4", "SLURM_NNODES": "2", "SLURM_JOB_NAME": "train"}
RANKS = ("RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID")


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        (SLURM, (4, 2)),
        (SLURM | {"SLURM_JOB_NAME": "bash"}, None),  # a shell on the cluster, where nothing was started
        ({"SLURM_NTASKS": "3", "SLURM_JOB_NAME": "train"}, (3, 1)),
        ({"TORCHELASTIC_RUN_ID": "a", "WORLD_SIZE": "6", "LOCAL_WORLD_SIZE": "3"}, (3, 2)),
    ],
)
def test_processes_of_torchrun_and_slurm_are_detected(
    environment: dict[str, str], expected: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert launched_processes() == expected


@pytest.mark.parametrize(
    ("environment", "first"),
    [
        ({}, True),
        ({"RANK": "0", "LOCAL_RANK": "0"}, True),
        ({"RANK": "2", "LOCAL_RANK": "0", "GROUP_RANK": "1"}, False),
        ({"RANK": "0", "LOCAL_RANK": "0", "SLURM_PROCID": "3"}, True),  # torchrun in a job: its own numbers count
        ({"LOCAL_RANK": "1"}, False),
        ({"LOCAL_RANK": "1", "SLURM_PROCID": "0"}, False),
        ({"LOCAL_RANK": "0", "NODE_RANK": "0"}, True),
        ({"NODE_RANK": "1"}, False),
        ({"LOCAL_RANK": "0", "NODE_RANK": "1"}, False),
        ({"SLURM_PROCID": "0"}, True),
        ({"SLURM_PROCID": "5"}, False),
    ],
)
def test_one_process_of_all_speaks(environment: dict[str, str], first: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in RANKS:
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert first_rank() is first
