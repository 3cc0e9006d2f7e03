"""The types whose code costs nothing: a plain bottleneck between nets. Those with a price are in regularized.py."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from isthmus.autoencoder import Autoencoder
from isthmus.bottlenecks import Plain
from isthmus.recipes.builders import conv as conv_net
from isthmus.recipes.builders import dense, either, is_small
from isthmus.recipes.registry import fitted, recipe
from isthmus.types import Shape

PICTURES = ("gray", "colour")
ANY = (*PICTURES, "table")
# Few items are gone through more often, in smaller batches: benchmarks/defaults.py shows what that brings.
FEW: dict[str, Any] = {"least_steps": 500, "least_batches": 10}
Only = dict[str, tuple[str, ...]]
OF_DENSE: Only = {"widths": ("net", "dense")}


@recipe(*ANY, **FEW, epochs=50, batch_size=256, lr=1e-3, validation=0.0)
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
    """The smallest of all: one layer to a few numbers, one layer back.

    code: numbers between encoder and decoder
    activation: of the code: relu, sigmoid, tanh, silu, gelu; none makes it PCA (squared error, no sigmoid)
    loss: bce, mse, gaussian, l1, categorical or ssim; by default bce for rows and small gray pictures, else mse
    corruption: what the encoder sees instead of x, such as gaussian:0.3 or masking:0.25+gaussian:0.1
    augment: zoom (a part of each picture, mirrored or not), affine (turned and shifted a little), none; or auto
    linear: a linear path beside the net, which starts at PCA: yes, no, or auto (where pictures are not small)
    """
    strip = partial(Plain, activate=activation)
    return dense(
        shape, code, strip, activation=activation, loss=loss, corruption=corruption, augment=augment, linear=linear
    )


@recipe(*ANY, **FEW, epochs=40, batch_size=256, lr=2e-3, schedule="cosine", validation=0.0)
def linear(shape: Shape, code: Shape | None = None) -> Autoencoder:
    """No bend anywhere and squared error: it finds the subspace of PCA (Baldi & Hornik 1989).

    code: numbers between encoder and decoder: by default 24, or 32 where pictures are not small
    """
    size = code or fitted((24,) if is_small(shape) else (32,), shape)
    return dense(shape, size, Plain, activation="none")


@recipe(
    *ANY,
    **FEW,
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
    """Several layers down and up: a curved surface where PCA has a flat one (Hinton & Salakhutdinov 2006).

    code: numbers between encoder and decoder
    widths: units of the layers, from picture to code
    activation: relu, silu, gelu, tanh, sigmoid; none makes it PCA
    norm: a LayerNorm after each hidden layer
    augment: zoom (a part of each picture, mirrored or not), affine (turned and shifted a little), none; or auto
    linear: a linear path beside the net, which starts at PCA: yes, no, or auto (where pictures are not small)
    loss: bce, mse, gaussian, l1, categorical or ssim
    """
    if augment == "auto" and activation != "none" and len(shape) == 3 and is_small(shape):
        augment = "affine"
    make = partial(dense, activation=activation, norm=norm, augment=augment, linear=linear)
    return make(shape, code, Plain, widths=widths, loss=loss)


@recipe(*PICTURES, **FEW, epochs=30, batch_size=128, lr=2e-3, schedule="cosine", warmup=0.02)
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
    """Convolutions: any channels, any size, and a code of numbers or a small picture of its own.

    code: numbers, or channels x height x width as in 4x7x7
    channels: of each stage (each halves the grid), such as 32,64; by default as many as reach the code's grid
    blocks: residual blocks on the coarsest grid
    activation: silu, relu, gelu, tanh
    norm: a LayerNorm over channels at each position
    down: stride (4x4 convolutions) or pool (maximum of 2x2)
    up: upsample (nearest, then 3x3) or transpose (4x4): neither leaves a checkerboard
    loss: mse, bce, gaussian, l1, categorical or ssim
    corruption: what the encoder sees instead of x, such as gaussian:0.3
    augment: zoom (a part of each picture, mirrored or not), affine (turned and shifted a little), none; or auto
    linear: a linear path beside the net, which starts at PCA: yes, no, or auto (where pictures are not small)
    """
    return conv_net(
        shape,
        code,
        Plain,
        channels=channels,
        blocks=blocks,
        activation=activation,
        norm=norm,
        down=down,
        up=up,
        loss=loss,
        corruption=corruption,
        augment=augment,
        linear=linear,
    )


@recipe(*ANY, **FEW, only=OF_DENSE, epochs=30, batch_size=128, lr=1e-3, schedule="cosine", warmup=0.02)
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
    """It sees a damaged picture and is compared with the clean one (Vincent et al. 2008).

    code: numbers between encoder and decoder
    corruption: gaussian:0.3, salt-and-pepper:0.2, masking:0.5, or several joined by +
    net: dense, conv, or auto (dense for tables and small gray pictures)
    widths: units of the dense net's layers
    loss: bce, mse, gaussian, l1, categorical or ssim; by default bce for rows and small gray pictures, else mse
    augment: zoom (a part of each picture, mirrored or not), affine (turned and shifted a little), none; or auto
    linear: a linear path beside the net, which starts at PCA: yes, no, or auto (where pictures are not small)
    """
    return either(
        net, shape, code, Plain, widths=widths, loss=loss, corruption=corruption, augment=augment, linear=linear
    )
