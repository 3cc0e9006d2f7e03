"""Weights before the first step: a linear path at PCA, the last layer at the mean of the data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from isthmus.bottlenecks import Bottleneck
from isthmus.networks import LinearPathDecoder, LinearPathEncoder, Principal
from isthmus.objectives import Objective
from isthmus.types import Context, Noise, Sample

VIEWS = 3000  # items that PCA is fitted on, where an augmentation makes several of each
MOST = 2**28  # numbers of all of them together, 1 GB
LOOKED_AT = 512  # items that tell the mean, where nobody else looks at more


def start_at_pca(
    encoder: LinearPathEncoder,
    bottleneck: nn.Module,
    decoder: nn.Module,
    objective: Objective,
    augment: nn.Module | None,
    samples: Iterable[Sample],
) -> None:
    """The linear path becomes PCA of the samples, seen as a training sees them; the net beside it adds nothing."""
    assert isinstance(decoder, LinearPathDecoder)
    assert isinstance(bottleneck, Bottleneck)
    seen = torch.cat([sample.target for sample in views(list(samples), augment)])
    principal = Principal(seen, encoder.components)
    encoder.start(principal)
    back = bottleneck.start_linear(encoder.features, principal.deviation, principal.residual)
    decoder.start(principal, *back)
    objective.start(principal.residual)


def views(samples: list[Sample], augment: Any) -> list[Sample]:
    """The samples, or, where there is an augmentation, as many views of each as make about VIEWS items."""
    count = sum(len(sample.x) for sample in samples)
    most = max(2, MOST // samples[0].target[0].numel())
    if augment is None or count > most:
        return samples[: max(1, most * len(samples) // count)]
    found = []
    for view in range(max(1, round(min(VIEWS, most) / count))):
        for sample in samples:
            noise = Noise(0, -1 - view, len(sample.x), device=sample.x.device)
            found.append(augment(sample, Context(noise, progress=0.0)))
    return found


class MeanOf:
    """Samples to go through once, and the mean of each channel of the targets that were gone through."""

    def __init__(self, samples: Iterable[Sample]) -> None:
        self.samples, self.total, self.values = iter(samples), torch.zeros(()), 0

    def __iter__(self) -> Iterator[Sample]:
        for sample in self.samples:
            self.total = self.total + sample.target.float().flatten(2).sum((0, 2)).cpu()
            self.values += sample.target.numel() // sample.target.shape[1]
            yield sample

    def channels(self) -> Tensor:
        """[C]; of LOOKED_AT items at least, where there are so many."""
        seen = 0
        for sample in self if not self.values else ():
            seen += len(sample.x)
            if seen >= LOOKED_AT:
                break
        return self.total / max(1, self.values)


def start_at_mean(decoder: nn.Module, objective: Objective, mean: MeanOf) -> None:
    """The bias of the last layer, where it has one number a channel, becomes the mean of the data."""
    layers = [layer for layer in decoder.modules() if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d))]
    if not layers or layers[-1].bias is None or objective.channels != 1:
        return
    color = mean.channels().clamp(0.01, 0.99)
    if layers[-1].bias.shape == color.shape:
        layers[-1].bias.copy_(color if objective.link == "identity" else color.logit())
