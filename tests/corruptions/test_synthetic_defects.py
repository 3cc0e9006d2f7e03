"""Blemishes are where the mask says, not everywhere, of many kinds, and can be seen."""

from __future__ import annotations

import pytest
import torch

from isthmus.corruptions import SyntheticDefect
from isthmus.errors import BadInput
from isthmus.types import Context, Noise, Sample

X = 0.3 + 0.4 * torch.rand(200, 3, 48, 64, generator=torch.Generator().manual_seed(0))


def blemished(**keys: object) -> Sample:
    return SyntheticDefect(**keys)(Sample.of(X), Context(Noise(0, 0, len(X))))  # type: ignore[arg-type]


def test_outside_of_the_mask_a_picture_is_as_it_was_and_inside_it_can_be_seen() -> None:
    sample = blemished(tell=True)
    mask = sample.condition["mask"]
    assert torch.equal(sample.target[:, :3], X)
    assert torch.equal(sample.target[:, 3:], mask)
    change = (sample.x - X).abs().amax(1, keepdim=True)
    assert float(change[mask == 0].max()) < 0.5  # what cannot be seen in its surroundings is not marked
    assert float(change[mask == 0].mean()) < 2e-3
    assert float(change[mask > 0].mean()) > 0.05
    assert float(sample.x.min()) >= 0
    assert float(sample.x.max()) <= 1


def test_some_are_clean_and_none_is_covered_by_more_than_half() -> None:
    share = blemished().condition["mask"].gt(0).float().mean((1, 2, 3))
    assert 0.1 < float((share == 0).float().mean()) < 0.4
    assert float((share < 0.02).float().mean()) > 0.3  # small ones are as usual as large ones
    assert float(share.max()) < 0.75
    assert float((share > 0.1).float().mean()) > 0.1


def test_opacity_is_drawn_from_its_range_and_checked() -> None:
    mask = blemished(opacity=0.25).condition["mask"]
    assert float(mask.max()) == pytest.approx(0.25)
    with pytest.raises(BadInput, match="opacity"):
        SyntheticDefect((0.5, 2.0))
    with pytest.raises(BadInput, match="blemish takes images"):
        SyntheticDefect()(Sample.of(torch.zeros(2, 9)), Context(Noise(0, 0, 2)))
