"""What every corruption is, how several become one, and how all of them are written in a line of text.

'gaussian:0.3' is one; 'masking:0.25+gaussian:0.1' is one after the other; 'gaussian:0-0.2,jpeg:10-90' is one of the
two for each item. A strength is a number, or a range low-high to draw from.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from isthmus.errors import BadInput, unknown
from isthmus.registry import register
from isthmus.types import Context, Noise, Sample

F = TypeVar("F", bound=Callable[..., Any])
Range = float | Sequence[float]  # one number, or (low, high) to draw one an item


class Corruption(nn.Module):
    """Base of all corruptions: a batched module that changes x and draws from ctx.noise alone.

    extra: channels that x̃ has more than x, at its end (a mask). scale: how many times smaller x̃ is than the target.
    reach, stride: pixels that x̃ depends on around one, and what a part of a picture must begin at a multiple of, to be
    given as the whole is.
    tell: whether the target ends with the mask of the damage, for a network that is to predict it.
    clean: whether the target is the picture as it should be; else x is noisy itself (see alone.py).
    What was drawn is put into the condition, one row an item.
    """

    extra = 0
    scale = 1
    reach = 0
    stride = 1
    clean = True
    tell = False

    def forward(self, sample: Sample, ctx: Context) -> Sample:
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def prepare_input(self, x: Tensor, **side: Tensor) -> Tensor:
        """x̃ for an x that life has damaged already; `side` is what is known of the damage, here nothing.

        Raises BadInput for a side that this corruption does not know.
        """
        if side:
            raise BadInput(f"{', '.join(side)}: this model takes the picture alone")
        return x

    @staticmethod
    def read(text: str) -> Any:
        """The constructor's first argument from the text after the colon; ValueError where it is none."""
        return numbers(text)


@register
class Compose(Corruption):
    """One corruption after the other. Last comes one that appends a mask, so that none damages the mask, or one that
    makes a target of what it sees."""

    def __init__(self, corruptions: Sequence[Corruption]) -> None:
        super().__init__()
        if any(part.extra for part in corruptions[:-1]):
            raise BadInput("a corruption that appends a mask comes last, as in gaussian:0.1+holes")
        if not all(part.clean for part in corruptions[:-1]):
            raise BadInput("what learns from noisy pictures alone comes last, as in gaussian:0.1+neighbours")
        self.corruptions = nn.ModuleList(corruptions)
        self.extra = sum(part.extra for part in corruptions)
        self.scale = math.prod(part.scale for part in corruptions)
        last = corruptions[-1]
        self.reach, self.stride, self.clean, self.tell = last.reach, last.stride, last.clean, last.tell

    def forward(self, sample: Sample, ctx: Context) -> Sample:
        for corruption in self.corruptions:
            sample = corruption(sample, ctx)
        return sample

    def prepare_input(self, x: Tensor, **side: Tensor) -> Tensor:
        return self.corruptions[-1].prepare_input(x, **side)  # type: ignore[operator, no-any-return]


@register
class OneOf(Corruption):
    """One of several corruptions for each item, each as likely as another: a model blind to the kind of damage.

    The condition holds what any of them says; it is 0 for the items that met another.
    """

    def __init__(self, corruptions: Sequence[Corruption]) -> None:
        super().__init__()
        if len({(part.extra, part.scale) for part in corruptions}) != 1:
            raise BadInput("of corruptions to choose from, all or none append a mask, and all shrink alike")
        if not all(part.clean for part in corruptions):
            raise BadInput("what learns from noisy pictures alone is none of several corruptions to choose from")
        self.corruptions = nn.ModuleList(corruptions)
        first = corruptions[0]
        self.extra, self.scale, self.reach, self.stride = first.extra, first.scale, first.reach, first.stride

    def forward(self, sample: Sample, ctx: Context) -> Sample:
        noise, count = drawn(ctx), len(sample.x)
        choice = (noise.uniform() * len(self.corruptions)).long()
        found: dict[str, Tensor] = {}
        for number, corruption in enumerate(self.corruptions):
            # Also where no item of this part chose it: what the others draw must not depend on that.
            rows = (choice == number).nonzero().flatten()
            weight = sample.weight[rows] if isinstance(sample.weight, Tensor) else sample.weight
            chosen = sample.replace(x=sample.x[rows], target=sample.target[rows], weight=weight, condition={})
            chosen = corruption(chosen, ctx.replace(noise=Chosen(noise, rows)))
            told = {"x": chosen.x, "target": chosen.target, **chosen.condition}
            if isinstance(chosen.weight, Tensor):
                told["weight"] = chosen.weight
            for key, value in told.items():
                found.setdefault(key, value.new_zeros(count, *value.shape[1:]))[rows] = value
        x, target, weight = found.pop("x"), found.pop("target"), found.pop("weight", sample.weight)
        return sample.replace(x=x, target=target, weight=weight, condition={**sample.condition, **found})

    def prepare_input(self, x: Tensor, **side: Tensor) -> Tensor:
        return self.corruptions[0].prepare_input(x, **side)  # type: ignore[operator, no-any-return]


