"""The base class of corruptions, their combinations, and their text form.

'gaussian:0.3' is one corruption; 'masking:0.25+gaussian:0.1' applies two in turn; 'gaussian:0-0.2,jpeg:10-90' chooses
one of two for each item. A strength is a number, or a range low-high from which one is drawn for each item.
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
Range = float | Sequence[float]  # one number, or (low, high), from which one is drawn for each item


class Corruption(nn.Module):
    """Base of all corruptions: a batched module that changes x and draws from ctx.noise alone.

    extra: channels that are appended to x (a mask). scale: the factor by which x̃ is smaller than the target.
    reach: the radius in pixels from which a pixel of x̃ is computed. stride: a tile gives the same x̃ as the full image
    if it starts at a multiple of this.
    tell: whether the mask of the damage is appended to the target, for a network that predicts it.
    clean: whether the target is a clean image; if False, x is noisy itself (see self_supervised.py).
    The random numbers of a forward are added to the condition, one row per item.
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
        """Network input for a real degraded image (no synthetic corruption is applied).

        side: further inputs such as a mask. Raises BadInput for a name that this corruption does not take.
        """
        if side:
            raise BadInput(f"{', '.join(side)}: this model takes an image only")
        return x

    @staticmethod
    def read(text: str) -> Any:
        """The constructor's first argument, parsed from the text after the colon. Raises ValueError."""
        return numbers(text)


@register
class Compose(Corruption):
    """Several corruptions in turn. One that appends a mask must be last, so that no other damages the mask; so must a
    self-supervised one, which makes the target."""

    def __init__(self, corruptions: Sequence[Corruption]) -> None:
        super().__init__()
        if any(part.extra for part in corruptions[:-1]):
            raise BadInput("a corruption that appends a mask must be last, as in gaussian:0.1+holes")
        if not all(part.clean for part in corruptions[:-1]):
            raise BadInput("a self-supervised corruption must be last, as in gaussian:0.1+neighbors")
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
    """One of several corruptions for each item, all equally likely: trains a model that is blind to the kind of damage.

    The condition holds the keys of all of them; a key is 0 for items that got another corruption.
    """

    def __init__(self, corruptions: Sequence[Corruption]) -> None:
        super().__init__()
        if len({(part.extra, part.scale) for part in corruptions}) != 1:
            raise BadInput("alternative corruptions must all or none append a mask, and downsample by the same factor")
        if not all(part.clean for part in corruptions):
            raise BadInput("a self-supervised corruption cannot be one of several alternatives")
        self.corruptions = nn.ModuleList(corruptions)
        first = corruptions[0]
        self.extra, self.scale, self.reach, self.stride = first.extra, first.scale, first.reach, first.stride

    def forward(self, sample: Sample, ctx: Context) -> Sample:
        noise, count = noise_of(ctx), len(sample.x)
        choice = (noise.uniform() * len(self.corruptions)).long()
        merged: dict[str, Tensor] = {}
        for number, corruption in enumerate(self.corruptions):
            # Also if no item of this micro-batch chose it: the draws of the other corruptions must not depend on that.
            rows = (choice == number).nonzero().flatten()
            weight = sample.weight[rows] if isinstance(sample.weight, Tensor) else sample.weight
            chosen = sample.replace(x=sample.x[rows], target=sample.target[rows], weight=weight, condition={})
            chosen = corruption(chosen, ctx.replace(noise=Chosen(noise, rows)))
            outputs = {"x": chosen.x, "target": chosen.target, **chosen.condition}
            if isinstance(chosen.weight, Tensor):
                outputs["weight"] = chosen.weight
            for key, value in outputs.items():
                merged.setdefault(key, value.new_zeros(count, *value.shape[1:]))[rows] = value
        x, target, weight = merged.pop("x"), merged.pop("target"), merged.pop("weight", sample.weight)
        return sample.replace(x=x, target=target, weight=weight, condition={**sample.condition, **merged})

    def prepare_input(self, x: Tensor, **side: Tensor) -> Tensor:
        return self.corruptions[0].prepare_input(x, **side)  # type: ignore[operator, no-any-return]


