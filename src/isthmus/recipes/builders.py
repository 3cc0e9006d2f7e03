"""Builders shared by the recipes: a bottleneck between two dense or convolutional networks, and a U-Net."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from isthmus.autoencoder import Autoencoder
from isthmus.bottlenecks import Bottleneck, Identity
from isthmus.corruptions import Corruption, Crop, augmentation
from isthmus.errors import BadInput, at_least, unknown
from isthmus.networks import (
    ConvDecoder,
    ConvEncoder,
    DenseDecoder,
    DenseEncoder,
    LinearPathDecoder,
    LinearPathEncoder,
    UNetDecoder,
    UNetEncoder,
)
from isthmus.objectives import Objective, objective
from isthmus.recipes.corruption_check import corruption_for
from isthmus.recipes.integers import numbers
from isthmus.types import Shape

SMALL = 1024  # values of an image up to which a dense net is the default
LINEAR = ("auto", "yes", "no")
LARGEST = 2**16  # values of an item up to which PCA, a matrix of that many columns, is still cheap
WITHOUT_LINK = ("mse", "gaussian", "l1")  # losses whose mean need not lie between 0 and 1
Make = Callable[[Shape, Shape], Bottleneck]  # (shape of the features, shape of the code) -> a bottleneck


def dense(
    shape: Shape,
    code: Shape,
    make_bottleneck: Make,
    *,
    widths: Sequence[int] = (),
    activation: str = "relu",
    norm: bool = False,
    loss: str | None = None,
    corruption: str = "none",
    augment: str = "none",
    linear: str = "auto",
    signed: bool = False,
    center: bool = False,
) -> Autoencoder:
    """Fully connected: `widths` down to the code and mirrored back up, with an optional linear path in parallel.

    signed: each component of the linear path takes two units of the code, one for each sign. center: without a linear
    path, which does so as well, the network subtracts the mean item and its output starts at it.
    """
    none = activation == "none"  # a linear model: no norm, no final sigmoid, squared error
    widths, norm = numbers(widths), norm and not none
    loss = loss or ("mse" if none else loss_for(shape))
    path = linear_path(linear, shape, code, loss)
    compare = objective(loss, "identity" if none or path else "sigmoid")
    augmenter = augmentation("none" if none and augment == "auto" else augment_for(augment, shape))
    corrupt = corruption_for(corruption, shape)
    out = (compare.channels * shape[0], *shape[1:])
    encoder: Any = None
    if widths or not path:
        encoder = DenseEncoder(shape, widths, activation, norm, center and not path)
    if path:
        encoder = LinearPathEncoder(shape, components_of(shape, code, signed), encoder)
    bottleneck = make_bottleneck(encoder.out_shape, code)
    decoder: Any = (
        DenseDecoder(bottleneck.code_shape, out, widths[::-1], activation, norm) if widths or not path else None
    )
    if path:
        decoder = LinearPathDecoder(bottleneck.code_shape, out, encoder.components, decoder)
    model = Autoencoder(shape, encoder, bottleneck, decoder, compare, corrupt, augmenter)
    if path and not none:
        model.about["training"] = {"validation": 0.1}  # needed to detect overfitting of the net
    return model


def conv(
    shape: Shape,
    code: Shape,
    make_bottleneck: Make,
    *,
    channels: Sequence[int] | None = None,
    blocks: int = 1,
    activation: str = "silu",
    norm: bool = True,
    down: str = "stride",
    up: str = "upsample",
    loss: str | None = None,
    corruption: str = "none",
    augment: str = "none",
    linear: str = "auto",
    signed: bool = False,
) -> Autoencoder:
    """Convolutional: one stage for each of `channels`, each halving the grid; mirrored in the decoder."""
    channels = numbers(channels) if channels is not None else stages(shape, code)
    at_least("blocks", blocks, 0)
    at_least("the number of channels", len(channels), 1)
    loss = loss or "mse"
    path = linear_path(linear, shape, code, loss)
    compare = objective(loss, "identity" if path else "sigmoid")
    encoder: Any = ConvEncoder(shape, channels, blocks, activation, norm, down)
    grid = encoder.out_shape[1:]
    if len(code) == 3 and code[1:] != grid:
        raise BadInput(
            f"code {'x'.join(map(str, code))}: {len(channels)} stages reduce {shape[1]}x{shape[2]} to a grid of "
            f"{grid[0]}x{grid[1]}: ask for {code[0]}x{grid[0]}x{grid[1]}"
        )
    if path:
        encoder = LinearPathEncoder(shape, components_of(shape, code, signed), encoder)
    bottleneck = make_bottleneck(encoder.out_shape, code)
    out = (compare.channels * shape[0], *shape[1:])
    decoder: Any = ConvDecoder(bottleneck.code_shape, out, channels[::-1], blocks, activation, norm, up)
    if path:
        decoder = LinearPathDecoder(bottleneck.code_shape, out, encoder.components, decoder)
    augmenter = augmentation(augment_for(augment, shape))
    return Autoencoder(shape, encoder, bottleneck, decoder, compare, corruption_for(corruption, shape), augmenter)


def is_small(shape: Shape) -> bool:
    """Whether items are rows or small gray images, for which a dense net is the default."""
    return len(shape) != 3 or math.prod(shape) <= SMALL


def loss_for(shape: Shape) -> str:
    """The default loss: most small gray images are black and white, and photos are not."""
    return "bce" if is_small(shape) else "mse"


def augment_for(augment: str, shape: Shape) -> str:
    """Resolve auto: zoom for images that are not small, else none. Raises BadInput for an augmentation of rows."""
    if augment == "auto":
        return "none" if is_small(shape) else "zoom"
    if augment != "none" and len(shape) != 3:
        raise BadInput(f"augment={augment}: needs images, and items of shape {shape} are rows; none is accepted")
    return augment


def components_of(shape: Shape, code: Shape, signed: bool) -> int:
    """Number of principal components in a linear path; signed: each takes two units of the code, one for each sign."""
    return min(max(1, math.prod(code) // (2 if signed else 1)), math.prod(shape))


def linear_path(linear: str, shape: Shape, code: Shape, loss: str) -> bool:
    """Whether the model has a linear path initialized with PCA. Raises BadInput for linear=yes where it cannot."""
    if linear not in LINEAR:
        raise unknown("linear", linear, LINEAR)
    possible = len(code) == 1 and loss in WITHOUT_LINK
    if linear == "yes" and not possible:
        raise BadInput(f"linear=yes: needs a code vector such as 32, and a loss of {', '.join(WITHOUT_LINK)}")
    fits = (not is_small(shape) or len(shape) == 1) and math.prod(shape) <= LARGEST
    return possible and (linear == "yes" or (linear == "auto" and fits))


def stages(shape: Shape, code: Shape) -> tuple[int, ...]:
    """Channels 32, 64, 128, ...: as many stages as reduce the image to the code's grid, or else to about 7×7."""
    side = max(code[1:]) if len(code) == 3 else 8
    for count in range(1, 9):
        if len(code) == 3 and tuple(-(-side // 2**count) for side in shape[1:]) == tuple(code[1:]):
            return tuple(min(32 * 2**stage, 256) for stage in range(count))
    halvings = max(1, round(math.log2(max(shape[1:]) / side))) if max(shape[1:]) > side else 1
    return tuple(min(32 * 2**stage, 256) for stage in range(halvings))


def either(
    net: str,
    shape: Shape,
    code: Shape,
    make_bottleneck: Make,
    *,
    widths: Sequence[int],
    center: bool = False,
    **keys: Any,
) -> Autoencoder:
    """The bottleneck between dense or convolutional nets; auto: dense for tables and small gray images.

    center: of a dense net.
    """
    if net == "auto":
        net = "dense" if is_small(shape) else "conv"
    keys["loss"] = keys.get("loss") or loss_for(shape)
    if net not in ("dense", "conv"):
        raise unknown("net", net, ("dense", "conv", "auto"))
    if net == "conv" and len(shape) != 3:
        raise BadInput(f"net=conv: needs images, and items of shape {shape} are rows; dense is accepted")
    if net == "dense":
        keys |= {"widths": widths, "center": center}
    model = (dense if net == "dense" else conv)(shape, code, make_bottleneck, **keys)
    model.about["chosen"] = {"net": net}
    return model


def unet(
    shape: Shape,
    corruption: Corruption | None,
    channels: tuple[int, ...],
    blocks: tuple[int, ...],
    fold: int,
    crop: int,
    compare: Objective,
    norm: bool = False,
) -> Autoencoder:
    """A U-Net that removes `corruption`, or learns the target of the data. Raises BadInput for items but images."""
    require_images(shape)
    blocks = blocks * len(channels) if len(blocks) == 1 else blocks
    predicts_mask = corruption is not None and corruption.tell  # needs biases: the mask must not depend on brightness
    size = (shape[0] + (corruption.extra if corruption is not None else 0), *shape[1:])
    encoder = UNetEncoder(size, channels, blocks, fold, bias=predicts_mask, norm=norm)
    decoder = UNetDecoder(
        shape[0] + predicts_mask,
        channels[::-1],
        blocks[-2::-1],
        fold,
        bias=predicts_mask,
        predicts_mask=predicts_mask,
        norm=norm,
    )
    return Autoencoder(
        shape, encoder, Identity(encoder.out_shape), decoder, compare, corruption, Crop(min(crop, *shape[1:]))
    )


def require_images(shape: Shape) -> None:
    if len(shape) != 3:
        raise BadInput(f"items of shape {shape}: this recipe needs images")
