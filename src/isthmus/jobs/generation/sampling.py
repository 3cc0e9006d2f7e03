"""Codes sampled from a prior, in blocks of fixed indices: an item is the same to the bit alone and among others."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import Any, NamedTuple

import torch
from torch import Tensor

from isthmus.autoencoder import Autoencoder
from isthmus.errors import BadInput
from isthmus.priors import Draws, Prior

# Codes that are sampled, and items that are decoded together: arithmetic in a batch of another size rounds differently.
BLOCK, DECODED = 64, 16


class Chosen(NamedTuple):
    """A block of codes N×code_shape, or symbols N×grid, and the positions of the items in it that are wanted."""

    codes: Tensor
    wanted: list[int]


def sampled_codes(
    model: Autoencoder,
    prior: Prior,
    indices: Sequence[int],
    seed: int = 0,
    label: int | None = None,
    temperature: float = 1.0,
    *,
    block: int = BLOCK,
    **options: Any,
) -> Iterator[Chosen]:
    """Blocks of codes of the items `indices` of a seed, ascending.

    label: of all of them. options: further arguments of prior.sample, such as top_k; None stands for the default.
    Raises BadInput for an option that the prior does not have, and for a temperature below 0.
    """
    own = checked_options(prior, options)
    labels = None if label is None else torch.full((block,), label, device=model.device)
    prior = prior.to(model.device)
    return in_blocks(
        indices, seed, model.device, lambda draws: prior.sample(draws, labels, temperature, **own), temperature, block
    )


def in_blocks(
    indices: Sequence[int],
    seed: int,
    device: torch.device,
    sample: Callable[[Draws], Tensor],
    temperature: float = 1.0,
    block: int = BLOCK,
) -> Iterator[Chosen]:
    """Call `sample` with the draws of each block that holds some of the indices."""
    if not 0 <= temperature < float("inf"):
        raise BadInput(f"temperature is {temperature}: 0 or more is accepted")
    return _blocks(indices, seed, device, sample, block)


def _blocks(
    indices: Sequence[int], seed: int, device: torch.device, sample: Callable[[Draws], Tensor], block: int
) -> Iterator[Chosen]:
    for number, inside in groupby(indices, lambda index: index // block):
        first = number * block
        with torch.no_grad():
            codes = sample(Draws(seed, range(first, first + block), device))
        yield Chosen(codes, [index - first for index in inside])


def sampled_items(model: Autoencoder, blocks: Iterator[Chosen]) -> Iterator[Tensor]:
    """The wanted items of each block, decoded: N×shape in [0, 1]."""
    for codes, wanted in blocks:
        parts = vectors(model, codes).split(DECODED)
        for number in dict.fromkeys(position // DECODED for position in wanted):
            inside = [position % DECODED for position in wanted if position // DECODED == number]
            yield model.decode(parts[number])[inside]


def vectors(model: Autoencoder, codes: Tensor) -> Tensor:
    """Codes as the decoder takes them; symbols become the vectors of the codebook."""
    return codes if codes.is_floating_point() else model.bottleneck.vectors(codes)  # type: ignore[operator, no-any-return]


def checked_options(prior: Prior, options: dict[str, Any]) -> dict[str, Any]:
    """The options that are given. Raises BadInput for one that prior.sample does not take."""
    given = {key: value for key, value in options.items() if value is not None}
    for key in given:
        if key not in inspect.signature(prior.sample).parameters:
            raise BadInput(f"{key.replace('_', '-')}: is no option of the prior {prior.name}")
    return given
