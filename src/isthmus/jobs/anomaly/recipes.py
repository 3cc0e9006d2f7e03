"""The recipe `detect`: one-class anomaly detection."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from torch import nn

from isthmus.autoencoder import Autoencoder
from isthmus.bottlenecks import L1, VQ, Contractive, Plain, Variational
from isthmus.corruptions import Holes, SyntheticDefect
from isthmus.errors import BadInput, unknown
from isthmus.jobs.anomaly.feature_models import FEATURE_KINDS, feature_model
from isthmus.jobs.anomaly.settings import MAP_SCORES, RELATIVE, Settings
from isthmus.objectives import Laplace, MaskedReconstruction
from isthmus.recipes.builders import SMALL, Make, conv, either, unet
from isthmus.recipes.integers import numbers
from isthmus.recipes.registry import default_code, recipe
from isthmus.types import Shape

KINDS: dict[str, Make] = {
    "undercomplete": Plain,
    "denoising": Plain,
    "sparse": partial(L1, weight=0.1),
    "contractive": partial(Contractive, weight=1.0, activate="sigmoid"),
    "variational": partial(Variational, beta=1.0, warmup=0.1),
}
PIXELS = 2**19  # maximum in a batch: memory stays bounded, and an epoch has enough steps
# Networks with skips are allowed here, because the scored pixels are not in their input.
UNETS: dict[str, Callable[[Shape, tuple[int, ...]], Autoencoder]] = {
    "inpainting": lambda shape, channels: unet(
        shape, Holes("cells"), channels, (1,), 2, max(shape[1:]), Laplace(link="identity")
    ),
    "repairing": lambda shape, channels: unet(
        shape,
        SyntheticDefect(tell=True),
        channels,
        (1,),
        4 if min(shape[1:]) >= 64 else 2,
        max(shape[1:]),
        MaskedReconstruction(Laplace(0.2, "identity"), even=True),
        norm=True,
    ),
}
# Training defaults of the networks with skips: more steps, because each pixel is hidden only now and then and defects
# take long to learn; clipped gradients for the network without normalization.
UNET_TRAINING: dict[str, dict[str, Any]] = {
    "inpainting": {"least_steps": 3000, "clip": 1000, "ema": 0.999},
    "repairing": {"least_steps": 10_000, "lr": 2e-3, "ema": 0.99},
}
FEATURE_SIDE = 64  # pixels from which on the layers of a network of features are grids of several positions
CODED_KINDS = (*KINDS, "quantized")
CELLS = (8, 16, 32)


@recipe(
    "gray",
    "color",
    "table",
    job="anomaly",
    whole=256,
    only={
        "net": ("kind", *KINDS, "feature-autoencoder"),
        "widths": ("net", "dense"),
        "channels": ("kind", *UNETS),
        "corruption": ("kind", "denoising"),
        "loss": ("kind", *CODED_KINDS),
        "cells": ("kind", "inpainting"),
        "grid": ("kind", *FEATURE_KINDS),
        "jitter": ("kind", "feature-autoencoder"),
        "dropout": ("kind", "feature-autoencoder"),
    },
    epochs=60,
    least_steps=2000,
    batch_size=128,
    lr=1e-3,
    schedule="cosine",
    warmup=0.02,
    weight_decay=1e-2,
)
def detect(
    shape: Shape,
    code: Shape | None = None,
    *,
    kind: str = "auto",
    net: str = "auto",
    widths: Sequence[int] = (512, 256),
    channels: Sequence[int] = (32, 64, 96, 128),
    corruption: str = "gaussian:0.1",
    loss: str = "mse",
    score: str | None = None,
    relative: bool | None = None,
    pool: str | None = None,
    share: float | None = None,
    smooth: float | None = None,
    k: int = 1,
    cells: Sequence[int] = CELLS,
    false_alarms: float = 0.01,
    features: str | nn.Module = "",
    grid: int = 0,
    jitter: float = 0.2,
    dropout: float = 0.2,
    roi: str = "",
    good: str = "",
    bad: str = "",
) -> Autoencoder:
    """One-class anomaly detection: trained on normal samples, scored by reconstruction error.

    A feature-autoencoder reconstructs what a frozen network sees of an image. Inpainting hides each part of an image in
    turn and scores the filled pixels. Repairing learns to find and remove synthetic defects. Unless code or net is set,
    auto is feature-autoencoder for images of 64×64 and more, and repairing for smaller ones of more than 32×32;
    otherwise it is denoising.

    code: size of the code, by default 32 or half the columns; a large code reconstructs anomalies as well
    kind: undercomplete, denoising, sparse, contractive, variational, quantized, inpainting, repairing, or auto; with
        features, feature-autoencoder (auto), nearest-patches or gaussian
    net: dense, conv, or auto (dense for tables and small gray images); of features conv (auto) or transformer
    widths: units of the hidden layers of the dense net
    channels: with inpainting and repairing, channels of each stage
    corruption: with denoising, corruption of the encoder's input
    loss: bce, mse, gaussian, l1, categorical or ssim
    score: error, ssim, gradient, elbo, marks, features, distance, gaussian, mahalanobis, knn, covariance, deviation, or
        several with +
    relative: divide errors by the root of the input's energy: yes or no
    pool: reduction of a map to a score: mean, max, or worst (the mean of its largest share)
    share: with pool=worst, share of the pixels that are averaged
    smooth: sigma in pixels of the Gaussian that smooths maps
    k: with knn, number of neighbors
    cells: with inpainting, sides in pixels of the squares that are hidden in turn
    false_alarms: accepted false-positive rate
    features: for a model of features: auto, the name or file of a frozen network (docs/features.md); empty for none
    grid: with features, side of the grid; 0 for that of the coarsest layer
    jitter: with kind=feature-autoencoder, largest sigma of the noise on standardized features
    dropout: with kind=feature-autoencoder, share of the units that the bottleneck drops in training
    roi: image of the region of interest, white inside; empty for all pixels
    good: folder of normal images, best from another day, that calibrate the threshold instead of held-back images
    bad: folder of known defects; the threshold is then that of the best F1 on them and normal images
    """
    if kind == "auto":
        kind = kind_for(shape, features, code is None and net == "auto")
    if features == "" and kind in FEATURE_KINDS:
        features = "auto"
    if features != "":
        if code is not None:
            raise BadInput(f"features={features} and code={'x'.join(map(str, code))}: give only one of them")
        model = with_choice(feature_model(shape, features, kind, net, grid, jitter, dropout), kind=kind)
    else:
        model = build(shape, code, kind, net, widths, numbers(channels), corruption, loss)
    overrides = {
        "relative": relative,
        "score": score,
        "pool": pool,
        "share": share,
        "smooth": smooth,
        "cells": numbers(cells),
    }
    settings = Settings.of(model, k=k, false_alarms=false_alarms, **overrides)  # refuse before a training, not after it
    refuse_unused(settings, k, relative, pool, share)
    if bad and false_alarms != Settings.false_alarms:
        raise BadInput(f"detect: false_alarms={false_alarms}: has no effect with bad={bad}, which sets the threshold")
    if len(shape) == 3:
        batch = max(4, min(128, PIXELS // (shape[1] * shape[2])))
        own = "repairing" if model.predicts_mask else "inpainting" if model.has_skips else ""
        model.about["training"] = {"batch_size": batch} | UNET_TRAINING.get(own, {}) | model.about.get("training", {})
    return model


def kind_for(shape: Shape, features: str | nn.Module, free: bool) -> str:
    """What kind=auto is. free: neither code nor net is given."""
    if features != "":
        return "feature-autoencoder"
    if not free or len(shape) != 3 or math.prod(shape) <= SMALL:
        return "denoising"
    return "feature-autoencoder" if min(shape[1:]) >= FEATURE_SIDE else "repairing"


def refuse_unused(
    settings: Settings,
    k: int,
    relative: bool | None,
    pool: str | None,
    share: float | None,
) -> None:
    """Raise BadInput for an option that the score does not use."""
    parts = set(settings.parts)
    unused = {
        f"k={k}": (k != 1 and "knn" not in parts, "score=knn"),
        f"relative={relative}": (relative is not None and not parts & set(RELATIVE), f"score={', '.join(RELATIVE)}"),
        f"pool={pool}": (pool is not None and not parts & set(MAP_SCORES), f"score={', '.join(MAP_SCORES)}"),
        f"share={share}": (
            share is not None and (settings.pool != "worst" or not parts & set(MAP_SCORES)),
            f"pool=worst and score={', '.join(MAP_SCORES)}",
        ),
    }
    for given, (idle, used_with) in unused.items():
        if idle:
            raise BadInput(f"detect: {given}: has no effect with score={settings.score}, only with {used_with}")


def build(
    shape: Shape,
    code: Shape | None,
    kind: str,
    net: str,
    widths: Sequence[int],
    channels: tuple[int, ...],
    corruption: str,
    loss: str,
) -> Autoencoder:
    if kind in UNETS:
        if len(shape) != 3:
            raise BadInput(f"kind={kind}: needs images, and items of shape {shape} are rows")
        if code is not None:
            raise BadInput(f"kind={kind} and code={'x'.join(map(str, code))}: its net has skips that bypass any code")
        return with_choice(UNETS[kind](shape, channels), kind=kind, net="conv")
    if kind == "quantized":
        if len(shape) != 3:
            raise BadInput("kind=quantized: a grid of symbols needs images; the other kinds accept rows as well")
        grid = code or (-(-shape[1] // 8), -(-shape[2] // 8))
        model = conv(shape, grid if len(grid) == 3 else (16, *grid), partial(VQ, codes=512), loss=loss, linear="no")
        return with_choice(model, kind=kind, net="conv")
    if kind not in KINDS:
        raise unknown("kind of autoencoder", kind, ["auto", *FEATURE_KINDS, *KINDS, "quantized", *UNETS])
    seen = corruption if kind == "denoising" else "none"
    strip = code or default_code((32,), shape)
    return with_choice(
        either(net, shape, strip, KINDS[kind], widths=widths, loss=loss, corruption=seen, linear="no"), kind=kind
    )


def with_choice(model: Autoencoder, **keys: str) -> Autoencoder:
    """Record in model.about what was with_choice for keys that are auto, and return the model."""
    model.about["chosen"] = model.about.get("chosen", {}) | keys
    return model
