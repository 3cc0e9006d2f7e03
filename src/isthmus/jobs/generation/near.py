"""Codes near that of a given item: variations of it, and completions of an image of which half is kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from isthmus.autoencoder import Autoencoder
from isthmus.errors import BadInput
from isthmus.jobs.generation.one_item import one_item
from isthmus.jobs.generation.sampling import BLOCK, Chosen, checked_options, in_blocks
from isthmus.priors import Prior


def varied_codes(
    model: Autoencoder,
    prior: Prior,
    source: Any,
    indices: Sequence[int],
    seed: int,
    label: int | None,
    temperature: float,
) -> Iterator[Chosen]:
    """Variations of an item. temperature: 0 is its code, 1 a sample of the prior. Raises BadInput for more."""
    if not 0 <= temperature <= 1:
        raise BadInput(f"temperature is {temperature}: for variations of an item, 0 to 1 is accepted")
    x = one_item(model, source)
    own = model.encode(x, unit=True) if not prior.discrete else model.symbols(x, unit=True)
    assert own is not None
    codes = repeated(own.to(model.device), BLOCK)
    labels = None if label is None else torch.full((BLOCK,), label, device=model.device)
    prior = prior.to(model.device)
    return in_blocks(indices, seed, model.device, lambda draws: prior.vary(codes, draws, labels, temperature))


def completed_codes(
    model: Autoencoder,
    prior: Prior,
    source: Any,
    indices: Sequence[int],
    seed: int,
    label: int | None,
    temperature: float,
    **options: Any,
) -> Iterator[Chosen]:
    """Completions of an image whose upper half is kept: the lower half is sampled, row by row of the code.

    Raises BadInput for a code that is no grid of symbols.
    """
    if not prior.discrete or len(prior.shape) != 2 or prior.shape[0] < 2:
        raise BadInput(
            "continue: needs a grid of discrete codes, sampled row by row; `isthmus train quantized` makes such a model"
        )
    own = checked_options(prior, options)
    symbols = model.symbols(upper_half(one_item(model, source)), unit=True)
    assert symbols is not None
    known = repeated(symbols.to(model.device), BLOCK)
    given = torch.zeros(prior.shape, dtype=torch.bool, device=model.device)
    given[: prior.shape[0] // 2] = True
    labels = None if label is None else torch.full((BLOCK,), label, device=model.device)
    prior = prior.to(model.device)
    own["known"] = (known, given.expand_as(known))
    return in_blocks(
        indices, seed, model.device, lambda draws: prior.sample(draws, labels, temperature, **own), temperature
    )


def upper_half(x: Tensor) -> Tensor:
    """1×C×H×W with the upper half mirrored into the lower one, which thus cannot influence a code near the border."""
    top = x[..., : -(-x.shape[-2] // 2), :]
    return torch.cat([top, top.flip(-2)], -2)[..., : x.shape[-2], :]


def repeated(code: Tensor, count: int) -> Tensor:
    return code.expand(count, *code.shape[1:]).contiguous()
