"""FeatureGrid: layers of a network on one grid, standardized."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from isthmus.errors import BadInput
from isthmus.features import FeatureGrid, find_features


class Layers(nn.Module):
    """The image averaged over squares of 2, 4 and 8 pixels."""

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return tuple(nn.functional.avg_pool2d(x, side) for side in (2, 4, 8))


def test_finer_layers_are_averaged_and_the_grid_is_that_of_the_coarsest() -> None:
    x = torch.rand(2, 3, 32, 48, generator=torch.Generator().manual_seed(0))
    grid = FeatureGrid.of(find_features(Layers()), (3, 32, 48))
    assert grid.out_shape == (9, 4, 6)
    coarse = nn.functional.avg_pool2d(x, 8)
    torch.testing.assert_close(grid.raw(x), torch.cat([coarse] * 3, 1))
    finer = FeatureGrid.of(find_features(Layers()), (3, 32, 48), side=8)
    assert finer.raw(x).shape == (2, 9, 8, 8)


def test_fitted_features_have_mean_0_and_standard_deviation_1() -> None:
    x = torch.rand(64, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * torch.tensor([1.0, 0.2, 0.0]).view(
        3, 1, 1
    )
    grid = FeatureGrid.of(find_features(Layers()), (3, 32, 32))
    grid.fit(grid.raw(part) for part in x.split(10))
    found = grid(x)
    torch.testing.assert_close(found.mean((0, 2, 3)), torch.zeros(9), atol=1e-4, rtol=0)
    spread = found.std((0, 2, 3), correction=0)
    torch.testing.assert_close(spread[:2], torch.ones(2), atol=1e-3, rtol=0)
    assert found[:, 2].abs().max() == 0  # a constant feature stays 0, not NaN


def test_gray_and_color_images_fit_any_network() -> None:
    gray = torch.rand(2, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    grid = FeatureGrid.of(find_features(Layers()), (1, 32, 32))
    assert torch.equal(grid(gray), grid(gray.expand(-1, 3, -1, -1)))
    one = Layers()
    one.channels = 1  # type: ignore[assignment]
    luma = FeatureGrid.of(find_features(one), (3, 32, 32))
    red = torch.zeros(1, 3, 32, 32)
    red[:, 0] = 1
    torch.testing.assert_close(luma(red), torch.full((1, 3, 4, 4), 0.299))


def test_a_frozen_network_stays_in_evaluation_mode_and_gets_no_gradient() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.BatchNorm2d(4))
    grid = FeatureGrid.of(find_features(network), (3, 32, 32)).train()
    assert not network[1].training
    assert not any(weight.requires_grad for weight in grid.parameters())


def test_a_layer_of_one_position_is_refused() -> None:
    with pytest.raises(BadInput, match="layers of 2×2 and more positions"):
        FeatureGrid.of(find_features(Layers()), (3, 8, 8))
