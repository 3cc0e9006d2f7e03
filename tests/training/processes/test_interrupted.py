"""Where one process ends, so does the other, and the run resumes."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
from helpers.ranks import Pair, checkpoints, must_equal, rows, until

from isthmus import load
from isthmus.verbs.train import train

COMMAND = """
from isthmus.cli import main
from isthmus.training import loop
loop.CHECKPOINT_EVERY = 0.1
main(argument)
"""


def under_way(run: Path, count: int = 3) -> bool:
    """Whether the run has trained for some steps, and for some epochs."""
    history = run / "history.csv"
    return (run / "config.json").exists() and history.exists() and len(rows(run)) >= count and len(checkpoints(run)) > 1


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