class Chosen(Noise):
    """The noise of some rows, drawn for all, so that the noise of a row does not depend on the choice of others."""

    def __init__(self, noise: Noise, rows: Tensor) -> None:
        self.noise, self.chosen, self.device = noise, rows, noise.device

    def normal(self, *shape: int) -> Tensor:
        return self.noise.normal(*shape)[self.chosen]

    def uniform(self, *shape: int) -> Tensor:
        return self.noise.uniform(*shape)[self.chosen]


# -- shared by all corruptions --


def uncompiled(forward: F) -> F:
    """Decorator that excludes a forward from torch.compile, because it uses Pillow or numpy."""
    return torch.compiler.disable(forward)  # type: ignore[no-any-return]


def noise_of(ctx: Context) -> Noise:
    if ctx.noise is None:
        raise ValueError("a corruption needs the context's noise")
    return ctx.noise


def seeds(noise: Noise) -> list[int]:
    """One seed per item for generators outside torch: 48 bits from two numbers of 24."""
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
    """25, "25" or "0-55" -> a number or (low, high). Raises BadInput for other text."""
    try:
        return numbers(str(text))
    except ValueError:
        raise BadInput(f"{name} is {text}: a number such as 25 is accepted, or a range such as 0-55") from None


def within(bounds: tuple[float, float], share: Tensor) -> Tensor:
    """The numbers at `share`, 0 to 1, of the way from low to high."""
    low, high = bounds
    return low + (high - low) * share


def per_item(values: Tensor, x: Tensor) -> Tensor:
    """[N] -> N×1×1×..., which broadcasts with x."""
    return values.view(-1, *[1] * (x.dim() - 1))


def positions(x: Tensor) -> tuple[int, ...]:
    """The shape of one decision per position: shared by the channels of an image, one per number of a table row."""
    return (1, *x.shape[2:]) if x.dim() > 2 else tuple(x.shape[1:])


def check_images(x: Tensor, what: str) -> Tensor:
    """x itself. Raises BadInput unless it is N×C×H×W with 1 or 3 channels; `what` starts the sentence of the error."""
    if x.dim() != 4 or x.shape[1] not in (1, 3):
        raise BadInput(f"items of {'×'.join(map(str, x.shape[1:]))}: {what} takes images of 1 or 3 channels")
    return x


def to_bytes(x: Tensor) -> Tensor:
    """x clipped to [0, 1] and rounded to 8 bits, still in [0, 1]."""
    return (x.clamp(0, 1) * 255).round() / 255


# -- text form --


def numbers(text: str) -> Range:
    """'0.3' -> 0.3, '0-0.2' -> (0.0, 0.2); raises ValueError for other text."""
    between = re.fullmatch(r"(.*[\d.])-([\d.].*)", text)
    return (float(between[1]), float(between[2])) if between else float(text)


def named(text: str, what: str, known: Mapping[str, type[Any]], read: Callable[[str], Any] | None = None) -> Any:
    """'name' or 'name:strength' -> an instance of one of `known`. Raises BadInput for other text.

    read: parses the strength; by default the method `read` of the class.
    """
    name, _, strength = text.partition(":")
    if name not in known:
        raise unknown(what, name, known)
    try:
        value = [(read or known[name].read)(strength)] if strength else []
    except BadInput:
        raise
    except ValueError:
        raise BadInput(f"{what} {text!r}: the strength must be a number or a range such as 0.1-0.3") from None
    return known[name](*value)


def parsed(text: str, known: Mapping[str, type[Corruption]]) -> Corruption:
    """The text form described at the top of this file -> a corruption. Raises BadInput for other text."""

    def chain(line: str) -> Corruption:
        parts = [named(part.strip(), "corruption", known) for part in line.split("+")]
        return parts[0] if len(parts) == 1 else Compose(parts)

    choices = [chain(line) for line in text.split(",")]
    return choices[0] if len(choices) == 1 else OneOf(choices)
