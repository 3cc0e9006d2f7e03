"""A single large image shows progress and remaining time; a small one and a video frame do not."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tifffile
from torch import Tensor, nn

import isthmus
from isthmus.training import progress


class StandIn(nn.Module):
    shape, scale, reach, stride = (3, 16, 16), 1, 9, 1

    def restore(self, x: Tensor, **side: Tensor) -> Tensor:
        time.sleep(0.002)
        return x


@pytest.fixture(autouse=True)
def _a_line_for_every_step(monkeypatch: pytest.MonkeyPatch, one_thread: None) -> None:
    monkeypatch.setattr(progress, "LINE_EVERY", 0.0)


LARGE = np.zeros((700, 1100, 3), np.uint8)


def test_one_large_picture(capsys: pytest.CaptureFixture[str]) -> None:
    hole = np.zeros((700, 1100), np.uint8)
    hole[::2, ::2] = 1  # in every tile, and no mask that marks what is to be kept
    for work in (isthmus.denoise, isthmus.unwatermark, lambda x, **how: isthmus.inpaint(x, hole, **how)):
        work(LARGE, model=StandIn())
        assert [line.split("  ")[0] for line in capsys.readouterr().err.splitlines()] == [
            f"tile {number}/6" for number in range(1, 7)
        ]


def test_small_images_and_short_runs_show_no_progress(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    isthmus.denoise(LARGE[:200, :200], model=StandIn())
    monkeypatch.setattr(progress, "LINE_EVERY", float("inf"))
    isthmus.denoise(LARGE, model=StandIn())
    assert capsys.readouterr().err == ""


def test_the_remaining_time_is_shown(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "ESTIMATE_AFTER", 0.001)
    isthmus.denoise(LARGE, model=StandIn())
    assert "in total, until" in capsys.readouterr().err


def test_a_film_has_one_bar_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for _ in range(2):
            file.write(LARGE, photometric="rgb", metadata=None, contiguous=False)
    isthmus.denoise(tmp_path / "a.tif", model=StandIn(), out=tmp_path / "b.tif")
    assert {line.split()[0] for line in capsys.readouterr().err.splitlines()} == {"frame"}
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)  # rich allows no two bars at once
    isthmus.denoise(tmp_path / "a.tif", model=StandIn(), out=tmp_path / "c.tif")
    assert progress.Progress.shown_now is None
