"""Models of features: an autoencoder of what a frozen network sees, and models that only measure it."""

from __future__ import annotations

from typing import Any

from torch import nn

from isthmus.autoencoder import Autoencoder
from isthmus.bottlenecks import Identity, Noisy
from isthmus.corruptions import GaussianNoise
from isthmus.errors import BadInput, at_least, unknown
from isthmus.features import find_features
from isthmus.features.grid import FeatureGrid
from isthmus.jobs.anomaly.feature_distance import FeatureDistance
from isthmus.networks import ConvDecoder, ConvEncoder, TransformerDecoder, TransformerEncoder, Unchanged
from isthmus.types import Shape

FEATURE_KINDS = ("feature-autoencoder", "nearest-patches", "gaussian")
FEATURE_NETS = ("conv", "transformer")
TRAINING: dict[str, Any] = {"batch_size": 16, "lr": 1e-3, "least_steps": 800, "epochs": 1, "clip": None, "ema": 0.99}
WIDTH, DEPTH = 128, 2  # of the transformer; the convolutional net has as many channels


def feature_model(
    shape: Shape, features: str | nn.Module, kind: str, net: str, grid: int, jitter: float, dropout: float
) -> Autoencoder:
    """The model of a kind of FEATURE_KINDS for images of `shape`.

    features: as find_features takes it. grid, jitter, dropout: see the recipe. Raises BadInput for unusable ones.
    """
    if len(shape) != 3:
        raise BadInput(f"features={features}: needs images, and items of shape {shape} are rows")
    if kind not in FEATURE_KINDS:
        raise unknown("kind of a model of features", kind, FEATURE_KINDS)
    if not 0 <= grid <= min(shape[1:]):
        raise BadInput(f"grid={grid}: 0 to {min(shape[1:])}, the smaller side of these images, is accepted")
    at_least("jitter", jitter, 0)
    if not 0 <= dropout < 1:
        raise BadInput(f"dropout={dropout:g}: 0 or more and less than 1 is accepted")
    frozen = FeatureGrid.of(find_features(features), shape, grid)
    inner, compare = frozen.out_shape, FeatureDistance(frozen.channels)
    if kind != "feature-autoencoder":
        return Autoencoder(shape, Unchanged(inner), Identity(inner), Unchanged(inner), compare, features=frozen)
    encoder: Any
    if net in ("auto", "conv"):
        encoder = ConvEncoder(inner, (WIDTH,))
    elif net == "transformer":
        encoder = TransformerEncoder(inner, WIDTH)
    else:
        raise unknown("net of features", net, FEATURE_NETS)
    bottleneck = Noisy(encoder.out_shape, encoder.out_shape, dropout)
    decoder: Any = (
        TransformerDecoder(bottleneck.code_shape, inner[0], DEPTH)
        if net == "transformer"
        else ConvDecoder(bottleneck.code_shape, inner, (WIDTH,))
    )
    corrupt = GaussianNoise((0.0, jitter)) if jitter else None
    model = Autoencoder(shape, encoder, bottleneck, decoder, compare, corrupt, features=frozen)
    model.about["training"] = TRAINING
    return model
