"""Two processes equal one: the same curve and weights, one folder, one voice; and where one ends, so does the other.

Two real launches, the command line's own and torchrun's, take seconds each. All other pairs are forked from one warm
process and told their rank by the environment, as a job queue does it.
"""

from __future__ import annotations

import csv
import json
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from isthmus import create, fit, load, store
from isthmus.distributed import first_rank, joint_failure, launched_processes
from isthmus.verbs.train import train

LIMIT = 120.0  # seconds: whatever takes longer hangs, also on a busy machine
WARM = ["isthmus.verbs.train", "isthmus.cli.train", "lightning_fabric", "sklearn.cluster"]
KINDS: dict[str, dict[str, Any]] = {
    "undercomplete": {"code": 5},
    "quantized": {"codes": 16, "dim": 3, "channels": (4, 8)},
    "kl": {"name": "sparse", "code": 12, "kind": "kl"},
    "variational": {"code": 4, "widths": (20,)},
    "contractive": {"code": 6, "widths": (10,)},
    "closed": {"name": "contractive", "code": 6},
    "deep": {"code": 5, "widths": (20,)},
    "denoising": {"code": 6, "widths": (20,)},
}
# 41 of 54 items are learned from: the last batch holds one, and so does that of the 11 of the validation part.
HOW = {"epochs": 3, "batch_size": 10, "device": "cpu", "quiet": True, "patience": None, "validation": 0.2, "test": 0.03}

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
COMMAND = """
from isthmus.cli import main
from isthmus.training import loop
loop.CHECKPOINT_EVERY = 0.1
main(argument)
"""
TRAIN_ALL = """
import os, signal
from isthmus import create, fit
from isthmus.data import base
for out, kind, how, memory in argument["runs"]:
    base.MEMORY_BUDGET = memory
    at = how.pop("stop", None)
    stop = {"step": lambda training: os.kill(os.getpid(), signal.SIGINT) if training.step == at else None}
    try:
        fit(create(shape=(1, 8, 8), **kind), argument["data"], out=out, devices=2, callbacks=stop, **how)
    except KeyboardInterrupt:
        assert at
"""
ONE_FAILS = """
import os
import numpy as np
import torch
from isthmus import fit
from isthmus.types import Losses
from isthmus.errors import IsthmusError

class Line(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layer, self.calls = torch.nn.Linear(4, 4), 0

    def forward(self, sample, ctx):
        loss = (self.layer(sample.x) - sample.target).square().sum(1)
        self.calls += 1
        spoilt = self.calls == 6 and os.environ["RANK"] == "1"
        return Losses({"reconstruction": loss * argument["spoil"] if spoilt else loss})

how = {"devices": 2, "device": "cpu", "batch_size": 8, "validation": 0.0, "test": 0.0, "quiet": True}
def late(training):
    if argument["clocks"] and os.environ["RANK"] == "0":
        training.early_stopping.began -= 100.0
for name, more in argument["runs"].items():
    try:
        data = np.random.default_rng(0).uniform(0, 1, (40, 4)).astype(np.float32)
        run = fit(Line(), data, out=argument["out"] + name, callbacks={"step": late}, **how, **more)
        print(run.finished, len(run.history))
    except IsthmusError as error:
        print(type(error).__name__, error)
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


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """54 digits 1×8×8 of whole numbers from 0 to 255."""
    pixels = load_digits(return_X_y=True)[0][:54].reshape(-1, 1, 8, 8)
    file = tmp_path_factory.mktemp("data") / "digits.npy"
    np.save(file, (pixels * 255 / 16).round().astype(np.uint8))
    return file


@pytest.fixture(scope="module", autouse=True)
def _quiet_environment() -> Iterator[None]:
    """The warm process inherits one thread and no rank of ours; and none is started here, by starting pytest again."""

    def refuse(*_: Any) -> None:
        raise AssertionError("this would start pytest again as another rank")

    from lightning_fabric.strategies.launchers.subprocess_script import _SubprocessScriptLauncher

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_SubprocessScriptLauncher, "_call_children_scripts", refuse)
        patch.setenv("OMP_NUM_THREADS", "1")
        for name in ("RANK", "LOCAL_RANK", "NODE_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
            patch.delenv(name, raising=False)
        yield


def until(there: Callable[[], bool]) -> None:
    end = time.monotonic() + LIMIT
    while not there():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.01)


def checkpoints(run: Path) -> list[str]:
    return sorted(path.name for path in (run / "checkpoints").glob("[0-9]*.safetensors"))


def under_way(run: Path, count: int = 3) -> bool:
    """Whether the run has trained for some steps, and for some epochs."""
    history = run / "history.csv"
    return (run / "config.json").exists() and history.exists() and len(rows(run)) >= count and len(checkpoints(run)) > 1


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


# -- two equal one --


def test_two_processes_equal_one_for_every_type(digits: Path, tmp_path: Path) -> None:
    variants: dict[str, tuple[str, dict[str, Any]]] = {kind: (kind, {}) for kind in KINDS}
    variants |= {"micro": ("quantized", {"micro_batch": 2}), "ema": ("undercomplete", {"ema": 0.9})}
    variants |= {"stream": ("denoising", {}), "fsdp": ("undercomplete", {"strategy": "fsdp"})}
    runs = []
    for name, (kind, more) in variants.items():
        memory = 0 if name == "stream" else 2**30  # with none, each rank reads its own rows of the file
        runs.append((str(tmp_path / "two" / name), {"name": kind, **KINDS[kind]}, HOW | more, memory))
    pair = Pair(TRAIN_ALL, {"data": str(digits), "runs": runs}, tmp_path / "said")
    for name, (kind, more) in variants.items():
        alone = {key: value for key, value in more.items() if key not in ("micro_batch", "strategy")}
        model = create(**{"name": kind, "shape": (1, 8, 8), **KINDS[kind]})
        fit(model, digits, out=tmp_path / "one" / name, **HOW | alone)
    assert pair.ended() == (0, 0), pair.said(0)[1] + pair.said(1)[1]
    for name in variants:
        must_equal(tmp_path / "two" / name, tmp_path / "one" / name)
    assert pair.said(0)[0] == pair.said(1)[0] == ""
    files = {path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*")}
    assert {path.relative_to(tmp_path / "two") for path in (tmp_path / "two").rglob("*")} == files


def test_ranks_agree_on_the_end_though_their_clocks_do_not(tmp_path: Path) -> None:
    """--budget: steps are timed by each rank, and the time that was spent is not the same on both."""
    runs = {"run": {"budget": 20, "epochs": 50}}
    argument = {"out": str(tmp_path) + "/", "spoil": 1.0, "clocks": True, "runs": runs}
    pair = Pair(ONE_FAILS, argument, tmp_path / "said")
    assert pair.ended() == (0, 0), pair.said(0)[1] + pair.said(1)[1]
    assert pair.said(0)[0] == pair.said(1)[0] == "stopped: the budget is spent 1\n"


@pytest.mark.parametrize("spoil", [float("nan"), float("inf")])
def test_a_nan_loss_on_one_rank_stops_both_with_the_last_finite_weights(spoil: float, tmp_path: Path) -> None:
    runs = {"plain": {"epochs": 5}, "clipped": {"clip": 1.0}, "mean": {"ema": 0.9}, "fsdp": {"strategy": "fsdp"}}
    argument = {"out": str(tmp_path) + "/", "spoil": spoil, "clocks": False, "runs": runs}
    pair = Pair(ONE_FAILS, argument, tmp_path / "said")
    assert pair.ended() == (0, 0), pair.said(0)[1] + pair.said(1)[1]
    lines = pair.said(0)[0].splitlines()
    assert pair.said(1)[0].splitlines() == lines
    assert len(lines) == len(runs)
    for name, line in zip(runs, lines, strict=True):
        assert line.startswith("Diverged step 6: the reconstruction is NaN or infinite"), (name, line)
        assert json.loads((tmp_path / name / "metrics.json").read_text())["status"] == "diverged"
        assert len(rows(tmp_path / name)) == 1
        assert all(tensor.isfinite().all() for tensor in store.read_weights(tmp_path / name).values())


# -- one ends --


KEYS = {"code": "6", "lr": 1e-4, "batch_size": 10, "validation": 0.2, "test": 0.03, "ema": 0.9, "device": "cpu"}


def endless(digits: Path, run: Path) -> list[str]:
    """A command that trains for hours, in two processes."""
    words = ["train", "undercomplete", str(digits), "--out", str(run), "--epochs", "1000000", "--devices", "2"]
    for key, value in KEYS.items():
        words += ["--code", str(value)] if key == "code" else ["--set", f"{key}={value}"]
    return words


def must_go_on(run: Path, digits: Path) -> None:
    """Two epochs more make it the undisturbed training, but for the figures of the epoch in which it was stopped."""
    stopped = step(run) // 5
    how = KEYS | {"quiet": True, "epochs": stopped + 3, "devices": 1}
    train("undercomplete", digits, out=run, resume=True, **how)
    whole = run.with_name("whole")
    train("undercomplete", digits, out=whole, **how)
    must_equal(run, whole, but=stopped)


def step(run: Path) -> int:
    """The step of the newest checkpoint."""
    return int(checkpoints(run)[-1].partition(".")[0])


@pytest.mark.parametrize("victim", [0, 1])
def test_if_one_rank_is_killed_the_other_ends_and_the_run_resumes(victim: int, digits: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    pair = Pair(COMMAND, endless(digits, run), tmp_path / "said")
    until(lambda: under_way(run))
    pair.send(signal.SIGKILL, victim)
    assert pair.ended() == ((-9, 130) if victim == 0 else (130, -9))
    out, err = pair.said(1 - victim)
    lines = [line for line in err.splitlines() if line.startswith("isthmus: ")]
    assert lines[0] == "isthmus: another process of this run ended, and so does this one"
    assert lines[1:] == ([] if victim == 0 else ["isthmus: stopped; the same command with --resume continues the run"])
    assert out == ""
    assert "Traceback" not in err
    load(run)
    must_go_on(run, digits)


@pytest.mark.parametrize("pressed", [(0,), (0, 1)], ids=["first", "group"])
def test_ctrl_c_stops_both_ranks_between_steps_and_two_resume(
    pressed: tuple[int, ...], digits: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    pair = Pair(COMMAND, endless(digits, run), tmp_path / "said")
    until(lambda: under_way(run))
    pair.send(signal.SIGINT, *pressed)
    assert pair.ended() == (130, 130), pair.said(0)[1] + pair.said(1)[1]
    assert pair.said(0)[1].splitlines()[-1] == "isthmus: stopped; the same command with --resume continues the run"
    assert pair.said(1) == ("", "")
    stopped = step(run)
    more = ["--epochs", str(stopped // 5 + 1), "--resume", "--json"]
    again = Pair(COMMAND, [*endless(digits, run), *more], tmp_path / "again")
    assert again.ended() == (0, 0), again.said(0)[1] + again.said(1)[1]
    assert json.loads(again.said(0)[0])["status"] == "done"
    assert again.said(1) == ("", "")
    train("undercomplete", digits, out=tmp_path / "whole", quiet=True, **KEYS | {"epochs": stopped // 5 + 1})
    must_equal(run, tmp_path / "whole", but=stopped // 5)


def test_the_history_of_a_resumed_epoch_covers_both_ranks(digits: Path, tmp_path: Path) -> None:
    """Each rank counts its own share of an epoch; a checkpoint in the middle of one holds all of it."""
    runs = []
    for name, how in (("run", {"stop": 7}), ("run", {"resume": True}), ("whole", {})):
        runs.append((str(tmp_path / name), {"name": "undercomplete", "code": 6}, HOW | how, 2**30))
    pair = Pair(TRAIN_ALL, {"data": str(digits), "runs": runs}, tmp_path / "said")
    assert pair.ended() == (0, 0), pair.said(0)[1] + pair.said(1)[1]
    must_equal(tmp_path / "run", tmp_path / "whole")


# -- as they are started --


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
