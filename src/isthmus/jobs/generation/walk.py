"""Paths between codes: straight and spherical interpolation, closed walks through several codes."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import torch
from torch import Tensor

from isthmus.autoencoder import Autoencoder
from isthmus.errors import Note
from isthmus.jobs.generation.sampling import Chosen, vectors
from isthmus.priors import Prior


def straight(a: Tensor, b: Tensor, weights: Tensor) -> Tensor:
    """Codes on the line from a to b, 1×shape each -> len(weights)×shape."""
    return torch.lerp(a, b, weights.view(-1, *[1] * (a.dim() - 1)).to(a))


def spherical(a: Tensor, b: Tensor, weights: Tensor) -> Tensor:
    """Codes on the great circle from a to b, their lengths interpolated (Shoemake 1985; White 2016).

    Samples of N(0, I) lie near a sphere, and the middle of a line between two is nearer to its center than any sample.
    """
    lengths = a.norm(), b.norm()
    if not float(lengths[0]) or not float(lengths[1]):
        return straight(a, b, weights)
    one, other = a / lengths[0], b / lengths[1]
    angle = torch.arccos((one * other).sum().clamp(-1, 1))
    if float(angle) < 1e-4 or float(angle) > torch.pi - 1e-4:  # no circle, or no single one, passes through them
        return straight(a, b, weights)
    t = weights.view(-1, *[1] * (a.dim() - 1)).to(a)
    direction = (torch.sin((1 - t) * angle) * one + torch.sin(t * angle) * other) / torch.sin(angle)
    return direction * torch.lerp(lengths[0], lengths[1], t)


def walked_codes(model: Autoencoder, prior: Prior, blocks: Iterator[Chosen], steps: int) -> Iterator[Chosen]:
    """Codes on a closed path through the sampled ones, `steps` from each to the next, in the units of the prior."""
    note_if_discrete(model)
    corners = torch.cat([vectors(model, codes)[wanted] for codes, wanted in blocks])
    weights = torch.arange(steps) / steps
    for first, second in zip(corners, corners.roll(-1, 0), strict=True):
        yield Chosen(between(prior, first[None], second[None], weights, True), list(range(steps)))


def between(prior: Prior | None, a: Tensor, b: Tensor, weights: Tensor, sphere: bool) -> Tensor:
    """Codes between a and b; spherical in the standardized units of a prior, where it has some."""
    if not sphere:
        return straight(a, b, weights)
    if prior is None or prior.discrete:
        return spherical(a, b, weights)
    return prior.restored(spherical(prior.standardized(a), prior.standardized(b), weights))


def note_if_discrete(model: Autoencoder) -> None:
    if model.spec.discrete:
        warnings.warn("the codes are discrete: codes between two of them are not in the codebook", Note, stacklevel=3)
