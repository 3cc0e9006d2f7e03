"""The super-resolution networks: sizes, the output without training, and the receptive field."""

from __future__ import annotations

import pytest
import torch

from isthmus import create
from isthmus.bicubic import enlarge
from isthmus.types import Context, Sample


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("size", [(1, 1), (7, 12)], ids=str)
def test_the_result_is_that_many_times_as_large(scale: int, size: tuple[int, int]) -> None:
    model = create("upscale", shape=(3, 32, 32), scale=scale, width=8, blocks=1)
    assert model.restore(torch.rand(2, 3, *size)).shape == (2, 3, scale * size[0], scale * size[1])
    assert model.scale == scale


def test_with_no_weights_it_is_a_cubic() -> None:
    model = create("upscale", shape=(1, 32, 32), scale=3, width=8, blocks=1)
    torch.nn.init.zeros_(model.decoder.tail.weight)
    x = torch.rand(1, 1, 9, 8)
    torch.testing.assert_close(model.restore(x), enlarge(x, 3).clamp(0, 1))


def test_reach_is_the_radius_of_the_receptive_field() -> None:
    model = create("upscale", shape=(1, 32, 32), width=8, blocks=2).double()
    x = torch.rand(1, 1, 41, 41, dtype=torch.float64, requires_grad=True)
    y = model.predict(Sample.of(x), Context())[0]
    (gradient,) = torch.autograd.grad(y[0, 0, 40:42, 40:42].sum(), x)
    rows = gradient[0, 0].abs().sum(1).nonzero().flatten()
    assert max(20 - int(rows[0]), int(rows[-1]) - 20) in (model.reach - 1, model.reach)
