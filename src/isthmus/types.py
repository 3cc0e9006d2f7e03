"""Types that the parts of a model pass to each other: Noise, Sample, Context, Code, Losses.

x̃ = corrupt(x);  h, skips = encode(x̃);  z, penalty = bottleneck(h);  y = decode(z, skips);  compare(y, target)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, reduce
from typing import Any, TypeVar

import torch
from torch import Tensor

from isthmus.fields import Field

Shape = tuple[int, ...]
COMPARED = ("reconstruction", "penalty")  # terms by which models are compared; others are auxiliary
R = TypeVar("R", bound="Record")


def times(shape: Iterable[int]) -> str:
    """(3, 32, 32) -> "3×32×32"."""
    return "×".join(str(size) for size in shape)


class Noise:
    """All random numbers of one step, drawn for the global batch, then cut to `rows`, one rank's or micro-batch's part.

    So the numbers of an item depend only on (seed, step) and its index in the global batch: not on how many machines
    or micro-batches share the work, and a resumed run needs no generator state.
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

    def positions(self, count: int, each: int = 1) -> tuple[Tensor, Tensor]:
        """`count` random positions in the global batch, which has `each` positions per item.

        Returns the positions relative to the first of `rows`, and whether they lie in `rows`: every position lies in
        the rows of exactly one rank.
        """
        drawn = torch.rand(count, generator=self.generator, device=self.device)
        position = (drawn * self.total * each).long() - self.rows.start * each
        return position, (position >= 0) & (position < (self.rows.stop - self.rows.start) * each)


def mixed(key: int) -> int:
    """SplitMix64 (Steele et al. 2014): each bit of a 64-bit key changes about half the bits of the result.

    torch's CPU generator uses only the lowest 32 bits of its seed, so these have to depend on all bits of the key.
    """
    key = (key + 0x9E3779B97F4A7C15) % 2**64
    key = (key ^ key >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    key = (key ^ key >> 27) * 0x94D049BB133111EB % 2**64
    return key ^ key >> 31


class Record:
    """Base of records with named values. No dataclass: Fabric would rebuild it at every step."""

    def replace(self: R, **changes: Any) -> R:
        """A copy with some values changed."""
        new = object.__new__(type(self))  # a fourth of the time of copy.copy
        new.__dict__.update(self.__dict__ | changes)
        return new


class Sample(Record):
    """A batch: x and target N×..., weight for the loss, and side conditions.

    fields: by name, "x", "target", "weight" or that of a condition, as a data set describes them; a tensor without one
    is an image if it is N×C×H×W. corrupted: whether x has been corrupted ahead of the step; a model then does not
    corrupt it again.
    """

    corrupted = False

    def __init__(
        self,
        x: Tensor,
        target: Tensor,
        weight: Tensor | float = 1.0,
        condition: Mapping[str, Tensor] | None = None,
        fields: Mapping[str, Field] | None = None,
    ) -> None:
        self.x, self.target, self.weight = x, target, weight
        self.condition: Mapping[str, Tensor] = condition or {}
        self.fields: Mapping[str, Field] = fields or {}

    @classmethod
    def of(cls, x: Tensor) -> Sample:
        """x is its own target."""
        return cls(x, x)

    @classmethod
    def of_fields(cls, values: dict[str, Tensor], fields: Mapping[str, Field]) -> Sample:
        """ "x", "target" (else x) and "weight"; all others are conditions."""
        x = values.pop("x")
        return cls(x, values.pop("target", x), values.pop("weight", 1.0), values, fields)

    def kind_of_target(self) -> str:
        """The kind of the target's field; "" if none is described, as of an x that is its own target."""
        field = self.fields.get("target")
        return field.kind if field else ""

    def repeated(self, times: int) -> Sample:
        """Every item `times` times, one after the other."""
        return self if times == 1 else self.each(lambda tensor: tensor.repeat_interleave(times, 0))

    def each(self, change: Callable[[Tensor], Tensor]) -> Sample:
        """Apply `change` to every tensor, such as a cut to some items or a move to a device."""
        return self.map(lambda tensor, field: change(tensor))

    def map(self, change: Callable[[Tensor, Field | None], Tensor]) -> Sample:
        """Apply `change` to every tensor and its field, None if it has none."""
        field = self.fields.get
        x = change(self.x, field("x"))
        target = x if self.target is self.x else change(self.target, field("target"))
        weight = change(self.weight, field("weight")) if isinstance(self.weight, Tensor) else self.weight
        condition = {name: change(value, field(name)) for name, value in self.condition.items()}
        return self.replace(x=x, target=target, weight=weight, condition=condition)

    def in_units(self) -> Sample:
        """The stored values of every field in the units of the model."""
        scaled = self.map(lambda tensor, field: field.to_units(tensor) if field else tensor)
        return scaled.replace(fields={name: field.in_units for name, field in self.fields.items()})


class Context(Record):
    """Inputs that every part of a model may read besides its own.

    noise: None at inference, which is deterministic. progress: fraction of the training done, 0 to 1.
    encode: x̃ -> h, for a bottleneck that needs a derivative of the encoder. draws: codes drawn for each item, each with
    the penalty log q(z|x) − log p(z); None: by the bottleneck's own choice.
    """

    def __init__(
        self,
        noise: Noise | None = None,
        progress: float = 1.0,
        x: Tensor | None = None,
        encode: Callable[[Tensor], Tensor] | None = None,
        condition: Mapping[str, Tensor] | None = None,
        draws: int | None = None,
    ) -> None:
        self.noise, self.progress, self.x, self.encode, self.draws = noise, progress, x, encode, draws
        self.condition: Mapping[str, Tensor] = condition or {}


@dataclass
class Code:
    """Output of a bottleneck: the code z, its penalty in nats [N], statistics to log, symbols if discrete.

    sums: statistics all-reduced over the global batch, then passed to after_step() (counts of a codebook, activity
    of units). draws: codes of each item, one after the other: z and penalty are then N·draws long.
    """

    z: Tensor
    penalty: Tensor
    stats: dict[str, Tensor] = field(default_factory=dict)
    symbols: Tensor | None = None
    sums: dict[str, Tensor] = field(default_factory=dict)
    draws: int = 1


def mean_sum(terms: Iterable[Tensor]) -> Tensor:
    """The mean over the batch of the sum of terms, each [N]."""
    return reduce(torch.add, [term.float() for term in terms]).mean()


def no_penalty(z: Tensor) -> Tensor:
    """A penalty of zero, [N]."""
    return z.new_zeros(z.shape[0])


class Losses:
    """The loss as a typed record: `terms`, each [N] in nats, so that logs, tests and the NaN guard read the same names.

    stats: means over these items, to log. sums: see Code.
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
        return mean_sum(self.terms.values())

    @cached_property
    def compared(self) -> Tensor:
        """The total without auxiliary terms, by which models are compared."""
        terms = [self.terms[name] for name in COMPARED if name in self.terms]
        return self.total if len(terms) == len(self.terms) else mean_sum(terms)

    def detached(self) -> Losses:
        """A copy without the autograd graph, so that its memory can be freed."""
        bare = Losses(*({name: value.detach() for name, value in group.items()} for group in (self.terms, self.stats)))
        bare.total = self.total.detach()
        return bare
