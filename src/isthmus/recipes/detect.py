"""detect: a model of what is good, so that what is not stands out."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from isthmus.autoencoder import Autoencoder
from isthmus.bottlenecks import L1, Contractive, Plain, Variational
from isthmus.contracts import Shape
from isthmus.detection import Settings
from isthmus.errors import BadInput, unknown
from isthmus.recipes.catalogue import recipe
from isthmus.recipes.nets import Make, either

KINDS: dict[str, Make] = {
    "undercomplete": Plain,
    "denoising": Plain,
    "sparse": partial(L1, weight=0.1),
    "contractive": partial(Contractive, weight=1.0, activate="sigmoid"),
    "variational": partial(Variational, beta=1.0, warmup=0.1),
}


@recipe(
    "gray",
    "colour",
    "table",
    epochs=60,
    batch_size=128,
    lr=1e-3,
    schedule="cosine",
    warmup=0.02,
    weight_decay=1e-2,
)
def detect(
    shape: Shape,
    code: Shape = (32,),
    *,
    kind: str = "denoising",
    net: str = "auto",
    widths: Sequence[int] = (512, 256),
    corruption: str = "gaussian:0.1",
    loss: str = "mse",
    score: str = "error+knn",
    relative: bool = True,
    pool: str = "mean",
    share: float = 0.01,
    smooth: float = 0.0,
    k: int = 1,
    false_alarms: float = 0.01,
    roi: str = "",
) -> Autoencoder:
    """Good ones alone are learned from; what comes back worse than they do is bad.

    code: numbers between encoder and decoder: few, or what is bad comes back as well
    kind: of autoencoder: undercomplete, denoising, sparse, contractive, variational
    net: dense, conv, or auto (dense for tables and small gray pictures)
    widths: units of the dense net's layers
    corruption: with denoising, what the encoder sees instead of x
    loss: bce, mse, gaussian, l1, categorical or ssim
    score: error, ssim, gradient, elbo (with variational), mahalanobis, knn, or several joined by +
    relative: whether an error is divided by the root of what there is to rebuild
    pool: of a map: mean, max, or worst (the mean of the worst share)
    share: of the pixels that worst counts
    smooth: of a map, sigma in pixels
    k: with knn, how many neighbours
    false_alarms: the share of good ones that may be called bad
    roi: a picture of what is looked at, white; empty for everything
    """
    if kind not in KINDS:
        raise unknown("kind of autoencoder", kind, KINDS)
    settings = Settings(score, relative, pool, share, smooth, k, false_alarms)  # refused before a training, not after
    if "elbo" in settings.parts and kind != "variational":
        raise BadInput("score elbo: is of a variational model; train with kind=variational")
    seen = corruption if kind == "denoising" else "none"
    return either(net, shape, code, KINDS[kind], widths=widths, loss=loss, corruption=seen)
