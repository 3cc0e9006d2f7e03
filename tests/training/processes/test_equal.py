"""Two processes equal one: the same curve and weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from helpers.ranks import Pair, must_equal, rows

from isthmus import create, fit, store

KINDS: dict[str, dict[str, Any]] = {
    "undercomplete": {"code": 5},
    "quantized": {"codes": 16, "dim": 3, "channels": (4, 8)},
    "kl": {"name": "sparse", "code": 12, "kind": "kl"},
    "variational": {"code": 4, "widths": (20,)},
    "contractive": {"code": 6, "widths": (10,)},
    "closed": {"name": "contractive", "code": 6},
    "deep": {"code": 5, "widths": (20,)},
    "denoising": {"code": 6, "widths": (20,)},
    "sharper": {"name": "generate", "kind": "kl", "channels": (4, 8), "perceptual": 0.1, "adversarial": 0.2},
}
# 41 of 54 items are learned from: the last batch holds one, and so does that of the 11 of the validation part.
HOW = {"epochs": 3, "batch_size": 10, "device": "cpu", "quiet": True, "patience": None, "validation": 0.2, "test": 0.03}
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


def test_the_history_of_a_resumed_epoch_covers_both_ranks(digits: Path, tmp_path: Path) -> None:
    """Each rank counts its own share of an epoch; a checkpoint in the middle of one holds all of it."""
    runs = []
    for name, how in (("run", {"stop": 7}), ("run", {"resume": True}), ("whole", {})):
        runs.append((str(tmp_path / name), {"name": "undercomplete", "code": 6}, HOW | how, 2**30))
    pair = Pair(TRAIN_ALL, {"data": str(digits), "runs": runs}, tmp_path / "said")
    assert pair.ended() == (0, 0), pair.said(0)[1] + pair.said(1)[1]
    must_equal(tmp_path / "run", tmp_path / "whole")
