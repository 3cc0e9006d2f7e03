"""The types whose code has a price, or a codebook: sparse, contractive, variational and quantized."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from isthmus.autoencoder import Autoencoder
from isthmus.bottlenecks import FSQ, L1, VQ, Contractive, RateKL, TopK, Variational
from isthmus.errors import BadInput, at_least, unknown
from isthmus.recipes.builders import Make, either, is_small
from isthmus.recipes.builders import conv as conv_net
from isthmus.recipes.integers import numbers
from isthmus.recipes.registry import fitted, recipe
from isthmus.recipes.types import ANY, FEW, OF_DENSE, PICTURES, Only
from isthmus.types import Shape

OF_SPARSE: Only = {"weight": ("kind", "l1", "kl"), "rate": ("kind", "kl"), "k": ("kind", "topk")}
OF_VQ: Only = dict.fromkeys(("codes", "dim", "commitment"), ("quantizer", "vq"))
OF_FSQ: Only = {"levels": ("quantizer", "fsq")}
DIM = 16  # numbers in a vector of a codebook


@recipe(*ANY, **FEW, only=OF_DENSE | OF_SPARSE, epochs=50, batch_size=128, lr=1e-3, patience=5)
def sparse(
    shape: Shape,
    code: Shape | None = None,
    *,
    kind: str = "l1",
    weight: float | None = None,
    rate: float = 0.05,
    k: int = 25,
    net: str = "auto",
    widths: Sequence[int] = (),
    loss: str | None = None,
    augment: str = "auto",
    linear: str = "auto",
) -> Autoencoder:
    """Many units, few at work for any one picture: each comes to stand for something.

    code: units, usually many: by default 256, or 512 for l1 and topk where pictures are not small
    kind: l1 (a price on every number), kl (to a rate of activity), or topk (only the k largest stay)
    weight: of the price, in nats; by default 0.1 for l1 and 1 for kl
    rate: with kl, the share of pictures that a unit should be active for
    k: with topk, how many units stay for each picture
    net: dense, conv, or auto (dense for tables and small gray pictures)
    widths: units of the dense net's layers before the code
    loss: bce, mse, gaussian, l1, categorical or ssim; by default bce for rows and small gray pictures, else mse
    augment: zoom (a part of each picture, mirrored or not), affine (turned and shifted a little), none; or auto
    linear: a linear path beside the net, which starts at PCA: yes, no, or auto (where pictures are not small)
    """
    kinds: dict[str, Make] = {
        "l1": partial(L1, weight=0.1 if weight is None else weight),
        "kl": partial(RateKL, weight=1.0 if weight is None else weight, rate=rate),
        "topk": partial(TopK, k=k),
    }
    if kind not in kinds:
        raise unknown("kind of sparsity", kind, kinds)
    signed = kind != "kl"  # a unit that is silent or at work says one sign of a component, and a sigmoid says both
    units = code or fitted((512,) if signed and not is_small(shape) else (256,), shape)
    return either(
        net, shape, units, kinds[kind], widths=widths, loss=loss, augment=augment, linear=linear, signed=signed
    )


@recipe(*ANY, **FEW, only=OF_DENSE, epochs=50, batch_size=128, lr=1e-3, patience=5)
def contractive(
    shape: Shape,
    code: Shape = (128,),
    *,
    weight: float = 1.0,
    activation: str = "sigmoid",
    net: str = "auto",
    widths: Sequence[int] = (),
    loss: str | None = None,
    augment: str = "auto",
    linear: str = "auto",
) -> Autoencoder:
    """A code that resists small changes of the picture (Rifai et al. 2011).

    code: units
    weight: of the squared norm of the code's derivative
    activation: of the code: sigmoid, relu, tanh or none
    net: dense, conv, or auto (dense for tables and small gray pictures)
    widths: units of the dense net's layers before the code; with none the norm is exact, else estimated
    loss: bce, mse, gaussian, l1, categorical or ssim; by default bce for rows and small gray pictures, else mse
    augment: zoom (a part of each picture, mirrored or not), affine (turned and shifted a little), none; or auto
    linear: a linear path beside the net, which starts at PCA: yes, no, or auto (where pictures are not small)
    """

    def strip(features: Shape, code: Shape) -> Contractive:
        one_layer = len(features) == 1 and not numbers(widths) and activation in ("sigmoid", "relu")
        return Contractive(features, code, weight, activation, closed=one_layer)

    return either(net, shape, code, strip, widths=widths, loss=loss, augment=augment, linear=linear)


@recipe(*ANY, **FEW, only=OF_DENSE, epochs=40, batch_size=128, lr=1e-3, schedule="cosine", warmup=0.02)
def variational(
    shape: Shape,
    code: Shape | None = None,
    *,
    beta: float = 1.0,
    beta_warmup: float = 0.1,
    net: str = "auto",
    widths: Sequence[int] = (512, 256),
    loss: str = "gaussian",
    augment: str = "auto",
    linear: str = "auto",
) -> Autoencoder:
    """A code that is a Gaussian, so that random numbers decode to new pictures (Kingma & Welling 2014).

    code: numbers between encoder and decoder: by default 16, or 64 where pictures are not small
    beta: price of the code; 1 is the true ELBO, more is the beta-VAE
    beta_warmup: share of the training over which beta rises from 0
    net: dense, conv, or auto (dense for tables and small gray pictures)
    widths: units of the dense net's layers
    loss: gaussian (one learned sigma, right for gray and colour), bce (black and white), mse, l1, categorical or ssim
    augment: zoom (a part of each picture, mirrored or not), affine (turned and shifted a little), none; or auto
    linear: a linear path beside the net, which starts at PCA: yes, no, or auto (where pictures are not small)
    """
    strip = partial(Variational, beta=beta, warmup=beta_warmup)
    size = code or fitted((16,) if is_small(shape) else (64,), shape)
    return either(net, shape, size, strip, widths=widths, loss=loss, augment=augment, linear=linear)


@recipe(
    *PICTURES,
    **FEW | {"least_steps": 1500},
    only=OF_VQ | OF_FSQ,
    epochs=30,
    batch_size=128,
    lr=1e-3,
    schedule="cosine",
    warmup=0.02,
)
def quantized(
    shape: Shape,
    code: Shape | None = None,
    *,
    codes: int = 512,
    dim: int = DIM,
    quantizer: str = "vq",
    levels: Sequence[int] = (8, 8, 8),
    commitment: float = 0.25,
    channels: Sequence[int] | None = None,
    blocks: int = 1,
    norm: bool = True,
    loss: str = "mse",
    augment: str = "auto",
) -> Autoencoder:
    """A grid of symbols from a codebook of its own (van den Oord et al. 2017).

    code: the grid of symbols, as in 7x7 (or 49 for a row of them); by default a quarter of each side
    codes: vectors in the codebook
    dim: numbers in each vector
    quantizer: vq (a learned codebook) or fsq (a fixed lattice: Mentzer et al. 2023)
    levels: with fsq, the levels of each number; their product is the number of codes
    commitment: price of the distance between features and their vectors
    channels: of each stage (each halves the grid); by default as many as reach the code's grid
    blocks: residual blocks on the coarsest grid
    norm: a LayerNorm over channels at each position
    loss: mse, bce, gaussian, l1, categorical or ssim
    augment: zoom (a part of each picture, mirrored or not), affine (turned and shifted a little), none; or auto
    """
    quantizers: dict[str, Make] = {
        "vq": partial(VQ, codes=codes, commitment=commitment),
        "fsq": partial(FSQ, levels=numbers(levels)),
    }
    if quantizer not in quantizers:
        raise unknown("quantizer", quantizer, quantizers)
    grid = (-(-shape[1] // 4), -(-shape[2] // 4)) if code is None else code
    if len(grid) == 3 and dim not in (DIM, grid[0]):
        raise BadInput(f"quantized: dim={dim} and code={'x'.join(map(str, grid))}: the code says {grid[0]} already")
    if len(grid) < 3:
        at_least("dim", dim, 1)
        grid = (len(numbers(levels)) if quantizer == "fsq" else dim, *grid)
    make = partial(conv_net, channels=channels, blocks=blocks, norm=norm, loss=loss, augment=augment)
    return make(shape, grid, quantizers[quantizer])
