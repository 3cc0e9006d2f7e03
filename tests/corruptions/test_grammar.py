"""The text form of corruptions: chains, choices, ranges and errors."""

from __future__ import annotations

import pytest
import torch

from isthmus.corruptions import Compose, GaussianNoise, Masking, OneOf, SaltAndPepper, augmentation, corruption
from isthmus.errors import BadInput
from isthmus.types import Context, Noise, Sample

GRAY = torch.full((300, 1, 12, 12), 0.5)


def damaged(text: str) -> Sample:
    return corruption(text)(Sample.of(GRAY), Context(Noise(0, 0, len(GRAY))))


def test_the_kinds_of_damage_have_classes_of_their_own() -> None:
    kinds = {"gaussian:0.1": GaussianNoise, "masking:0.1": Masking, "salt-and-pepper:0.1": SaltAndPepper}
    assert {text: type(corruption(text)) for text in kinds} == kinds


def test_several_corruptions_come_one_after_the_other() -> None:
    sample = damaged("masking:0.5+gaussian:0.1")
    hidden = sample.condition["mask"].bool().expand_as(sample.x)
    assert isinstance(corruption("masking:0.5+gaussian:0.1"), Compose)
    assert float(sample.x[hidden].mean()) == pytest.approx(0.0, abs=0.01)
    assert float(sample.x[hidden].std()) == pytest.approx(0.1, rel=0.05)
    assert set(sample.condition) == {"mask", "sigma"}


def test_one_of_several_is_drawn_for_each_item_and_the_others_say_0() -> None:
    module = corruption("gaussian:0.1-0.3,jpeg:50,masking:0.5")
    assert isinstance(module, OneOf)
    sample = damaged("gaussian:0.1-0.3,jpeg:50,masking:0.5")
    said = torch.stack([sample.condition[name].view(300, -1).amax(1) > 0 for name in ("sigma", "quality", "mask")])
    assert (said.sum(0) == 1).all()
    assert (said.float().mean(1) - 1 / 3).abs().max() < 0.1
    noise = (sample.x - 0.5).flatten(1)
    assert torch.allclose(noise[said[0]].std(1), sample.condition["sigma"][said[0]], rtol=0.3)
    assert noise[said[1]].abs().max() < 0.01
    assert torch.equal(sample.x[said[2]] == 0, sample.condition["mask"][said[2]] == 1)


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [("0.3", 0.3, 0.3), ("0-0.2", 0, 0.2), ("1e-3", 1e-3, 1e-3), ("1e-3-1e-1", 1e-3, 0.1), (".1-.2", 0.1, 0.2)],
)
def test_a_strength_is_a_number_or_a_range(text: str, low: float, high: float) -> None:
    module = corruption(f"gaussian:{text}")
    assert isinstance(module, GaussianNoise)
    assert (module.low, module.high) == (low, high)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("gausian:0.3", "did you mean 'gaussian'"),
        ("gaussian:lots", "must be a number"),
        ("gaussian:0.1-", "must be a number"),
        ("gaussian:0.2-0.1", "a number from 0 up"),
        ("gaussian:-1", "a number from 0 up"),
        ("masking:1.5", "between 0 and 1"),
        ("gaussian+", "unknown corruption ''"),
        ("gaussian,", "unknown corruption ''"),
        ("shrink:5", "2, 3 or 4"),
        ("holes+gaussian", "appends a mask must be last"),
        ("holes,gaussian", "must all or none append a mask"),
        ("shrink:2,shrink:3", "downsample by the same factor"),
    ],
)
def test_an_invalid_corruption_is_refused(text: str, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        corruption(text)


def test_none_is_no_corruption_and_no_augmentation() -> None:
    assert corruption("none") is None
    assert augmentation("none") is None


def test_composed_corruptions_add_up() -> None:
    module = corruption("shrink:3+holes:pixels")
    assert (module.extra, module.scale) == (1, 3)


@pytest.mark.parametrize("name", ["clipped", "neighbors"])
def test_a_strength_for_a_corruption_that_takes_none_is_refused(name: str) -> None:
    with pytest.raises(BadInput, match=f"{name}:0.3: {name} takes no strength"):
        corruption(f"{name}:0.3")
