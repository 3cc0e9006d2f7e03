"""The features that pictures are compared by: a classifier of the set, or the features that the package ships."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor

from generating.models import TRAINED
from generating.sets import TITLES, images
from isthmus.jobs.generation.scores import Features, features_for, scores_of_features
from isthmus.store import read_tensors, write_tensors
from train_classifier import SETS as CLASSIFIED
from train_classifier import trained


@cache
def features(data: str) -> Features:
    if data in CLASSIFIED:
        return Features(f"{TITLES[data]} classifier features", trained(data)[0].features)
    return features_for(images(data, "test")[:1])


@cache
def real(data: str) -> dict[str, Tensor]:
    """The features of the training and the test pictures, N×D each; computed once and kept."""
    path = TRAINED / f"features-{data}.safetensors"
    if not path.exists():
        write_tensors(path, {part: features(data).of(images(data, part)) for part in ("train", "test")})
    return read_tensors(path)[0]


def scored(data: str, generated: Tensor) -> dict[str, Any]:
    """Scores of generated pictures N×C×H×W in [0, 1] against the test pictures of a set."""
    own = real(data)
    return scores_of_features(features(data).of(generated), own["test"], own["train"]) | {
        "features": features(data).name
    }


def scores_of_training_pictures(data: str) -> dict[str, Any]:
    """The scores of as many training pictures as there are test pictures: of a prior that knows them by heart."""
    own = real(data)
    order = torch.randperm(len(own["train"]), generator=torch.Generator().manual_seed(0))[: len(own["test"])]
    found = scores_of_features(own["train"][order], own["test"], own["train"])
    return found | {"features": features(data).name}
