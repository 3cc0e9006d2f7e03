"""Priors over the codes of the trained autoencoders, without labels, and pictures sampled from them."""

from __future__ import annotations

import time
from typing import Any

import torch
from torch import Tensor

from generating.models import TRAINED, autoencoder
from generating.sets import images
from isthmus.autoencoder import Autoencoder
from isthmus.data.base import Data, Numbered
from isthmus.priors import PRIORS, Draws, Prior
from isthmus.store import read_tensors, write_tensors
from isthmus.training import fit
from isthmus.types import Context, Noise

COUNT, BLOCK = 10_000, 256
OPTIONS: dict[str, dict[str, Any]] = {
    "gaussian": {"components": 1},
    "flow": {"width": 128, "depth": 4},
    "transformer": {"width": 96, "depth": 3, "heads": 4, "dropout": 0.0},  # smaller than by default: minutes of a core
}
TRAINING: dict[str, dict[str, Any]] = {
    "flow": {"epochs": 15, "batch_size": 256},
    "transformer": {"epochs": 4, "batch_size": 64, "lr": 3e-3},  # rate and dropout: held-back loss after two epochs
}
ALIKE: dict[str, Any] = {"quiet": True, "seed": 0, "validation": 0.0, "patience": None, "precision": "bf16-mixed"}


def fitted(model_name: str, data: str, name: str) -> tuple[Prior, float]:
    """A prior over the codes of a model of generating.models, and the processor seconds of its fit; kept in runs.

    name: normal, gaussian (one full Gaussian), mixture (of 10), flow or transformer.
    """
    path = TRAINED / f"{model_name}-{data}-{name}.safetensors"
    model = autoencoder(model_name, data)
    if not path.exists():
        began, prior = time.process_time(), new_prior(model, name)
        fit_prior(prior, codes_of(model, images(data, "train")))
        write_tensors(path, prior.state_dict(), {"cpu_seconds": round(time.process_time() - began, 1)})
    prior = new_prior(model, name)
    tensors, header = read_tensors(path)
    prior.load_state_dict(tensors)
    return prior.eval(), header["cpu_seconds"]


@torch.no_grad()
def codes_of(model: Autoencoder, x: Tensor) -> Tensor:
    """The codes of pictures N×C×H×W in [0, 1]; those of a VAE drawn from its posterior, and symbols of a VQ-VAE."""
    if model.spec.discrete:
        symbols = model.symbols(x, unit=True)
        assert symbols is not None
        return symbols
    if model.spec.prior is None:
        return model.encode(x, unit=True)
    parts = enumerate(x.split(BLOCK))
    return torch.cat([model.bottleneck(model.encoder(part), Context(Noise(0, k, len(part)))).z for k, part in parts])


def new_prior(model: Autoencoder, name: str) -> Prior:
    torch.manual_seed(0)
    kind = PRIORS["mixture" if name == "gaussian" else name]
    keys: dict[str, Any] = OPTIONS.get(name, {})
    if kind.discrete:
        return kind(model.code_shape[1:], codes=model.spec.codes, **keys)
    return kind(model.code_shape, **keys)


def fit_prior(prior: Prior, values: Tensor) -> None:
    """Fit a prior to codes N×shape, or symbols N×grid."""
    prior.fit(values)
    if prior.learned:
        kind = "labels" if prior.discrete else "features"
        shape, names = tuple(values.shape[1:]), Numbered(range(len(values)))
        codes = Data(values, shape, (0.0, 1.0), names, kind=kind, source={"kind": "codes"})
        fit(prior, codes, **prior.training_defaults | ALIKE | TRAINING[prior.name])


def pictures(model: Autoencoder, prior: Prior, count: int = COUNT) -> Tensor:
    """Pictures 0 to count - 1 of seed 0, N×C×H×W in [0, 1]."""
    made = []
    for first in range(0, count, BLOCK):
        codes = prior.sample(Draws(0, range(first, min(first + BLOCK, count))))
        made.append(model.decode(codes if codes.is_floating_point() else model.bottleneck.vectors(codes)))
    return torch.cat(made)
