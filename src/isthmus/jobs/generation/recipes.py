"""The recipe `generate`: an autoencoder whose codes a prior can learn."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import nn

from isthmus.autoencoder import Autoencoder
from isthmus.bottlenecks import Plain, Variational
from isthmus.errors import BadInput, unknown
from isthmus.jobs.generation.objectives import Adversarial, Perceptual
from isthmus.objectives import Objective
from isthmus.priors import PRIORS
from isthmus.recipes.builders import conv, is_small, loss_for, require_images
from isthmus.recipes.registry import in_words, recipe
from isthmus.recipes.regularized import quantized, variational
from isthmus.recipes.types import PICTURES, SMALL_DATA
from isthmus.registry import replace_child
from isthmus.types import Shape

KINDS = ("plain", "kl", "quantized", "variational")
FACTORS = (2, 4, 8, 16)
CHANNELS = 4  # of the code of kl
UNITS = 16  # of the code of plain, for small gray images
BETA = 1e-6  # of kl


@recipe(
    *PICTURES,
    **SMALL_DATA | {"least_steps": 3000},
    job="generation",
    only={
        "factor": ("kind", "kl", "quantized"),
        "channels": ("kind", "kl", "quantized", "plain"),
        "blocks": ("kind", "kl", "quantized", "plain"),
        "beta": ("kind", "kl", "variational"),
        "codes": ("kind", "quantized"),
    },
    epochs=30,
    batch_size=32,
    lr=1e-3,
    schedule="cosine",
    warmup=0.02,
)
def generate(
    shape: Shape,
    code: Shape | None = None,
    *,
    kind: str = "auto",
    prior: str = "auto",
    factor: int = 4,
    channels: Sequence[int] | None = None,
    blocks: int = 1,
    beta: float | None = None,
    codes: int = 512,
    loss: str | None = None,
    perceptual: float = 0.0,
    features: str | nn.Module = "auto",
    adversarial: float = 0.0,
    augment: str = "auto",
) -> Autoencoder:
    """Generation of images: an autoencoder for a prior over its codes, which is trained after it.

    kl is the autoencoder of latent diffusion (Rombach et al. 2022): a grid of numbers with a weak pull to N(0, I). The
    vector of plain has no penalty, as a prior need not be N(0, I), and images of a VAE are blurred.

    code: of kl, channels of the grid, or the whole grid, as in 4x16x16; of quantized, the grid, as in 7x7; of plain and
        variational, the number of units
    kind: plain, kl, quantized, variational, or auto (kl; for small gray images plain, unless the code is a grid)
    prior: normal, mixture or flow; of quantized, transformer; auto chooses
    factor: side of the image divided by that of the grid: 2, 4, 8 or 16
    channels: channels of each stage (each halves the grid), as in 32,64
    blocks: residual blocks on the coarsest grid
    beta: weight of the KL divergence in nats; by default 1e-6 for kl, and 1 for variational
    codes: with quantized, number of vectors in the codebook
    loss: gaussian (one learned sigma), mse, l1, bce, categorical or ssim; by default gaussian; mse for quantized; for
        plain bce for small gray images, else mse
    perceptual: weight of a distance of features, in nats a value; 0 for none
    features: for perceptual, the name or file of a frozen network (docs/features.md)
    adversarial: norm of the gradient of a patch discriminator, relative to that of the loss; 0 for none
    """
    require_images(shape)
    if kind == "auto":
        of_small = {2: "quantized", 3: "kl"}.get(len(code or ()), "plain")
        kind = of_small if is_small(shape) else "kl"
    if kind not in KINDS:
        raise unknown("kind of autoencoder", kind, ("auto", *KINDS))
    check_prior(prior, kind)
    if factor not in FACTORS:
        raise BadInput(f"generate: factor={factor}: {', '.join(map(str, FACTORS))} are accepted")
    if factor != FACTORS[1] and code is not None and len(code) > 1:
        raise BadInput(f"generate: factor={factor} and code={'x'.join(map(str, code))}: give only one of them")
    loss = loss or {"quantized": "mse", "plain": loss_for(shape)}.get(kind, "gaussian")
    grid = (-(-shape[1] // factor), -(-shape[2] // factor))
    if kind == "variational":
        model = variational(shape, code, beta=1.0 if beta is None else beta, loss=loss, augment=augment)
    elif kind == "plain":
        size = code or (UNITS if is_small(shape) else 4 * UNITS,)
        model = conv(shape, size, Plain, channels=channels, blocks=blocks, loss=loss, augment=augment)
        model.about["training"] = model.about.get("training", {}) | {"batch_size": 128}
    elif kind == "quantized":
        given: dict[str, Any] = {"channels": channels, "blocks": blocks, "loss": loss, "augment": augment}
        model = quantized(shape, code or grid, codes=codes, **given)
    else:
        weak = partial(Variational, beta=BETA if beta is None else beta)
        model = conv(shape, grid_code(code, grid), weak, channels=channels, blocks=blocks, loss=loss, augment=augment)
    replace_child(model, "objective", sharpened(model.objective, shape, perceptual, features, adversarial))
    if perceptual or adversarial:  # the weights of the lowest validation error would be the least sharp
        model.about["training"] = model.about.get("training", {}) | {"validation": 0.0}
    model.about["chosen"] = model.about.get("chosen", {}) | {"kind": kind}
    return model


def sharpened(
    compare: Objective, shape: Shape, perceptual: float, features: str | nn.Module, adversarial: float
) -> Objective:
    """The objective with the auxiliary terms whose weights are not 0."""
    if features != "auto" and not perceptual:
        raise BadInput(f"generate: features={in_words(features)}: has no effect with perceptual=0")
    if perceptual:
        compare = Perceptual(compare, features, perceptual)
        compare.network(torch.device("cpu"))  # an unknown source is refused before the training
    return Adversarial(compare, shape[0], adversarial) if adversarial else compare


def grid_code(code: Shape | None, grid: Shape) -> Shape:
    """C×h×w of a code that names all of them, the channels, the grid or nothing."""
    code = code or ()
    return {0: (CHANNELS, *grid), 1: (*code, *grid), 2: (CHANNELS, *code)}.get(len(code), code)


def check_prior(prior: str, kind: str) -> None:
    """Raise BadInput for a prior that is unknown, or that is not one over codes of that kind."""
    if prior not in ("auto", *PRIORS):
        raise unknown("prior", prior, ("auto", *PRIORS))
    suitable = [name for name, each in PRIORS.items() if each.discrete == (kind == "quantized")]
    if prior not in ("auto", *suitable):
        raise BadInput(f"generate: prior={prior}: kind={kind} takes {', '.join(suitable)}")
