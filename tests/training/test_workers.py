"""Batches that worker processes make are the batches of the training itself."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from isthmus import create, fit
from isthmus.training import Run
from isthmus.types import Losses

PICTURES = np.random.default_rng(0).integers(0, 256, (11, 3, 24, 24), np.uint8)
OPTIONS = {"epochs": 2, "batch_size": 4, "device": "cpu", "quiet": True, "validation": 0.1, "test": 0.0}


def trained(recipe: str = "denoise", out: Path | None = None, **options: Any) -> Run:
    keys = {"channels": (4, 8), "crop": 16} if recipe == "denoise" else {}
    model = create(recipe, shape=(3, 24, 24), corruption="gaussian:0.1,jpeg:10-90", **keys)
    return fit(model, PICTURES, out=out, **OPTIONS | options)


def same(a: Run, b: Run) -> bool:
    pairs = zip(a.model.state_dict().values(), b.model.state_dict().values(), strict=True)
    return all(torch.equal(x, y) for x, y in pairs) and a.history[-1]["loss"] == b.history[-1]["loss"]


@pytest.mark.parametrize("recipe", ["denoise", "denoising"])
def test_workers_do_not_change_the_result(recipe: str) -> None:
    assert same(trained(recipe), trained(recipe, workers=2))


def test_micro_batches_of_a_worker_batch_add_up_to_the_same() -> None:
    a, b = trained(workers=1), trained(workers=1, micro_batch=3)
    for x, y in zip(a.model.state_dict().values(), b.model.state_dict().values(), strict=True):
        torch.testing.assert_close(x, y)


def test_a_run_stopped_by_ctrl_c_resumes_to_the_same_weights(tmp_path: Path) -> None:
    model = create("denoise", shape=(3, 24, 24), corruption="gaussian:0.1,jpeg:10-90", channels=(4, 8), crop=16)
    told = {"step": lambda training: training.step == 4 and os.kill(os.getpid(), signal.SIGINT)}
    with pytest.raises(KeyboardInterrupt):
        fit(model, PICTURES, out=tmp_path / "run", callbacks=told, **OPTIONS | {"workers": 2})
    again = create("denoise", shape=(3, 24, 24), corruption="gaussian:0.1,jpeg:10-90", channels=(4, 8), crop=16)
    assert same(trained(), fit(again, PICTURES, out=tmp_path / "run", resume=True, **OPTIONS | {"workers": 1}))


def test_workers_only_read_for_a_module_without_corruption() -> None:
    class Own(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(()))

        def forward(self, sample: Any, ctx: Any) -> Losses:
            assert not sample.corrupted
            error = (sample.target - self.weight).square().flatten(1).sum(1)
            return Losses({"reconstruction": error, "penalty": error * 0})

    assert fit(Own(), PICTURES, **OPTIONS | {"workers": 1}).finished == "done"
