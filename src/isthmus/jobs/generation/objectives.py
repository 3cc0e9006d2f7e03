"""Objectives for sharper images: a distance of features, and a discriminator, beside the loss of another objective."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from isthmus.errors import BadInput, at_least
from isthmus.features import FrozenFeatures, find_features
from isthmus.features.base import Layers
from isthmus.features.grid import of_channels
from isthmus.layers import pad_to
from isthmus.networks.blocks import normed
from isthmus.objectives import Objective
from isthmus.registry import register
from isthmus.types import Context

LEAST_NORM = 1e-2  # of a feature vector: of shorter ones the direction is noise


class WithExtra(Objective):
    """Base: the loss, mean and likelihood of `inner`; a subclass adds auxiliary terms to its extra."""

    def __init__(self, inner: Objective) -> None:
        super().__init__(inner.link)
        self.inner = inner
        self.channels, self.density = inner.channels, inner.density
        self.likelihood, self.cross_entropy = inner.likelihood, inner.cross_entropy

    def loss(self, y: Tensor, target: Tensor, weight: Tensor | float = 1.0) -> Tensor:
        return self.inner.loss(y, target, weight)

    def extra(self, y: Tensor, target: Tensor, ctx: Context) -> dict[str, Tensor]:
        return self.inner.extra(y, target, ctx)

    def start(self, residual: float) -> None:
        self.inner.start(residual)

    def mean(self, y: Tensor) -> Tensor:
        return self.inner.mean(y)


@register
class Perceptual(WithExtra):
    """Adds the term "perceptual": weight · number of values · perceptual_distance(image, target).

    So at weight 1 a distance of 1 costs one nat a value. features: a source of isthmus.features.find_features. The
    network is read when it is first used and is no part of the module, so that no run holds its weights.
    """

    def __init__(self, inner: Objective, features: str | Path | nn.Module = "auto", weight: float = 1.0) -> None:
        at_least("perceptual", weight, 0)
        super().__init__(inner)
        self.source, self.weight = (features,), float(weight)  # in tuples, for nn.Module registers no module in one
        self.found: tuple[FrozenFeatures, ...] = ()

    def network(self, device: torch.device) -> FrozenFeatures:
        """The frozen network. Raises BadInput for an unknown source."""
        if not self.found:
            self.found = (find_features(self.source[0]),)
        return self.found[0].to(device)

    def extra(self, y: Tensor, target: Tensor, ctx: Context) -> dict[str, Tensor]:
        network = self.network(y.device)
        with torch.no_grad():
            wanted = network(of_channels(target.float(), network))
        image = self.mean(y.float())
        distance = perceptual_distance(network(of_channels(image, network)), wanted)
        return {**super().extra(y, target, ctx), "perceptual": self.weight * image[0].numel() * distance}


def perceptual_distance(one: Layers, other: Layers) -> Tensor:
    """[N], 0 to 4: the squared distance of features whose channels have norm 1, averaged over positions and layers.

    LPIPS (Zhang et al. 2018) without its learned weights. one, other: layers N×K×h×w.
    """
    distances = [(unit(a) - unit(b)).square().sum(1).flatten(1).mean(1) for a, b in zip(one, other, strict=True)]
    return torch.stack(distances).mean(0)


def unit(layer: Tensor) -> Tensor:
    """Features N×K×h×w, scaled to the norm 1 at each position."""
    return F.normalize(layer, dim=1, eps=LEAST_NORM)


@register
class PatchDiscriminator(nn.Module):
    """N×C×H×W in [0, 1] -> N×1×h×w: whether each patch is of a real image (Isola et al. 2017).

    A stage halves the grid. The statistics of its norms are of one item, so they do not depend on the batch.
    """

    def __init__(self, channels: int, widths: Sequence[int] = (32, 64, 128)) -> None:
        super().__init__()
        self.stride = 2 ** len(widths)
        layers: list[nn.Module] = []
        for before, width in zip((channels, *widths), widths, strict=False):
            layers += [*(normed(before) if layers else []), nn.Conv2d(before, width, 4, stride=2, padding=1)]
        self.layers = nn.Sequential(*layers, *normed(widths[-1]), nn.Conv2d(widths[-1], 1, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers((4 * pad_to(x, self.stride) - 2).contiguous(memory_format=torch.channels_last))


@register
class Adversarial(WithExtra):
    """Adds two terms in training: "discriminator", by which a patch discriminator learns to separate images from
    targets, and "adversarial", by which the autoencoder learns to deceive it (hinge losses, means over patches).

    Both are learned in the same step: the weights of one are constants in the term of the other. The gradient of the
    adversarial term at each image has `weight` times the norm of that of the reconstruction (Esser et al. 2021 balance
    both by the last layer). begin: share of the training after which both begin; before, every image is easy to tell.
    """

    follows_progress = True

    def __init__(self, inner: Objective, channels: int, weight: float = 0.1, begin: float = 0.25) -> None:
        at_least("adversarial", weight, 0)
        if not 0 <= begin < 1:
            raise BadInput(f"begin is {begin}: a share of the training, 0 or more and below 1, is accepted")
        super().__init__(inner)
        self.weight, self.begin = float(weight), float(begin)
        self.discriminator = PatchDiscriminator(channels)

    def extra(self, y: Tensor, target: Tensor, ctx: Context) -> dict[str, Tensor]:
        extra = super().extra(y, target, ctx)
        if not self.training or not torch.is_grad_enabled():
            return extra
        if ctx.progress < self.begin:
            # A gradient of zero: several processes wait for that of every weight.
            idle = y.new_zeros(len(y)) + 0 * sum(weight.sum() for weight in self.discriminator.parameters())
            return {**extra, "adversarial": y.new_zeros(len(y)), "discriminator": idle}
        return {
            **extra,
            "adversarial": self.generator_loss(y, target),
            "discriminator": self.discriminator_loss(y, target),
        }

    def discriminator_loss(self, y: Tensor, target: Tensor) -> Tensor:
        """[N], the hinge loss of the discriminator, to which the images are constants."""
        real, made = self.discriminator(target.float()), self.discriminator(self.mean(y.detach().float()))
        return F.relu(1 - real).flatten(1).mean(1) + F.relu(1 + made).flatten(1).mean(1)

    def generator_loss(self, y: Tensor, target: Tensor) -> Tensor:
        """[N], minus the score of the images, to which the weights of the discriminator are constants.

        Its gradient at y is computed here, with that of the reconstruction, and scaled to the norm of the latter.
        """
        constants = {name: weight.detach() for name, weight in self.discriminator.named_parameters()}
        image = y.detach().float().requires_grad_()
        score = -functional_call(self.discriminator, constants, (self.mean(image),)).flatten(1).mean(1)
        (slope,) = torch.autograd.grad(score.sum(), image)
        (other,) = torch.autograd.grad(self.loss(image, target).sum(), image)
        scale = self.weight * norms(other) / norms(slope).clamp_min(1e-12)
        linear = (slope * (y.float() - image.detach())).flatten(1).sum(1)  # zero, with the gradient of the score
        return scale * linear + score.detach()


def norms(x: Tensor) -> Tensor:
    """[N], the Euclidean norm of each item."""
    return x.flatten(1).norm(dim=1)
