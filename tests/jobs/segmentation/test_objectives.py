"""Losses of label maps: torch's cross-entropy, the formula of Dice, and pixels without a class."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from isthmus.errors import BadInput
from isthmus.jobs.segmentation.objectives import LabelLoss
from isthmus.metrics.segmentation import IGNORE
from isthmus.registry import build, config_of

N, K, SIDE = 3, 4, 7


@pytest.fixture
def y() -> torch.Tensor:
    return torch.randn(N, K, SIDE, SIDE, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def target() -> torch.Tensor:
    return torch.randint(0, K, (N, 1, SIDE, SIDE), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)


def test_cross_entropy_is_that_of_torch_summed_over_the_item(y: torch.Tensor, target: torch.Tensor) -> None:
    expected = F.cross_entropy(y, target[:, 0].long(), reduction="none").flatten(1).sum(1)
    torch.testing.assert_close(LabelLoss(K, "ce").loss(y, target), expected)


def test_class_weights_and_pixel_weights_are_factors(y: torch.Tensor, target: torch.Tensor) -> None:
    weights = (1.0, 2.0, 0.0, 5.0)
    pixels = torch.rand(N, 1, SIDE, SIDE)
    nats = F.cross_entropy(y, target[:, 0].long(), torch.tensor(weights), reduction="none")
    expected = (nats * pixels[:, 0]).flatten(1).sum(1)
    torch.testing.assert_close(LabelLoss(K, "ce", weights).loss(y, target, pixels), expected)


def test_focal_loss_is_its_formula(y: torch.Tensor, target: torch.Tensor) -> None:
    p = y.softmax(1).gather(1, target.long())[:, 0]
    expected = (-((1 - p) ** 3) * p.log()).flatten(1).sum(1)
    torch.testing.assert_close(LabelLoss(K, "focal", gamma=3.0).loss(y, target), expected)


@pytest.mark.parametrize("background", [0, 2, None])
def test_dice_is_its_formula_over_the_classes_of_the_item(
    background: int | None, y: torch.Tensor, target: torch.Tensor
) -> None:
    target[0] = target[0].clamp(max=2)  # this item lacks class 3
    p = y.softmax(1)
    expected = []
    for item in range(N):
        terms = []
        for k in range(K):
            t = (target[item, 0] == k).float()
            if k != background and t.any():
                terms.append(1 - (2 * (p[item, k] * t).sum() + 1) / (p[item, k].sum() + t.sum() + 1))
        expected.append(torch.stack(terms).mean() * SIDE**2)
    loss = LabelLoss(K, "dice", background=background).loss(y, target)
    torch.testing.assert_close(loss, torch.stack(expected))


def test_the_sum_is_the_sum(y: torch.Tensor, target: torch.Tensor) -> None:
    both = LabelLoss(K, "ce+dice").loss(y, target)
    torch.testing.assert_close(both, LabelLoss(K, "ce").loss(y, target) + LabelLoss(K, "dice").loss(y, target))


@pytest.mark.parametrize("loss", ["ce+dice", "focal+dice"])
@pytest.mark.parametrize("instances", [False, True])
def test_pixels_without_a_class_change_neither_loss_nor_gradient(
    loss: str, instances: bool, y: torch.Tensor, target: torch.Tensor
) -> None:
    compare = LabelLoss(K, loss, instances=instances)
    if instances:
        y = torch.cat([y, torch.randn(N, 2, SIDE, SIDE)], 1)
        target = torch.cat([target, torch.ones_like(target), 200 * torch.ones_like(target)], 1)
    target[:, 0, :3] = IGNORE
    y = y.requires_grad_()
    before = compare.loss(y, target)
    before.sum().backward()
    assert y.grad is not None
    assert not y.grad[:, :, :3].any()
    assert y.grad[:, :, 3:].any()
    other = y.detach().clone()
    other[:, :, :3] = 9
    torch.testing.assert_close(compare.loss(other, target), before.detach())


def test_an_item_without_any_class_has_no_loss(y: torch.Tensor) -> None:
    nothing = torch.full((N, 1, SIDE, SIDE), IGNORE, dtype=torch.uint8)
    assert LabelLoss(K).loss(y, nothing).tolist() == [0, 0, 0]


def test_an_item_of_background_alone_has_a_gradient(y: torch.Tensor) -> None:
    y = y.requires_grad_()
    loss = LabelLoss(K).loss(y, torch.zeros(N, 1, SIDE, SIDE, dtype=torch.uint8))
    loss.sum().backward()
    assert y.grad is not None
    assert y.grad[:, 0].max() < 0


def test_borders_and_distances_of_objects_are_learned_beside_the_classes() -> None:
    compare = LabelLoss(2, "ce", instances=True)
    target = torch.zeros(1, 3, 4, 4, dtype=torch.uint8)
    target[0, 0, 1:3, 1:3], target[0, 1, 1, 1], target[0, 2, 1:3, 1:3] = 1, 1, 255
    right = torch.full((1, 4, 4, 4), -20.0)
    right[0, 0], right[0, 0, 1:3, 1:3], right[0, 1, 1:3, 1:3] = 20, -20, 20
    right[0, 2, 1, 1], right[0, 3, 1:3, 1:3] = 20, 20
    assert compare.loss(right, target) < 1e-3
    for channel in range(4):
        wrong = right.clone()
        wrong[0, channel, 1, 1] *= -1
        assert compare.loss(wrong, target) > 0.5
    assert compare.mean(right)[0, 2:].max() == 1


def test_the_mean_is_probabilities(y: torch.Tensor) -> None:
    torch.testing.assert_close(LabelLoss(K).mean(y), y.softmax(1))
    torch.testing.assert_close(LabelLoss(K).picture(y).sum(1), torch.ones(N, SIDE, SIDE))


def test_its_config_builds_it_again() -> None:
    compare = LabelLoss(3, "focal", (1.0, 2.0, 3.0), 1.5, True, None)
    assert config_of(build(config_of(compare))) == config_of(compare)


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ({"loss": "hinge"}, "unknown loss 'hinge'"),
        ({"classes": 1}, "1 classes: 2 to 254 are accepted"),
        ({"class_weights": (1.0,)}, "1 class weights for 2 classes"),
    ],
)
def test_unusable_options_are_refused(keys: dict[str, object], text: str) -> None:
    with pytest.raises(BadInput, match=text):
        LabelLoss(**keys)  # type: ignore[arg-type]
