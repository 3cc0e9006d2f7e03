"""The U-Net: sizes, the receptive field, and the effect of having no bias."""

from __future__ import annotations

import pytest
import torch

from isthmus.autoencoder import Autoencoder
from isthmus.bottlenecks import Identity
from isthmus.errors import BadInput
from isthmus.networks import UNetDecoder, UNetEncoder
from isthmus.objectives import objective


def net(channels: int = 1, blocks: tuple[int, ...] = (1, 1, 1), fold: int = 2) -> Autoencoder:
    torch.manual_seed(0)
    widths = (8, 12, 16)[: len(blocks)]
    encoder = UNetEncoder((channels, 32, 32), widths, blocks, fold)
    decoder = UNetDecoder(channels, widths[::-1], blocks[-2::-1], fold)
    return Autoencoder((channels, 32, 32), encoder, Identity(encoder.out_shape), decoder, objective("l1", "identity"))


@pytest.mark.parametrize("size", [(1, 1), (3, 50), (31, 33), (64, 64)], ids=str)
@pytest.mark.parametrize("channels", [1, 3])
def test_any_size_is_kept(size: tuple[int, int], channels: int) -> None:
    x = torch.rand(2, channels, *size)
    assert net(channels).restore(x).shape == x.shape


def test_without_a_bias_it_scales_with_its_input() -> None:
    model, x = net(), torch.rand(1, 1, 32, 32)
    y = model.predict(*sample_of(x))[0]
    torch.testing.assert_close(model.predict(*sample_of(3 * x))[0], 3 * y)


def sample_of(x: torch.Tensor) -> tuple:  # type: ignore[type-arg]
    from isthmus.types import Context, Sample

    return Sample.of(x), Context()


@pytest.mark.parametrize("blocks", [(1, 1, 1), (2, 1), (1, 2, 1)], ids=str)
@pytest.mark.parametrize("fold", [1, 2])
def test_reach_covers_the_receptive_field_and_little_more(blocks: tuple[int, ...], fold: int) -> None:
    """A pixel of the input, seen from the output: nothing beyond `reach` moves with it."""
    model = net(blocks=blocks, fold=fold).double()
    side = 4 * model.reach // model.stride * model.stride
    x = torch.rand(1, 1, side, side, dtype=torch.float64, requires_grad=True)
    middle = side // 2
    seen = set()
    for shift in range(model.stride):  # a pixel may stand anywhere in its place of the coarsest grid
        y = model.predict(*sample_of(x))[0]
        (gradient,) = torch.autograd.grad(y[0, 0, middle + shift, middle + shift], x)
        rows = gradient[0, 0].abs().sum(1).nonzero().flatten()
        seen |= {middle + shift - int(rows[0]), int(rows[-1]) - middle - shift}
    assert max(seen) <= model.reach <= max(seen) + 2 * model.stride


def test_a_norm_over_positions_sees_all_of_them() -> None:
    assert UNetEncoder((1, 32, 32), norm=True).reach is None
    assert UNetDecoder(1, norm=True).reach is None


def test_channels_and_blocks_are_of_the_same_number() -> None:
    with pytest.raises(BadInput, match="one number of each a stage"):
        UNetEncoder((1, 8, 8), (8, 16), (1, 1, 1))


def test_a_network_with_norm_ignores_brightness_and_the_rest_of_the_batch() -> None:
    torch.manual_seed(0)
    encoder = UNetEncoder((1, 32, 32), (8, 16), (1, 1), fold=2, bias=True, norm=True)
    decoder = UNetDecoder(2, (16, 8), (1,), fold=2, bias=True, predicts_mask=True, norm=True)
    x = torch.rand(3, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        whole = decoder(*encoder(x))
        darker = decoder(*encoder(0.3 + 0.5 * x))
        alone = decoder(*encoder(x[1:2]))
    assert torch.allclose(whole[:, 1], darker[:, 1], atol=0.02)  # but for what the norm adds to the variance
    assert not torch.allclose(whole[:, 0], darker[:, 0], atol=0.02)  # the picture itself is as bright as it came
    assert torch.allclose(whole[1:2], alone, atol=1e-5)
