"""Recipes of types with a plain bottleneck, whose code has no penalty; regularized.py has the others.

registry.SHARED documents the keys that several recipes have.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from isthmus.autoencoder import Autoencoder
from isthmus.bottlenecks import Plain
from isthmus.recipes.builders import conv as conv_net
from isthmus.recipes.builders import dense, either, is_small
from isthmus.recipes.registry import default_code, recipe
from isthmus.types import Shape

PICTURES = ("gray", "color")
ANY = (*PICTURES, "table")
# Small data sets get more epochs and smaller batches: benchmarks/defaults.py measures the effect.
SMALL_DATA: dict[str, Any] = {"least_steps": 500, "least_batches": 10}
Only = dict[str, tuple[str, ...]]
DENSE_ONLY: Only = {"widths": ("net", "dense")}


@recipe(*ANY, **SMALL_DATA, epochs=50, batch_size=256, lr=1e-3, validation=0.0)
def undercomplete(
    shape: Shape,
    code: Shape = (24,),
    *,
    activation: str = "relu",
    loss: str | None = None,
    corruption: str = "none",
    augment: str = "auto",
    linear: str = "auto",
) -> Autoencoder:
    """Undercomplete autoencoder: one layer to a small code, one layer back.

    code: size of the code
    activation: activation of the code: relu, sigmoid, tanh, silu, gelu; none makes it PCA (squared error, no sigmoid)
    corruption: corruption of the encoder's input, such as gaussian:0.3 or masking:0.25+gaussian:0.1
    """
    bottleneck = partial(Plain, activate=activation)
    return dense(
        shape, code, bottleneck, activation=activation, loss=loss, corruption=corruption, augment=augment, linear=linear
    )


@recipe(*ANY, **SMALL_DATA, epochs=40, batch_size=256, lr=2e-3, schedule="cosine", validation=0.0)
def linear(shape: Shape, code: Shape | None = None) -> Autoencoder:
    """Linear autoencoder with squared error, which learns the subspace of PCA (Baldi & Hornik 1989).

    code: size of the code; by default 24, or 32 unless images are small
    """
    size = code or default_code((24,) if is_small(shape) else (32,), shape)
    return dense(shape, size, Plain, activation="none")


@recipe(
    *ANY,
    **SMALL_DATA,
    only={"norm": ("activation", "relu", "silu", "gelu", "tanh", "sigmoid")},
    epochs=80,
    batch_size=128,
    lr=1e-3,
    schedule="cosine",
    warmup=0.02,
    weight_decay=1e-2,
    validation=0.0,
)
def deep(
    shape: Shape,
    code: Shape = (30,),
    *,
    widths: Sequence[int] = (1000, 500, 250),
    activation: str = "silu",
    norm: bool = True,
    augment: str = "auto",
    linear: str = "auto",
    loss: str = "mse",
) -> Autoencoder:
    """Deep autoencoder: several layers down to the code and back, a nonlinear PCA (Hinton & Salakhutdinov 2006).

    code: size of the code
    widths: units of the hidden layers, from input to code
    activation: relu, silu, gelu, tanh, sigmoid; none makes it PCA
    norm: LayerNorm after each hidden layer
    loss: bce, mse, gaussian, l1, categorical or ssim
    """
    if augment == "auto" and activation != "none" and len(shape) == 3 and is_small(shape):
        augment = "affine"
    make = partial(dense, activation=activation, norm=norm, augment=augment, linear=linear)
    return make(shape, code, Plain, widths=widths, loss=loss)


@recipe(*PICTURES, **SMALL_DATA, epochs=30, batch_size=128, lr=2e-3, schedule="cosine", warmup=0.02)
def conv(
    shape: Shape,
    code: Shape = (32,),
    *,
    channels: Sequence[int] | None = None,
    blocks: int = 1,
    activation: str = "silu",
    norm: bool = True,
    down: str = "stride",
    up: str = "upsample",
    loss: str = "mse",
    corruption: str = "none",
    augment: str = "auto",
    linear: str = "auto",
) -> Autoencoder:
    """Convolutional autoencoder for images of any size, with a code vector or a code grid.

    code: size of a code vector, or channels x height x width of a code grid, as in 4x7x7
    channels: channels of each stage (each halves the grid), as in 32,64; by default as many stages as the code needs
    blocks: residual blocks on the coarsest grid
    activation: silu, relu, gelu, tanh
    norm: LayerNorm over channels at each position
    down: downsampling by stride (4x4 convolutions) or pool (2x2 max pooling)
    up: upsampling by upsample (nearest, then a 3x3 convolution) or transpose (4x4 transposed convolution)
    loss: mse, bce, gaussian, l1, categorical or ssim
    corruption: corruption of the encoder's input, such as gaussian:0.3
    """
    return conv_net(make_bottleneck=Plain, **locals())


@recipe(*ANY, **SMALL_DATA, only=DENSE_ONLY, epochs=30, batch_size=128, lr=1e-3, schedule="cosine", warmup=0.02)
def denoising(
    shape: Shape,
    code: Shape = (128,),
    *,
    corruption: str = "gaussian:0.3",
    net: str = "auto",
    widths: Sequence[int] = (512, 256),
    loss: str | None = None,
    augment: str = "auto",
    linear: str = "auto",
) -> Autoencoder:
    """Denoising autoencoder: reconstructs the clean input from a corrupted one (Vincent et al. 2008).

    code: size of the code
    corruption: corruption of the input: gaussian:0.3, salt-and-pepper:0.2, masking:0.5, or several joined by +
    widths: units of the hidden layers of the dense net
    """
    return either(
        net, shape, code, Plain, widths=widths, loss=loss, corruption=corruption, augment=augment, linear=linear
    )
