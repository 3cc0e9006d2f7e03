"""'corrupt': what the encoder is allowed to see; and 'augment', which changes x and the target together.

Both are batched modules, replayable: corruption(sample, ctx) draws from ctx.noise alone. A corruption changes x, never
the target; what it did may be put into the condition. Using a model on real damage never applies it: that is
`given(x)`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from isthmus.contracts import Context, Noise, Sample
from isthmus.errors import BadInput, unknown
from isthmus.registry import register


def drawn(ctx: Context) -> Noise:
    if ctx.noise is None:
        raise ValueError("a corruption needs the context's noise")
    return ctx.noise


class Corruption(nn.Module):
    """Base of all corruptions."""

    def forward(self, sample: Sample, ctx: Context) -> Sample:
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def given(self, x: Tensor) -> Tensor:
        """x as it is handed to a trained model: already damaged by life."""
        return x


def _share(name: str, value: float) -> float:
    if not 0 <= value <= 1:
        raise BadInput(f"{name} is {value}: a share between 0 and 1 is accepted")
    return value


@register
class GaussianNoise(Corruption):
    """x + σ ε, not clipped. sigma: one number, or (low, high) to draw one an item (blind to the strength)."""

    def __init__(self, sigma: float | Sequence[float] = 0.3) -> None:
        super().__init__()
        self.low, self.high = (sigma, sigma) if isinstance(sigma, (int, float)) else sigma
        if not 0 <= self.low <= self.high:
            raise BadInput(f"sigma is {sigma}: a number from 0 up is accepted")

    def forward(self, sample: Sample, ctx: Context) -> Sample:
        x, noise = sample.x, drawn(ctx)
        sigma = self.low + (self.high - self.low) * noise.uniform(*[1] * (x.dim() - 1))
        damaged = x + sigma * noise.normal(*x.shape[1:])
        return sample.but(x=damaged, condition={**sample.condition, "sigma": sigma.flatten()})


@register
class SaltAndPepper(Corruption):
    """A share `rate` of the positions becomes black or white, all channels together."""

    def __init__(self, rate: float = 0.2) -> None:
        super().__init__()
        self.rate = _share("rate", rate)

    def forward(self, sample: Sample, ctx: Context) -> Sample:
        u = drawn(ctx).uniform(*_positions(sample.x))
        x = torch.where(u < self.rate / 2, 0.0, torch.where(u < self.rate, 1.0, sample.x))
        return sample.but(x=x)


@register
class Masking(Corruption):
    """A share `rate` of the positions is hidden (0), all channels together; condition["mask"] is 1 there."""

    def __init__(self, rate: float = 0.5) -> None:
        super().__init__()
        self.rate = _share("rate", rate)

    def forward(self, sample: Sample, ctx: Context) -> Sample:
        mask = (drawn(ctx).uniform(*_positions(sample.x)) < self.rate).to(sample.x.dtype)
        return sample.but(x=sample.x * (1 - mask), condition={**sample.condition, "mask": mask})


@register
class Compose(Corruption):
    """One corruption after the other."""

    def __init__(self, corruptions: Sequence[Corruption]) -> None:
        super().__init__()
        self.corruptions = nn.ModuleList(corruptions)

    def forward(self, sample: Sample, ctx: Context) -> Sample:
        for corruption in self.corruptions:
            sample = corruption(sample, ctx)
        return sample


def _positions(x: Tensor) -> tuple[int, ...]:
    """The shape of one decision a position: a picture's channels share it, the numbers of a table row do not."""
    return (1, *x.shape[2:]) if x.dim() > 2 else tuple(x.shape[1:])


@register
class Affine(nn.Module):
    """An augmentation: three items in four turned, sheared, scaled and shifted a little; x and target alike.

    At strength 1: ±7°, ±6 % of size, ±1/14 of the width. The last fifth of a training sees the pictures as they are,
    so that what is learned ends on the data itself. Items that are no pictures are left alone.
    """

    follows_progress = True

    def __init__(self, strength: float = 1.0) -> None:
        super().__init__()
        self.strength = strength

    def forward(self, sample: Sample, ctx: Context) -> Sample:
        if ctx.progress >= 0.8 or sample.x.dim() != 4:
            return sample
        noise = drawn(ctx)
        turn, shear, wide, high, right, down = (2 * noise.uniform(6) - 1).mul(self.strength).unbind(1)
        angle = 0.12 * turn
        rows = (
            torch.stack([angle.cos() * (1 + 0.06 * wide), 0.1 * shear - angle.sin(), right / 14], 1),
            torch.stack([angle.sin(), angle.cos() * (1 + 0.06 * high), down / 14], 1),
        )
        still = torch.eye(2, 3, device=sample.x.device)
        maps = torch.where(noise.uniform(1, 1) < 0.75, torch.stack(rows, 1), still)
        grid = F.affine_grid(maps, list(sample.x.shape), align_corners=False)
        x, target = (
            F.grid_sample(t, grid, padding_mode="border", align_corners=False) for t in (sample.x, sample.target)
        )
        return sample.but(x=x, target=target)


AUGMENTATIONS: dict[str, type[nn.Module]] = {"affine": Affine}
CORRUPTIONS: dict[str, type[Corruption]] = {
    "gaussian": GaussianNoise,
    "salt-and-pepper": SaltAndPepper,
    "masking": Masking,
}


def augmentation(text: str) -> nn.Module | None:
    """'affine', 'affine:0.5' or 'none' -> an augmentation. Raises BadInput for anything else."""
    return None if text == "none" else _named(text, "augmentation", AUGMENTATIONS)


def corruption(text: str) -> Corruption | None:
    """'gaussian:0.3', 'masking:0.25+gaussian:0.1' or 'none' -> a corruption. Raises BadInput for anything else."""
    if text == "none":
        return None
    parts = [_named(part.strip(), "corruption", CORRUPTIONS) for part in text.split("+")]
    return parts[0] if len(parts) == 1 else Compose(parts)


def _named(text: str, what: str, known: Mapping[str, type[Any]]) -> Any:
    name, _, strength = text.partition(":")
    if name not in known:
        raise unknown(what, name, known)
    try:
        value = [float(strength)] if strength else []
    except ValueError:
        raise BadInput(f"{what} {text!r}: the strength must be a number, as in {name}:0.3") from None
    return known[name](*value)