class Chosen(Noise):
    """The noise of some rows only; drawn for all, so that what one row meets is not the choice of the others."""

    def __init__(self, noise: Noise, rows: Tensor) -> None:
        self.noise, self.chosen, self.device = noise, rows, noise.device

    def normal(self, *shape: int) -> Tensor:
        return self.noise.normal(*shape)[self.chosen]

    def uniform(self, *shape: int) -> Tensor:
        return self.noise.uniform(*shape)[self.chosen]


# -- what the families share --


def uncompiled(forward: F) -> F:
    """Marks a forward in which Pillow and numpy draw: --compile leaves it as it is."""
    return torch.compiler.disable(forward)  # type: ignore[no-any-return]


def drawn(ctx: Context) -> Noise:
    if ctx.noise is None:
        raise ValueError("a corruption needs the context's noise")
    return ctx.noise


def seeds(noise: Noise) -> list[int]:
    """A seed an item, for what is drawn item by item by another generator: 48 bits of two numbers of 24."""
    high, low = (noise.uniform(2) * 2**24).long().unbind(1)
    return (high * 2**24 + low).tolist()


def span(name: str, value: Range, least: float = 0.0, most: float = math.inf) -> tuple[float, float]:
    """One number or (low, high) -> (low, high). Raises BadInput outside of least..most."""
    accepted = f"from {least:g} up" if most == math.inf else f"between {least:g} and {most:g}"
    try:
        low, high = (value, value) if isinstance(value, (int, float)) else value
        inside = least <= low <= high <= most
    except (TypeError, ValueError):
        inside = False
    if not inside:
        raise BadInput(f"{name} is {value}: a number {accepted} is accepted, or the lowest and the highest")
    return low, high


def strength(name: str, text: Any) -> Range:
    """25, "25" or "0-55" -> a number or (low, high). Raises BadInput for what is neither."""
    try:
        return numbers(str(text))
    except ValueError:
        raise BadInput(f"{name} is {text}: a number such as 25 is accepted, or a range such as 0-55") from None


def within(bounds: tuple[float, float], share: Tensor) -> Tensor:
    """The numbers that lie at `share`, 0 to 1, of the way from low to high."""
    low, high = bounds
    return low + (high - low) * share


def an_item(values: Tensor, x: Tensor) -> Tensor:
    """[N] -> N×1×1×..., to be multiplied with x."""
    return values.view(-1, *[1] * (x.dim() - 1))


def positions(x: Tensor) -> tuple[int, ...]:
    """The shape of one decision a position: a picture's channels share it, the numbers of a table row do not."""
    return (1, *x.shape[2:]) if x.dim() > 2 else tuple(x.shape[1:])


def pictures(x: Tensor, what: str) -> Tensor:
    """x itself; BadInput where it is not N×C×H×W with 1 or 3 channels."""
    if x.dim() != 4 or x.shape[1] not in (1, 3):
        raise BadInput(f"items of {'×'.join(map(str, x.shape[1:]))}: {what} takes pictures of 1 or 3 channels")
    return x


def to_bytes(x: Tensor) -> Tensor:
    """x as a file of 8 bits holds it, still in [0, 1]."""
    return (x.clamp(0, 1) * 255).round() / 255


# -- the line of text --


def numbers(text: str) -> Range:
    """'0.3' -> 0.3, '0-0.2' -> (0.0, 0.2); raises ValueError for other text."""
    between = re.fullmatch(r"(.*[\d.])-([\d.].*)", text)
    return (float(between[1]), float(between[2])) if between else float(text)


def named(text: str, what: str, known: Mapping[str, type[Any]]) -> Any:
    """'name' or 'name:strength' -> one of `known`. Raises BadInput for anything else."""
    name, _, strength = text.partition(":")
    if name not in known:
        raise unknown(what, name, known)
    try:
        value = [getattr(known[name], "read", numbers)(strength)] if strength else []
    except BadInput:
        raise
    except ValueError:
        raise BadInput(f"{what} {text!r}: the strength must be a number or a range such as 0.1-0.3") from None
    return known[name](*value)


def parsed(text: str, known: Mapping[str, type[Corruption]]) -> Corruption:
    """The line of text at the top of this file -> a corruption. Raises BadInput for what it is not."""

    def chain(line: str) -> Corruption:
        parts = [named(part.strip(), "corruption", known) for part in line.split("+")]
        return parts[0] if len(parts) == 1 else Compose(parts)

    choices = [chain(line) for line in text.split(",")]
    return choices[0] if len(choices) == 1 else OneOf(choices)
