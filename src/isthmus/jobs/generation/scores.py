"""Scores of generated items against held-back and training ones, and their nearest training items, in features."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from isthmus.autoencoder import CHUNK
from isthmus.data import Data
from isthmus.features import find_features
from isthmus.features.grid import LEAST_STD, of_channels
from isthmus.features.shipped import shipped_names
from isthmus.metrics import density_coverage, duplicates, frechet_distance, nearest, precision_recall
from isthmus.types import Shape

Items = Tensor | Data  # N×shape in [0, 1], or data that give this
SIDE = 64  # pixels: smaller images are enlarged, or the coarsest layer of the shipped features has few positions


class Features:
    """The numbers by which items are compared: items in [0, 1], N×shape -> N×D. name: printed beside every score."""

    def __init__(self, name: str, compute: Callable[[Tensor], Tensor]) -> None:
        self.name, self.compute = name, compute

    @torch.no_grad()
    def parts(self, items: Items) -> Iterator[Tensor]:
        """N×D in order, a chunk at a time."""
        return (self.compute(part).float().cpu() for part in _chunks(items))

    def of(self, items: Items) -> Tensor:
        return torch.cat(list(self.parts(items)))


def features_for(training: Items, source: str | Path | nn.Module = "auto") -> Features:
    """The features of items: of images the mean of each channel of a network's layers, of others their values.

    source: of the network (isthmus.features.find_features); "auto" is the one that is shipped. The values of rows and
    series are standardized by those of the training items. Raises BadInput for an unknown source.
    """
    return _of_images(source) if len(_shape(training)) == 3 else _standardized(training)


def scores(
    generated: Items, held_out: Items, training: Items, features: str | Path | nn.Module | Features = "auto"
) -> dict[str, Any]:
    """Scores of generated items: how they differ from held-back ones, and how many copy training ones.

    generated, held_out, training: N×shape in [0, 1], or data. features: as for `features_for`.

    Raises BadInput for fewer than 6 items, and for an unknown source of features.
    """
    used = features if isinstance(features, Features) else features_for(training, features)
    return scores_of_features(used.of(generated), used.of(held_out), used.parts(training)) | {"features": used.name}


def scores_of_features(generated: Tensor, held_out: Tensor, training: Tensor | Iterable[Tensor]) -> dict[str, Any]:
    """The same from features N×D. See isthmus.metrics for each score.

    frechet_floor: that of real items, see `frechet_floor`. duplicates: the number of generated items that are as near
    to a training item as the nearest 1 % of held-back ones.
    """
    _, distance = nearest(torch.cat([generated, held_out]), training)
    copies = duplicates(distance[: len(generated)], distance[len(generated) :])
    precision, recall = precision_recall(held_out, generated)
    density, coverage = density_coverage(held_out, generated)
    return {
        "frechet_distance": frechet_distance(generated, held_out),
        "frechet_floor": frechet_floor(held_out, len(generated)),
        "precision": precision,
        "recall": recall,
        "density": density,
        "coverage": coverage,
        "duplicates": int(copies.sum()),
        "items": len(generated),
    }


def frechet_floor(held_out: Tensor, count: int) -> float:
    """The Fréchet distance of `count` real items from M×D held-back ones, estimated with two random halves of these.

    The distance between samples of one distribution falls as the sum of the reciprocals of their sizes (Chong & Forsyth
    2020), by which that of the halves is scaled.
    """
    order = torch.randperm(len(held_out), generator=torch.Generator().manual_seed(0))
    one, other = held_out[order].tensor_split(2)
    of_halves = 1 / len(one) + 1 / len(other)
    return frechet_distance(one, other) * (1 / count + 1 / len(held_out)) / of_halves


def _of_images(source: str | Path | nn.Module) -> Features:
    network = find_features(source)
    shipped = str(source) == "auto" or str(source) in shipped_names()

    def compute(x: Tensor) -> Tensor:
        x = of_channels(x, network)
        if shipped and (least := min(x.shape[2:])) < SIDE:
            x = F.interpolate(x, scale_factor=SIDE / least, mode="bilinear")
        return torch.cat([layer.flatten(2).mean(2) for layer in network(x)], 1)

    name = type(source).__name__ if isinstance(source, nn.Module) else str(source)
    return Features("isthmus features" if name == "auto" else name, compute)


def _standardized(training: Items) -> Features:
    total, squares, count = torch.zeros(2, dtype=torch.float64), torch.zeros(2, dtype=torch.float64), 0
    for part in _chunks(training):
        x = part.flatten(1).double()
        total, squares = (total, squares) if count else (torch.zeros(x.shape[1]), torch.zeros(x.shape[1]))
        total, squares, count = total + x.sum(0), squares + x.square().sum(0), count + len(x)
    mean = total / count
    std = (squares / count - mean.square()).clamp(min=0).sqrt().clamp(min=LEAST_STD)
    return Features("values", lambda x: (x.flatten(1) - mean) / std)


def _chunks(items: Items) -> Iterator[Tensor]:
    """Items as float32 in [0, 1], CHUNK at a time."""
    for first in range(0, len(items), CHUNK):
        rows = np.arange(first, min(first + CHUNK, len(items)))
        yield items[rows].float() if isinstance(items, Tensor) else items.floats(rows)


def _shape(items: Items) -> Shape:
    return tuple(items.shape[1:]) if isinstance(items, Tensor) else items.shape
