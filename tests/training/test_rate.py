"""The rate of each step: constant, cosine, warmup and plateau."""

from __future__ import annotations

import math
from typing import Any

import pytest

from isthmus import fit

ALL = {"validation": 0.0, "test": 0.0}  # then 40 items in batches of 8 are 5 steps an epoch


def test_a_constant_rate_is_the_same_at_every_step(line: Any, table: Any, options: Any, seen: Any) -> None:
    fit(line(), table, **options, **ALL, epochs=2)
    assert [step["lr"] for step in seen] == [0.01] * 10


def test_cosine_rate_falls_to_almost_zero(line: Any, table: Any, options: Any, seen: Any) -> None:
    fit(line(), table, **options, **ALL, epochs=4, schedule="cosine")
    assert [step["lr"] for step in seen] == pytest.approx(
        [0.005 * (1 + math.cos(math.pi * step / 20)) for step in range(20)]
    )


def test_rate_rises_from_zero_during_warmup(line: Any, table: Any, options: Any, seen: Any) -> None:
    fit(line(), table, **options, **ALL, epochs=4, warmup=0.25)
    assert [step["lr"] for step in seen] == pytest.approx([0.002, 0.004, 0.006, 0.008] + [0.01] * 16)


def test_warmup_and_cosine_go_together(line: Any, table: Any, options: Any, seen: Any) -> None:
    fit(line(), table, **options, **ALL, epochs=4, warmup=0.25, schedule="cosine")
    exact = [min(1, (s + 1) / 5) * 0.005 * (1 + math.cos(math.pi * s / 20)) for s in range(20)]
    assert [step["lr"] for step in seen] == pytest.approx(exact)


def test_plateau_halves_the_rate_after_three_epochs_without_improvement(line: Any, table: Any, options: Any) -> None:
    flat = line(lambda loss, step: 0 * loss + 1)
    run = fit(flat, table, **options, **ALL, epochs=10, schedule="plateau")
    assert [row["lr"] for row in run.history] == [0.01] * 4 + [0.005] * 3 + [0.0025] * 3


def test_plateau_keeps_the_rate_while_the_loss_falls(line: Any, table: Any, options: Any) -> None:
    run = fit(line(), table, **options, **ALL, epochs=6, schedule="plateau")
    assert [row["lr"] for row in run.history] == [0.01] * 6
