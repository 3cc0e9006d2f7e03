"""Priors over the codes of the trained autoencoders, without labels, and pictures sampled from them."""

from __future__ import annotations

import time
from typing import Any

import torch
from torch import Tensor

from generating.models import TRAINED, autoencoder
from generating.sets import training_images
from isthmus.autoencoder import Autoencoder
from isthmus.data.base import Data, Numbered
from isthmus.jobs.generation.codes import training_codes
from isthmus.jobs.generation.sampling import sampled_codes, sampled_items
from isthmus.priors import PRIORS, Prior
from isthmus.store import read_tensors, write_tensors
from isthmus.training import fit

COUNT, BLOCK = 10_000, 250
OPTIONS: dict[str, dict[str, Any]] = {  # smaller than the defaults, for minutes of one core
    "gaussian": {"components": 1},
    "flow": {"depth": 3},
    "transformer": {"width": 96, "depth": 3, "heads": 4},
}
TRAINING: dict[str, dict[str, Any]] = {"flow": {"epochs": 12}, "transformer": {"epochs": 4}}
ALIKE: dict[str, Any] = {"quiet": True, "seed": 0, "validation": 0.0, "patience": None, "precision": "bf16-mixed"}


def fitted(model_name: str, data: str, name: str) -> tuple[Prior, float]:
    """A prior over the codes of a model of generating.models, and the processor seconds of its fit; kept in runs.

    name: normal, gaussian (one full Gaussian), mixture (of 10), flow or transformer.
    """
    path = TRAINED / f"{model_name}-{data}-{name}.safetensors"
    model = autoencoder(model_name, data)
    if not path.exists():
        values = training_codes(model, data=training_images(data)).values
        began, prior = time.process_time(), new_prior(model, name)
        fit_prior(prior, values)
        write_tensors(path, prior.state_dict(), {"cpu_seconds": round(time.process_time() - began, 1)})
    prior = new_prior(model, name)
    tensors, header = read_tensors(path)
    prior.load_state_dict(tensors)
    return prior.eval(), header["cpu_seconds"]


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
        shape = tuple(values.shape[1:])
        codes = Data(values, shape, (0.0, 1.0), Numbered(range(len(values))), kind=kind, source={"kind": "codes"})
        fit(prior, codes, **prior.training_defaults | ALIKE | TRAINING[prior.name])


def pictures(model: Autoencoder, prior: Prior, count: int = COUNT) -> Tensor:
    """Pictures 0 to count - 1 of seed 0, N×C×H×W in [0, 1]."""
    return torch.cat(list(sampled_items(model, sampled_codes(model, prior, range(count), block=BLOCK))))
