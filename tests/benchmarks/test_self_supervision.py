"""The objectives that the shipped features were trained on, and their training."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

sys.path[:0] = [str(Path(__file__).parents[2] / "benchmarks")]

import self_supervision as objectives  # noqa: E402
import train_features  # noqa: E402
from isthmus.features import ConvolutionalFeatures  # noqa: E402
from self_supervision import OBJECTIVES, VIEW, Heads, Objective  # noqa: E402


def smooth(n: int, side: int = 112) -> torch.Tensor:
    random = torch.Generator().manual_seed(1)
    return F.interpolate(torch.rand(n, 3, 7, 7, generator=random), (side, side), mode="bicubic").clamp(0, 1)


@pytest.mark.parametrize(("turn", "zoom"), [(0.0, 0.0), (0.35, 0.25)])
def test_the_second_view_lies_where_its_places_say(turn: float, zoom: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objectives, "changed_light", lambda x, *_: x)
    objective = Objective({"dense": 1}, turn=turn, zoom=zoom)
    first, second, places = objectives.two_views(smooth(6), objective, torch.Generator().manual_seed(0))
    grid = F.affine_grid(places, [6, 3, VIEW, VIEW], align_corners=False)
    same = F.grid_sample(first, grid, align_corners=False)
    inside = (grid.abs() < 0.95).all(3)[:, None].expand_as(same)
    assert inside.float().mean() > 0.5
    assert (same - second)[inside].abs().max() < 0.02
    assert (first - second)[inside].abs().max() > 0.1


@pytest.mark.parametrize("name", OBJECTIVES)
def test_an_objective_reaches_every_layer(name: str) -> None:
    torch.manual_seed(0)
    network = ConvolutionalFeatures((4, 6, 8), stem=4, norm=True)
    found = objectives.losses(OBJECTIVES[name], network, Heads((4, 6, 8)), smooth(4), torch.Generator().manual_seed(0))
    assert found.keys() == OBJECTIVES[name].weights.keys()
    torch.stack([*found.values()]).sum().backward()
    gradients = [parameter.grad for parameter in network.parameters()]
    assert all(gradient is not None and gradient.isfinite().all() and gradient.any() for gradient in gradients)


def test_equal_views_cost_less_than_others() -> None:
    a, b = torch.randn(2, 16, 8, generator=torch.Generator().manual_seed(0))
    assert objectives.contrast(a, a, 0.1) < 0.5 < objectives.contrast(a, b, 0.1)


def test_a_stopped_training_continues_to_the_same_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train_features, "BATCH", 2)
    monkeypatch.setattr(train_features, "SAVED", 1)
    monkeypatch.setattr(train_features, "files", list)
    monkeypatch.setattr(train_features, "pyramid", lambda _: list((smooth(3, 130) * 255).to(torch.uint8)))
    full, _ = train_features.train("dense", 3, tmp_path / "full")
    draws, draw = [], train_features.Crops.draw

    def stopping(self: train_features.Crops, random: torch.Generator) -> torch.Tensor:
        draws.append(1)
        if len(draws) == 3:
            raise KeyboardInterrupt
        return draw(self, random)

    with monkeypatch.context() as patch:
        patch.setattr(train_features.Crops, "draw", stopping)
        with pytest.raises(KeyboardInterrupt):
            train_features.train("dense", 3, tmp_path / "stopped")
    again, state = train_features.train("dense", 3, tmp_path / "stopped")
    assert state["step"] == 3
    for before, after in zip(full.state_dict().values(), again.state_dict().values(), strict=True):
        assert torch.equal(before, after)
