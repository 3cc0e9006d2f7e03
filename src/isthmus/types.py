"""The few things that the words of the sentence hand to each other.

x̃ = corrupt(x);  h, skips = encode(x̃);  z, penalty = bottleneck(h);  y = decode(z, skips);  compare(y, target)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, reduce
from typing import Any, TypeVar

import torch
from torch import Tensor

Shape = tuple[int, ...]
R = TypeVar("R", bound="Record")


def times(shape: Iterable[int]) -> str:
    """(3, 32, 32) -> "3×32×32"."""
    return "×".join(str(size) for size in shape)


class Noise:
    """All the randomness of one step, drawn for the whole global batch and then cut to this part of it.

    So the numbers that an item meets depend on (seed, step) and its place in the global batch only: not on how many
    machines or micro-batches share the work, and a resumed run needs no generator state. `rows` is this part.
    """

    def __init__(self, seed: int, step: int, total: int, rows: slice | None = None, device: Any = "cpu") -> None:
        self.total, self.rows, self.device = total, rows or slice(0, total), device
        self.key = mixed(mixed(seed) + step)

    @cached_property
    def generator(self) -> torch.Generator:
        return torch.Generator(device=self.device).manual_seed(self.key)

    def normal(self, *shape: int) -> Tensor:
        """N×shape standard normal numbers, one row an item."""
        return torch.randn(self.total, *shape, generator=self.generator, device=self.device)[self.rows]

    def uniform(self, *shape: int) -> Tensor:
        """N×shape numbers from [0, 1), one row an item."""
        return torch.rand(self.total, *shape, generator=self.generator, device=self.device)[self.rows]

    def places(self, count: int, each: int = 1) -> tuple[Tensor, Tensor]:
        """`count` random places among all items of the global batch, `each` to an item.

        Returns the places counted from the first of this part, and whether they lie in it: of a batch that is shared
        out, every place lies in one part.
        """
        drawn = torch.rand(count, generator=self.generator, device=self.device)
        place = (drawn * self.total * each).long() - self.rows.start * each
        return place, (place >= 0) & (place < (self.rows.stop - self.rows.start) * each)


def mixed(key: int) -> int:
    """SplitMix64 (Steele et al. 2014): each bit of a 64-bit key changes about half the bits of the result.

    torch's generator of a CPU keeps the lowest 32 bits of its seed only, so all of a key has to be found in these.
    """
    key = (key + 0x9E3779B97F4A7C15) % 2**64
    key = (key ^ key >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    key = (key ^ key >> 27) * 0x94D049BB133111EB % 2**64
    return key ^ key >> 31


class Record:
    """Named values that travel together. No dataclass: Fabric would walk into it and rebuild it at every step."""

    def replace(self: R, **changes: Any) -> R:
        """The same with some values changed."""
        new = object.__new__(type(self))  # a fourth of the time of copy.copy
        new.__dict__.update(self.__dict__ | changes)
        return new


class Sample(Record):
    """A batch on its way through the sentence: x and target N×..., weight for the loss, and side conditions.

    corrupted: whether x is x̃ already, made ahead of the step; a model then leaves it as it is.
    """

    corrupted = False

    def __init__(
        self,
        x: Tensor,
        target: Tensor,
        weight: Tensor | float = 1.0,
        condition: Mapping[str, Tensor] | None = None,
    ) -> None:
        self.x, self.target, self.weight = x, target, weight
        self.condition: Mapping[str, Tensor] = condition or {}

    @classmethod
    def of(cls, x: Tensor, paired: bool = False) -> Sample:
        """x is its own target; or, `paired`, it holds both, one after the other along the channels."""
        return cls(*x.tensor_split(2, 1)) if paired else cls(x, x)  # type: ignore[misc, arg-type]

    def each(self, change: Callable[[Tensor], Tensor]) -> Sample:
        """The same with every tensor changed: cut to some items, or moved to a device."""
        weight = change(self.weight) if isinstance(self.weight, Tensor) else self.weight
        x = change(self.x)
        target = x if self.target is self.x else change(self.target)
        return self.replace(
            x=x, target=target, weight=weight, condition={k: change(v) for k, v in self.condition.items()}
        )


class Context(Record):
    """What every word may read besides its own input.

    noise: None where nothing random is wanted (using a model). progress: share of the training done, 0 to 1.
    encode: x̃ -> h, for a bottleneck that wants a derivative of the encoder.
    """

    def __init__(
        self,
        noise: Noise | None = None,
        progress: float = 1.0,
        x: Tensor | None = None,
        encode: Callable[[Tensor], Tensor] | None = None,
        condition: Mapping[str, Tensor] | None = None,
    ) -> None:
        self.noise, self.progress, self.x, self.encode = noise, progress, x, encode
        self.condition: Mapping[str, Tensor] = condition or {}


@dataclass
class Code:
    """What a bottleneck returns: the code z, its price in nats an item, figures to log, symbols if discrete.

    sums: what the bottleneck wants to be told after the step, added up over the whole global batch, whatever
    micro-batches and machines it was shared out to (counts of a codebook, activity of units).
    """

    z: Tensor
    penalty: Tensor
    stats: dict[str, Tensor] = field(default_factory=dict)
    symbols: Tensor | None = None
    sums: dict[str, Tensor] = field(default_factory=dict)


class Losses:
    """The loss as a typed record: `terms`, each [N] in nats, so that logs, tests and the NaN guard read the same names.

    stats: means over these items, to log. sums: what after_step is to be told of them (see Code).
    """

    def __init__(
        self,
        terms: dict[str, Tensor],
        stats: dict[str, Tensor] | None = None,
        sums: dict[str, Tensor] | None = None,
    ) -> None:
        self.terms, self.stats, self.sums = terms, stats or {}, sums or {}

    @cached_property
    def total(self) -> Tensor:
        """The mean over the batch of the sum of the terms: one number to differentiate."""
        return reduce(torch.add, [term.float() for term in self.terms.values()]).mean()

    def detached(self) -> Losses:
        """The numbers alone, so that what led to them can be freed."""
        bare = Losses(*({name: value.detach() for name, value in group.items()} for group in (self.terms, self.stats)))
        bare.total = self.total.detach()
        return bare
