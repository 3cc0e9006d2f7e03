"""A small GAN for the comparison: our convolutional decoder as the generator, for so many seconds of processor time."""

from __future__ import annotations

import time
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from isthmus.networks import ConvDecoder

BATCH, AVERAGE = 128, 0.998  # pictures of a step; decay of the average of the generator's weights, which is sampled
SETTINGS: dict[str, dict[str, Any]] = {  # Mescheder et al. 2018; Miyato et al. 2018
    "non-saturating, R1": {"hinge": False, "penalty": 1.0, "rates": (2e-4, 2e-4)},
    "non-saturating, R1, twice the rate": {"hinge": False, "penalty": 1.0, "rates": (5e-4, 5e-4)},
    "hinge, spectral norm": {"hinge": True, "penalty": 0.0, "rates": (2e-4, 4e-4)},
}


class Discriminator(nn.Module):
    """N×C×28×28 -> N logits: as many convolutions of stride 2 as the generator has stages, and one layer more."""

    def __init__(self, channels: int, side: int, widths: tuple[int, ...], normed: bool) -> None:
        super().__init__()
        wrap = spectral_norm if normed else (lambda layer: layer)
        layers: list[nn.Module] = []
        for before, after in zip((channels, *widths[:-1]), widths, strict=True):
            layers += [wrap(nn.Conv2d(before, after, 4, stride=2, padding=1)), nn.LeakyReLU(0.2)]
        grid = side // 2 ** len(widths)
        self.layers = nn.Sequential(*layers, nn.Flatten(), wrap(nn.Linear(widths[-1] * grid * grid, 1)))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)[:, 0]  # type: ignore[no-any-return]


class Generator(nn.Module):
    """N×code -> N×C×H×W in [0, 1]: the decoder of the autoencoders of the same set."""

    def __init__(self, code: int, shape: tuple[int, ...], channels: tuple[int, ...]) -> None:
        super().__init__()
        self.code, self.decoder = code, ConvDecoder((code,), shape, channels)

    def forward(self, z: Tensor) -> Tensor:
        return self.decoder(z).float().sigmoid()  # type: ignore[no-any-return]

    @torch.no_grad()
    def pictures(self, count: int) -> Tensor:
        random = torch.Generator().manual_seed(0)
        return torch.cat([self(torch.randn(part, self.code, generator=random)) for part in _parts(count, 250)])


def gan(
    x: Tensor,
    seconds: float,
    *,
    hinge: bool,
    penalty: float,
    rates: tuple[float, float],
    code: int = 64,
    channels: tuple[int, ...] = (64, 32),
) -> Generator:
    """Train on N×C×H×W in [0, 1]; the generator with averaged weights. Rates of the generator and of its critic."""
    torch.manual_seed(0)
    random, shape = torch.Generator().manual_seed(0), tuple(x.shape[1:])
    generator, averaged = Generator(code, shape, channels), Generator(code, shape, channels)
    averaged.load_state_dict(generator.state_dict())
    critic = Discriminator(shape[0], shape[-1], channels[::-1], normed=hinge)
    optimizers = [
        torch.optim.Adam(net.parameters(), rate, betas=(0.0 if not hinge else 0.5, 0.99))
        for net, rate in zip((generator, critic), rates, strict=True)
    ]
    began, step = time.process_time(), 0
    while time.process_time() - began < seconds:
        real = x[torch.randint(len(x), (BATCH,), generator=random)]
        with torch.autocast("cpu", torch.bfloat16):
            made = generator(torch.randn(BATCH, code, generator=random))
            of_made = critic(made.detach()).float()
        loss = (F.relu(1 + of_made) if hinge else F.softplus(of_made)).mean()
        if penalty and step % 8 == 0:  # of every eighth step, as in StyleGAN2
            real.requires_grad_()
            of_real = critic(real)
            (slope,) = torch.autograd.grad(of_real.sum(), real, create_graph=True)
            loss = loss + 8 * penalty / 2 * slope.square().flatten(1).sum(1).mean()
        else:
            with torch.autocast("cpu", torch.bfloat16):
                of_real = critic(real).float()
        loss = loss + (F.relu(1 - of_real) if hinge else F.softplus(-of_real)).mean()
        _step(optimizers[1], loss)
        with torch.autocast("cpu", torch.bfloat16):
            judged = critic(made).float()
        _step(optimizers[0], (-judged if hinge else F.softplus(-judged)).mean())
        step += 1
        with torch.no_grad():
            for kept, new in zip(averaged.parameters(), generator.parameters(), strict=True):
                kept.lerp_(new, 1 - min(AVERAGE, step / (step + 10)))
    return averaged.eval()


def _step(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def _parts(count: int, size: int) -> list[int]:
    return [min(size, count - first) for first in range(0, count, size)]
