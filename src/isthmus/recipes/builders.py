"""A bottleneck between two nets: what the recipes share, dense or convolutional."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from isthmus.autoencoder import Autoencoder
from isthmus.bottlenecks import Bottleneck
from isthmus.corruptions import augmentation
from isthmus.errors import BadInput, at_least, unknown
from isthmus.networks import (
    ConvDecoder,
    ConvEncoder,
    DenseDecoder,
    DenseEncoder,
    LinearPathDecoder,
    LinearPathEncoder,
)
from isthmus.objectives import objective
from isthmus.recipes.corruption_check import corruption_for
from isthmus.recipes.integers import numbers
from isthmus.types import Shape

SMALL = 1024  # numbers of a picture that a dense net takes by default
LINEAR = ("auto", "yes", "no")
LARGEST = 2**16  # numbers of an item for which PCA, a matrix of that many columns, is still cheap
WITHOUT_LINK = ("mse", "gaussian", "l1")  # losses of a mean that need not lie between 0 and 1
Make = Callable[[Shape, Shape], Bottleneck]  # (shape of the features, shape of the code) -> a bottleneck


def dense(
    shape: Shape,
    code: Shape,
    bottleneck: Make,
    *,
    widths: Sequence[int] = (),
    activation: str = "relu",
    norm: bool = False,
    loss: str | None = None,
    corruption: str = "none",
    augment: str = "none",
    linear: str = "auto",
    signed: bool = False,
) -> Autoencoder:
    """Fully connected: `widths` down to the code, and the same widths back up; a linear path beside them.

    signed: of its components each takes two units.
    """
    none = activation == "none"  # then nothing bends anywhere: no norm, no sigmoid at the end, squared error
    widths, norm = numbers(widths), norm and not none
    loss = loss or ("mse" if none else loss_for(shape))
    path = linear_path(linear, shape, code, loss)
    compare = objective(loss, "identity" if none or path else "sigmoid")
    change = augmentation("none" if none and augment == "auto" else augment_for(augment, shape))
    corrupt = corruption_for(corruption, shape)
    out = (compare.channels * shape[0], *shape[1:])
    encoder: Any = DenseEncoder(shape, widths, activation, norm) if widths or not path else None
    if path:
        encoder = LinearPathEncoder(shape, components_of(shape, code, signed), encoder)
    strip = bottleneck(encoder.out_shape, code)
    decoder: Any = DenseDecoder(strip.code_shape, out, widths[::-1], activation, norm) if widths or not path else None
    if path:
        decoder = LinearPathDecoder(strip.code_shape, out, encoder.components, decoder)
    model = Autoencoder(shape, encoder, strip, decoder, compare, corrupt, change)
    if path and not none:
        model.about["training"] = {"validation": 0.1}  # or nobody would see where a net begins to learn by heart
    return model


def conv(
    shape: Shape,
    code: Shape,
    bottleneck: Make,
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
    """Convolutional: a stage for each of `channels`, each halving the grid, and their mirror. signed: as in dense."""
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
            f"code {'x'.join(map(str, code))}: {len(channels)} stages bring {shape[1]}x{shape[2]} to a grid of "
            f"{grid[0]}x{grid[1]}: ask for {code[0]}x{grid[0]}x{grid[1]}"
        )
    if path:
        encoder = LinearPathEncoder(shape, components_of(shape, code, signed), encoder)
    strip = bottleneck(encoder.out_shape, code)
    out = (compare.channels * shape[0], *shape[1:])
    decoder: Any = ConvDecoder(strip.code_shape, out, channels[::-1], blocks, activation, norm, up)
    if path:
        decoder = LinearPathDecoder(strip.code_shape, out, encoder.components, decoder)
    change = augmentation(augment_for(augment, shape))
    return Autoencoder(shape, encoder, strip, decoder, compare, corruption_for(corruption, shape), change)


def is_small(shape: Shape) -> bool:
    """Whether items are rows or small gray pictures, which a dense net takes by default."""
    return len(shape) != 3 or math.prod(shape) <= SMALL


def loss_for(shape: Shape) -> str:
    """The loss where none is asked for: most small gray pictures are black and white, and photos are not."""
    return "bce" if is_small(shape) else "mse"


def augment_for(augment: str, shape: Shape) -> str:
    """The augmentation; where none is asked for, zoom of pictures that are not small. BadInput for one of rows."""
    if augment == "auto":
        return "none" if is_small(shape) else "zoom"
    if augment != "none" and len(shape) != 3:
        raise BadInput(f"augment={augment}: changes pictures, and items of shape {shape} are rows; none is accepted")
    return augment


def components_of(shape: Shape, code: Shape, signed: bool) -> int:
    """Principal components of a linear path; signed: each takes two units, one for each sign."""
    return min(max(1, math.prod(code) // (2 if signed else 1)), math.prod(shape))


def linear_path(asked: str, shape: Shape, code: Shape, loss: str) -> bool:
    """Whether a linear path that starts at PCA lies beside the net. Raises BadInput where it is asked for in vain."""
    if asked not in LINEAR:
        raise unknown("linear", asked, LINEAR)
    able = len(code) == 1 and loss in WITHOUT_LINK
    if asked == "yes" and not able:
        raise BadInput(f"linear=yes: needs a code of numbers such as 32, and a loss of {', '.join(WITHOUT_LINK)}")
    fits = (not is_small(shape) or len(shape) == 1) and math.prod(shape) <= LARGEST
    return able and (asked == "yes" or (asked == "auto" and fits))


def stages(shape: Shape, code: Shape) -> tuple[int, ...]:
    """Channels 32, 64, 128 ...: as many stages as bring the picture to the code's grid, or else to about 7×7."""
    goal = max(code[1:]) if len(code) == 3 else 8
    for count in range(1, 9):
        if len(code) == 3 and tuple(-(-side // 2**count) for side in shape[1:]) == tuple(code[1:]):
            return tuple(min(32 * 2**stage, 256) for stage in range(count))
    halvings = max(1, round(math.log2(max(shape[1:]) / goal))) if max(shape[1:]) > goal else 1
    return tuple(min(32 * 2**stage, 256) for stage in range(halvings))


def either(net: str, shape: Shape, code: Shape, bottleneck: Make, *, widths: Sequence[int], **keys: Any) -> Autoencoder:
    """The same bottleneck between dense or convolutional nets; auto: dense for tables and small gray pictures."""
    if net == "auto":
        net = "dense" if is_small(shape) else "conv"
    keys["loss"] = keys.get("loss") or loss_for(shape)
    if net not in ("dense", "conv"):
        raise unknown("net", net, ("dense", "conv", "auto"))
    if net == "conv" and len(shape) != 3:
        raise BadInput(f"net=conv: is of pictures, and items of shape {shape} are rows; dense is accepted")
    if net == "dense":
        keys["widths"] = widths
    model = (dense if net == "dense" else conv)(shape, code, bottleneck, **keys)
    model.about["chosen"] = {"net": net}
    return model
