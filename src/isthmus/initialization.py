"""Initialization from data: the linear path by PCA, the bias of the last layer by the mean color."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from isthmus.bottlenecks import Bottleneck
from isthmus.networks import DenseEncoder, LinearPathDecoder, LinearPathEncoder, Principal
from isthmus.objectives import Objective
from isthmus.types import Context, Noise, Sample

VIEWS = 3000  # augmented items that PCA is fitted on
MOST = 2**28  # numbers in all items together, 1 GB
MEAN_ITEMS = 512  # items for the mean, if the bottleneck reads no more


def start_at_pca(
    encoder: LinearPathEncoder,
    bottleneck: nn.Module,
    decoder: nn.Module,
    objective: Objective,
    augment: nn.Module | None,
    samples: Iterable[Sample],
) -> None:
    """Set the linear path to PCA of the augmented samples; the nonlinear path adds 0 at first."""
    assert isinstance(decoder, LinearPathDecoder)
    assert isinstance(bottleneck, Bottleneck)
    targets = torch.cat([sample.target for sample in views(list(samples), augment)])
    principal = Principal(targets, encoder.components)
    encoder.start(principal)
    back = bottleneck.start_linear(encoder.features, principal.deviation, principal.residual)
    decoder.start(principal, *back)
    objective.start(principal.residual)


def views(samples: list[Sample], augment: Any) -> list[Sample]:
    """The samples; with an augmentation, so many views of each that they are about VIEWS items."""
    count = sum(len(sample.x) for sample in samples)
    most = max(2, MOST // samples[0].target[0].numel())
    if augment is None or count > most:
        return samples[: max(1, most * len(samples) // count)]
    result = []
    for view in range(max(1, round(min(VIEWS, most) / count))):
        for sample in samples:
            noise = Noise(0, -1 - view, len(sample.x), device=sample.x.device)
            result.append(augment(sample, Context(noise, progress=0.0)))
    return result


class MeanOf:
    """An iterator over samples that adds up the mean of each channel of their targets."""

    def __init__(self, samples: Iterable[Sample]) -> None:
        self.samples, self.total, self.values, self.labels = iter(samples), torch.zeros(()), 0, False

    def __iter__(self) -> Iterator[Sample]:
        for sample in self.samples:
            self.total = self.total + sample.target.float().flatten(2).sum((0, 2)).cpu()
            self.values += sample.target.numel() // sample.target.shape[1]
            self.labels = sample.kind_of_target() == "labels"  # which have no mean
            yield sample

    def channels(self) -> Tensor:
        """[C], the means of the samples read so far; of at least MEAN_ITEMS items, if there are so many."""
        seen = 0
        for sample in self if not self.values else ():
            seen += len(sample.x)
            if seen >= MEAN_ITEMS:
                break
        return self.total / max(1, self.values)


def first_of(samples: Iterable[Sample]) -> Iterator[Sample]:
    """The first samples, up to MEAN_ITEMS items."""
    seen = 0
    for sample in samples:
        if seen >= MEAN_ITEMS:
            return
        seen += len(sample.x)
        yield sample


def start_at_mean_item(encoder: DenseEncoder, decoder: nn.Module, objective: Objective, samples: list[Sample]) -> None:
    """The encoder subtracts the mean item, and the decoder returns it for a code of zeros.

    A VAE then uses more units from the start.
    """
    encoder.mean.copy_(torch.cat([sample.x.flatten(1) for sample in samples]).float().mean(0))
    mean = torch.cat([sample.target.flatten(1) for sample in samples]).float().mean(0)
    *_, last = (layer for layer in decoder.modules() if isinstance(layer, nn.Linear))
    if objective.channels == 1 and last.bias.shape == mean.shape:
        last.bias.copy_(mean.clamp(0.01, 0.99).logit() if objective.link == "sigmoid" else mean)


def start_at_mean(decoder: nn.Module, objective: Objective, mean: MeanOf) -> None:
    """Set the bias of the last layer, if it has one number for each channel, to the mean of the data."""
    layers = [layer for layer in decoder.modules() if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d))]
    if not layers or layers[-1].bias is None or objective.channels != 1:
        return
    color = mean.channels().clamp(0.01, 0.99)
    if layers[-1].bias.shape == color.shape and not mean.labels:
        layers[-1].bias.copy_(color if objective.link == "identity" else color.logit())
