"""'corrupt': what the encoder is allowed to see. A corruption is a batched module, replayable from its noise.

corruption(sample, noise) changes x, never the target; what it did may be put into the condition. Using a model on
real damage never applies it: that is `given(x)`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from isthmus.contracts import Noise, Sample
from isthmus.errors import BadInput, unknown
from isthmus.registry import register


class Corruption(nn.Module):
    """Base of all corruptions."""

    def forward(self, sample: Sample, noise: Noise) -> Sample:
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

    def forward(self, sample: Sample, noise: Noise) -> Sample:
        x = sample.x
        sigma = self.low + (self.high - self.low) * noise.uniform(*[1] * (x.dim() - 1))
        damaged = x + sigma * noise.normal(*x.shape[1:])
        return sample.but(x=damaged, condition={**sample.condition, "sigma": sigma.flatten()})


@register
class SaltAndPepper(Corruption):
    """A share `rate` of the positions becomes black or white, all channels together."""

    def __init__(self, rate: float = 0.2) -> None:
        super().__init__()
        self.rate = _share("rate", rate)

    def forward(self, sample: Sample, noise: Noise) -> Sample:
        u = noise.uniform(*_positions(sample.x))
        x = torch.where(u < self.rate / 2, 0.0, torch.where(u < self.rate, 1.0, sample.x))
        return sample.but(x=x)


@register
class Masking(Corruption):
    """A share `rate` of the positions is hidden (0), all channels together; condition["mask"] is 1 there."""

    def __init__(self, rate: float = 0.5) -> None:
        super().__init__()
        self.rate = _share("rate", rate)

    def forward(self, sample: Sample, noise: Noise) -> Sample:
        mask = (noise.uniform(*_positions(sample.x)) < self.rate).to(sample.x.dtype)
        return sample.but(x=sample.x * (1 - mask), condition={**sample.condition, "mask": mask})


@register
class Compose(Corruption):
    """One corruption after the other."""

    def __init__(self, corruptions: Sequence[Corruption]) -> None:
        super().__init__()
        self.corruptions = nn.ModuleList(corruptions)

    def forward(self, sample: Sample, noise: Noise) -> Sample:
        for corruption in self.corruptions:
            sample = corruption(sample, noise)
        return sample


def _positions(x: Tensor) -> tuple[int, ...]:
    """The shape of one decision a position: a picture's channels share it, the numbers of a table row do not."""
    return (1, *x.shape[2:]) if x.dim() > 2 else tuple(x.shape[1:])


CORRUPTIONS: dict[str, type[Corruption]] = {
    "gaussian": GaussianNoise,
    "salt-and-pepper": SaltAndPepper,
    "masking": Masking,
}


def corruption(text: str) -> Corruption | None:
    """'gaussian:0.3', 'masking:0.25+gaussian:0.1' or 'none' -> a corruption. Raises BadInput for anything else."""
    if text == "none":
        return None
    parts = []
    for part in text.split("+"):
        name, _, strength = part.strip().partition(":")
        if name not in CORRUPTIONS:
            raise unknown("corruption", name, CORRUPTIONS)
        try:
            parts.append(CORRUPTIONS[name](float(strength)) if strength else CORRUPTIONS[name]())  # type: ignore[call-arg]
        except ValueError as error:
            if isinstance(error, BadInput):
                raise
            raise BadInput(f"corruption {part!r}: the strength must be a number, as in {name}:0.3") from None
    return parts[0] if len(parts) == 1 else Compose(parts)
