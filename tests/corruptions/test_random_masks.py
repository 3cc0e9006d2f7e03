"""Holes: position, filling, and unchanged pixels outside."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from isthmus.corruptions import Holes, Masking, corruption
from isthmus.corruptions.hole_fill import fill_holes
from isthmus.errors import BadInput
from isthmus.types import Context, Noise, Sample

GRAY = torch.full((40, 3, 20, 30), 0.5)
PHOTOS = torch.rand(24, 3, 96, 80, generator=torch.Generator().manual_seed(0)).clamp(min=0.01)


def damaged(text: str, x: Tensor) -> Sample:
    return corruption(text)(Sample.of(x), Context(Noise(0, 0, len(x))))


def test_masking_hides_its_rate_in_all_channels_and_returns_the_mask() -> None:
    sample = damaged("masking:0.4", GRAY)
    hidden = sample.x == 0
    assert float(hidden.float().mean()) == pytest.approx(0.4, abs=0.01)
    assert sample.condition["mask"].shape == (40, 1, 20, 30)
    assert torch.equal(hidden, sample.condition["mask"].bool().expand_as(hidden))


def test_masking_hides_numbers_of_a_table_each_by_itself() -> None:
    sample = damaged("masking:0.5", torch.ones(200, 6))
    share = (sample.x == 0).float().mean(0)
    assert ((share - 0.5).abs() < 0.15).all()
    assert not (sample.x == sample.x[:, :1]).all()


def test_masking_draws_a_rate_an_item() -> None:
    hidden = Masking((0.1, 0.9))(Sample.of(GRAY), Context(Noise(0, 0, 40))).condition["mask"].mean((1, 2, 3))
    assert hidden.min() < 0.25
    assert hidden.max() > 0.75


@pytest.mark.parametrize("kind", ["pixels", "lines", "text", "boxes", "cells"])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_hole_is_filled_smoothly_and_the_rest_is_unchanged(kind: str, channels: int) -> None:
    x = PHOTOS[:, :channels]
    sample = damaged(f"holes:{kind}", x)
    seen, mask = sample.x[:, :channels], sample.x[:, channels:]
    assert torch.equal(mask, sample.condition["mask"])
    assert mask.unique().tolist() == [0, 1]
    assert torch.equal(torch.where(mask > 0, 0.0, seen), torch.where(mask > 0, 0.0, x))
    assert torch.equal(damaged(f"holes:{kind}", torch.where(mask > 0, 9.0, x)).x, sample.x)  # not from what is hidden
    shares = mask.mean((1, 2, 3))
    assert 0.01 < shares.min() < shares.max() < 0.95
    assert len({tuple(item.flatten().tolist()) for item in mask}) == 24  # each item its own


def test_the_filling_is_smooth_within_the_declared_reach() -> None:
    hole = torch.zeros(1, 1, 96, 80)
    hole[..., 40:60, 30:50] = 1
    assert torch.allclose(fill_holes(torch.full((1, 3, 96, 80), 0.3), hole), torch.tensor(0.3))
    ramp = torch.linspace(0, 1, 80).expand(1, 1, 96, 80)
    assert float((fill_holes(ramp, hole) - ramp).abs().max()) < 0.12
    assert torch.equal(fill_holes(ramp, torch.ones_like(hole)), torch.zeros_like(ramp))
    random = torch.rand(1, 1, 320, 320, generator=torch.Generator().manual_seed(0))
    lost = (torch.rand(1, 1, 320, 320, generator=torch.Generator().manual_seed(1)) < 0.97).float()
    whole, (reach, stride) = fill_holes(random, lost), (Holes.reach, Holes.stride)
    part = fill_holes(random[..., stride:, stride:], lost[..., stride:, stride:])
    assert torch.equal(part[..., reach:, reach:], whole[..., stride + reach :, stride + reach :])


def test_pixels_are_hidden_each_by_itself_at_the_share_asked_for() -> None:
    for share in (0.5, 0.8):
        mask = Holes("pixels", share)(Sample.of(PHOTOS), Context(Noise(0, 0, 24))).condition["mask"]
        assert torch.allclose(mask.mean((1, 2, 3)), torch.tensor(share), atol=0.03)
        assert float((mask[..., 1:] * mask[..., :-1]).mean()) == pytest.approx(share**2, abs=0.02)


def test_boxes_have_16_to_32_pixels_a_side() -> None:
    masks = damaged("holes:boxes", PHOTOS).condition["mask"][:, 0]
    assert torch.equal(masks, opened(masks, 16))  # a union of boxes of 16 and more
    sides = [(int(mask.any(1).sum()), int(mask.any(0).sum())) for mask in masks]
    alone = [size for size, mask in zip(sides, masks, strict=True) if mask.sum() == size[0] * size[1]]
    assert len(alone) > 3
    assert all(16 <= side <= 32 for size in alone for side in size)


def opened(masks: Tensor, side: int) -> Tensor:
    """What squares of side×side cover that lie in the mask as a whole."""
    pool = torch.nn.functional.max_pool2d
    eroded = -pool(-masks[:, None], side, 1)
    return pool(torch.nn.functional.pad(eroded, [side - 1] * 4), side, 1)[:, 0]


def test_a_large_picture_has_as_large_a_share_of_holes_as_a_small_one() -> None:
    for kind in ("lines", "text", "boxes"):
        small, large = (
            float(damaged(f"holes:{kind}", torch.zeros(count, 1, side, side)).x.mean())
            for count, side in ((60, 96), (10, 400))
        )
        assert large == pytest.approx(small, rel=0.3)


def test_an_item_gets_one_of_the_kinds() -> None:
    masks = Holes("boxes, pixels")(Sample.of(PHOTOS), Context(Noise(0, 0, 24))).condition["mask"][:, 0]
    boxes = (masks == opened(masks, 16)).flatten(1).all(1)
    assert 5 < int(boxes.sum()) < 19
    assert masks[~boxes].mean() > 0.3


def test_a_given_mask_hides_its_pixels_with_any_values() -> None:
    x = PHOTOS[:2].clone()
    mask = torch.zeros(2, 1, 96, 80)
    mask[0, :, :10], mask[1, :, :, 5:9] = 1.0, 1.0
    broken = torch.where(mask > 0, torch.nan, x)
    given = Holes().prepare_input(broken, mask=mask)
    assert torch.equal(given[:, 3:], mask)
    assert torch.equal(given[:, :3], fill_holes(x, mask))
    assert not given.isnan().any()
    assert torch.equal(
        Holes().prepare_input(x, mask=mask[:1] > 0), Holes().prepare_input(x, mask=mask[:1].expand(2, -1, -1, -1))
    )
    assert torch.equal(corruption("gaussian:0.1+holes").prepare_input(broken, mask=mask), given)


@pytest.mark.parametrize("shape", [(2, 1, 96, 81), (3, 1, 96, 80), (2, 3, 96, 80), (96, 80)])
def test_a_mask_of_another_size_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(BadInput, match="one channel of the same size is accepted"):
        Holes().prepare_input(PHOTOS[:2], mask=torch.zeros(shape))


def test_invalid_holes_are_refused() -> None:
    with pytest.raises(BadInput, match="did you mean 'boxes'"):
        corruption("holes:boxs")
    with pytest.raises(BadInput, match=r"share is 1\.5"):
        Holes("pixels", 1.5)
    with pytest.raises(BadInput, match="unknown kind of hole ''"):
        Holes(())
    with pytest.raises(BadInput, match="holes takes images"):
        damaged("holes", torch.rand(4, 9))
