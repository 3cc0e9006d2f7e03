"""Recipes of types with a penalty on the code or a codebook: sparse, contractive, variational and quantized."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from isthmus.autoencoder import Autoencoder
from isthmus.bottlenecks import FSQ, L1, VQ, Contractive, RateKL, TopK, Variational
from isthmus.errors import BadInput, at_least, unknown
from isthmus.recipes.builders import Make, either, is_small
from isthmus.recipes.builders import conv as conv_net
from isthmus.recipes.integers import numbers
from isthmus.recipes.registry import default_code, recipe
from isthmus.recipes.types import ANY, DENSE_ONLY, PICTURES, SMALL_DATA, Only
from isthmus.types import Shape

SPARSE_ONLY: Only = {"weight": ("kind", "l1", "kl"), "rate": ("kind", "kl"), "k": ("kind", "topk")}
VQ_ONLY: Only = dict.fromkeys(("codes", "dim", "commitment"), ("quantizer", "vq"))
FSQ_ONLY: Only = {"levels": ("quantizer", "fsq")}
DIM = 16  # dimensions of a codebook vector


@recipe(*ANY, **SMALL_DATA, only=DENSE_ONLY | SPARSE_ONLY, epochs=50, batch_size=128, lr=1e-3, patience=5)
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
    """Sparse autoencoder: an overcomplete code of which few units are active for each input.

    code: units of the code, usually many; by default 256, or 512 for l1 and topk unless images are small
    kind: l1 (L1 penalty), kl (KL divergence to a target rate of activity), or topk (the k largest units are kept)
    weight: weight of the penalty, in nats; by default 0.1 for l1 and 1 for kl
    rate: with kl, target share of inputs for which a unit is active
    k: with topk, number of units kept for each input
    widths: units of the hidden layers of the dense net before the code
    """
    kinds: dict[str, Make] = {
        "l1": partial(L1, weight=0.1 if weight is None else weight),
        "kl": partial(RateKL, weight=1.0 if weight is None else weight, rate=rate),
        "topk": partial(TopK, k=k),
    }
    if kind not in kinds:
        raise unknown("kind of sparsity", kind, kinds)
    signed = kind != "kl"  # a nonnegative unit encodes one sign of a component, a sigmoid unit encodes both
    units = code or default_code((512,) if signed and not is_small(shape) else (256,), shape)
    return either(
        net, shape, units, kinds[kind], widths=widths, loss=loss, augment=augment, linear=linear, signed=signed
    )


@recipe(*ANY, **SMALL_DATA, only=DENSE_ONLY, epochs=50, batch_size=128, lr=1e-3, patience=5)
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
    """Contractive autoencoder: penalizes the derivative of the code (Rifai et al. 2011).

    code: units of the code
    weight: weight of the squared Frobenius norm of the Jacobian
    activation: activation of the code: sigmoid, relu, tanh or none
    widths: units of the hidden layers before the code; without any, the norm is exact, else estimated
    """

    def bottleneck(features: Shape, code: Shape) -> Contractive:
        one_layer = len(features) == 1 and not numbers(widths) and activation in ("sigmoid", "relu")
        return Contractive(features, code, weight, activation, closed=one_layer)

    return either(net, shape, code, bottleneck, widths=widths, loss=loss, augment=augment, linear=linear)


@recipe(*ANY, **SMALL_DATA, only=DENSE_ONLY, epochs=40, batch_size=128, lr=1e-3, schedule="cosine", warmup=0.02)
def variational(
    shape: Shape,
    code: Shape | None = None,
    *,
    beta: float = 1.0,
    beta_warmup: float = 0.1,
    samples: int = 1,
    net: str = "auto",
    widths: Sequence[int] = (512, 256),
    activation: str | None = None,
    norm: bool | None = None,
    loss: str = "gaussian",
    augment: str = "auto",
    linear: str = "auto",
) -> Autoencoder:
    """Variational autoencoder: a Gaussian code, from which new samples are generated (Kingma & Welling 2014).

    code: size of the code; by default 16, or 64 unless images are small
    beta: weight of the KL divergence; 1 is the ELBO, a larger value a beta-VAE
    beta_warmup: share of the training over which beta rises linearly from 0
    samples: codes drawn for each item; with more than one the bound of log p(x) is the tighter, importance-weighted one
    widths: units of the hidden layers of the dense net
    activation: of the hidden layers: relu, silu, gelu, tanh or sigmoid; by default relu in a dense net, silu in conv
    norm: LayerNorm after each hidden layer; by default in a convolutional net only
    loss: gaussian (one learned sigma, for gray and color), bce (for black and white), mse, l1, categorical or ssim
    """
    bottleneck = partial(Variational, beta=beta, warmup=beta_warmup, samples=samples)
    size = code or default_code((16,) if is_small(shape) else (64,), shape)
    chosen = {"activation": activation, "norm": norm}
    keys: dict[str, Any] = {key: value for key, value in chosen.items() if value is not None}
    keys |= {"widths": widths, "center": True, "loss": loss, "augment": augment, "linear": linear}
    return either(net, shape, size, bottleneck, **keys)


@recipe(
    *PICTURES,
    **SMALL_DATA | {"least_steps": 1500},
    only=VQ_ONLY | FSQ_ONLY,
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
    """Vector-quantized autoencoder: a grid of symbols from a codebook (van den Oord et al. 2017).

    code: grid of symbols, as in 7x7, or 49 for a sequence; by default a quarter of each side
    codes: number of vectors in the codebook
    dim: dimensions of each vector
    quantizer: vq (learned codebook) or fsq (fixed lattice, Mentzer et al. 2023)
    levels: with fsq, levels of each dimension; their product is the number of codes
    commitment: weight of the squared distance between features and their codebook vectors
    channels: channels of each stage (each halves the grid); by default as many stages as reach the code's grid
    blocks: residual blocks on the coarsest grid
    norm: LayerNorm over channels at each position
    loss: mse, bce, gaussian, l1, categorical or ssim
    """
    quantizers: dict[str, Make] = {
        "vq": partial(VQ, codes=codes, commitment=commitment),
        "fsq": partial(FSQ, levels=numbers(levels)),
    }
    if quantizer not in quantizers:
        raise unknown("quantizer", quantizer, quantizers)
    grid = (-(-shape[1] // 4), -(-shape[2] // 4)) if code is None else code
    if len(grid) == 3 and dim not in (DIM, grid[0]):
        raise BadInput(f"quantized: dim={dim} and code={'x'.join(map(str, grid))}: the code sets {grid[0]} already")
    if len(grid) < 3:
        at_least("dim", dim, 1)
        grid = (len(numbers(levels)) if quantizer == "fsq" else dim, *grid)
    make = partial(conv_net, channels=channels, blocks=blocks, norm=norm, loss=loss, augment=augment)
    return make(shape, grid, quantizers[quantizer])
