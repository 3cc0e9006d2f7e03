"""The image size of a detector follows from its budget, and the score of `repairing` from its self-check."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import isthmus
from isthmus.errors import Note
from isthmus.jobs.anomaly import affordable_size
from isthmus.jobs.anomaly.detector import Detector, detector_of
from isthmus.jobs.anomaly.self_check import best_score
from isthmus.jobs.anomaly.settings import Settings
from isthmus.recipes import find
from isthmus.training import settle


def side(monkeypatch: pytest.MonkeyPatch, seconds: float, shape: tuple[int, ...] = (1, 256, 256)) -> int | None:
    """For so many seconds on a machine that takes a millionth of one for a pixel."""
    monkeypatch.setattr(affordable_size, "seconds_a_pixel", lambda model, count: 1e-6)
    recipe, keys = find("detect"), {"kind": "repairing"}
    return affordable_size.side_within(recipe, seconds, shape, None, keys, settle(recipe.training, {"device": "cpu"}))


def test_pictures_are_as_large_as_the_budget_affords(monkeypatch: pytest.MonkeyPatch) -> None:
    sides = [side(monkeypatch, seconds) for seconds in (10, 900, 2000, 10_000)]
    known = [number or 256 for number in sides]
    assert known == sorted(known)
    assert known[0] == min(affordable_size.SIDES)
    assert known[-1] == 256
    assert len(set(known)) > 2
    assert side(monkeypatch, 10, (1, 28, 28)) is None, "small pictures stay"
    assert side(monkeypatch, 10, (8,)) is None, "and rows have no sides"
    assert side(monkeypatch, 10, (1, 80, 60)) is None, "nothing is enlarged"


def test_a_budget_downsizes_large_images_with_a_note(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    (tmp_path / "good").mkdir()
    for number in range(8):
        Image.fromarray(random.integers(0, 255, (256, 256), np.uint8)).save(tmp_path / f"good/{number}.png")
    how: dict[str, Any] = {"kind": "repairing", "budget": "2s", "quiet": True, "device": "cpu"}
    with pytest.warns(Note, match=r"images are resized to (\d+)×\1, so that this budget"):
        run = isthmus.train("detect", tmp_path / "good", out=tmp_path / "run", **how)
    assert run.model.shape == (1, min(affordable_size.SIDES), min(affordable_size.SIDES))
    again = isthmus.train("detect", tmp_path / "good", out=tmp_path / "run", resume=True, **how)
    assert again.model.shape == run.model.shape
    known = json.loads((tmp_path / "run/metrics.json").read_text())["detector"]
    assert known["score"] == detector_of(run.model).settings.score


@pytest.mark.parametrize(
    ("sees", "best"), [("features", "features"), ("nothing", "marks+ssim"), ("ssim", "marks+ssim")]
)
def test_the_best_score_is_chosen_and_the_first_without_a_better_one(sees: str, best: str) -> None:
    """The parts of `sees` say how far a picture is from even; the others are the same for all."""
    model = isthmus.create("detect", shape=(1, 64, 64), kind="repairing", channels=(8, 8, 8, 8))

    class Known(Detector):
        def parts(self, model: Any, x: torch.Tensor) -> torch.Tensor:
            far = x.flatten(1).std(1)
            return torch.stack([far if name == sees else torch.zeros(len(x)) for name in self.settings.parts])

    nothing = torch.zeros(0)
    detector = Known(Settings(score="marks+ssim+features"), {}, nothing, nothing, nothing)
    x = torch.rand(12, 1, 64, 64, generator=torch.Generator().manual_seed(0)) * 0.02 + 0.4
    assert best_score(model, detector, x, ("marks+ssim", "marks", "features")) == best
