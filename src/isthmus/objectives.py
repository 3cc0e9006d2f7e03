"""compare(y, target): y are parameters of a likelihood; a loss is a sum over an item, in nats, so β = 1 is the ELBO."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from isthmus.errors import BadInput, unknown
from isthmus.metrics import ssim
from isthmus.registry import register
from isthmus.types import Context

LEAST = 0.02  # share of an image, below which a covered area counts less
LINKS = ("sigmoid", "identity", "free")
HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


def _per_item(values: Tensor, weight: Tensor | float) -> Tensor:
    weighted = values * weight if isinstance(weight, Tensor) or weight != 1.0 else values
    return weighted.flatten(1).sum(1)


class Objective(nn.Module):
    """Base: loss(y, target, weight) -> [N]; mean(y), the expected target; picture(y), the mean clipped to [0, 1].

    link: "sigmoid" keeps the mean of a continuous likelihood in [0, 1]; "identity" does not (PCA), so the picture is
    clipped; with "free" nothing is clipped, for values of a table may lie anywhere. channels: numbers that the decoder
    returns for each value of the target. density: whether the likelihood is of a continuous value, so that its nats
    depend on the unit. likelihood: false for a loss whose scale is not fitted to the data (mse, l1) or that is no
    −log p (ssim), so that it is no bound of the evidence.
    """

    channels, density, likelihood, cross_entropy = 1, False, True, False

    def __init__(self, link: str = "sigmoid") -> None:
        super().__init__()
        if link not in LINKS:
            raise unknown("link", link, LINKS)
        self.link = link

    def loss(self, y: Tensor, target: Tensor, weight: Tensor | float = 1.0) -> Tensor:
        raise NotImplementedError

    def extra(self, y: Tensor, target: Tensor, ctx: Context) -> dict[str, Tensor]:
        """Auxiliary terms of the training by name, each [N]: learned from, but no part of `loss`."""
        return {}

    def start(self, residual: float) -> None:
        """Initialize from `residual`, the squared error of a number before the first step."""

    def mean(self, y: Tensor) -> Tensor:
        return torch.sigmoid(y) if self.link == "sigmoid" else y

    def picture(self, y: Tensor) -> Tensor:
        return self.mean(y) if self.link == "free" else self.mean(y).clamp(0, 1)

    def unbounded(self) -> Objective:
        """The same objective for targets outside of [0, 1]. Raises BadInput if there is none."""
        name = type(self).__name__.lower()
        raise BadInput(f"loss {name}: compares values in 0..1; a table takes mse, gaussian or l1")


class _CrossEntropy(torch.autograd.Function):
    """Σ softplus(y) − y·t of each row N×D, in few passes over y; σ(y) − t is saved for the gradient.

    Threads wait for each other at the end of every pass, which for small nets costs more than the arithmetic.
    """

    @staticmethod
    def forward(ctx: Any, y: Tensor, target: Tensor) -> Tensor:
        slope = torch.sigmoid(y)
        most = 1 - slope
        torch.maximum(slope, most, out=most)  # σ(|y|): softplus(y) = max(y, 0) − log σ(|y|)
        share = 16 if most.shape[1] % 16 == 0 else 1  # a product of 16 such numbers, 2⁻¹⁶ at least, takes one logarithm
        logs = most.unflatten(1, (share, -1)).prod(1).log().sum(1)
        torch.clamp_min(y, 0, out=most)
        most.addcmul_(y, target, value=-1)
        ctx.save_for_backward(slope.sub_(target))
        return most.sum(1) - logs

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (slope,) = ctx.saved_tensors
        return slope.mul_(gradients[0][:, None]), None  # in place: torch refuses a second backward


@register
class Bernoulli(Objective):
    """y = logits; −log p = softplus(y) − y·target, also for targets between 0 and 1, as is usual."""

    cross_entropy = True

    def __init__(self) -> None:
        super().__init__("sigmoid")

    def loss(self, y: Tensor, target: Tensor, weight: Tensor | float = 1.0) -> Tensor:
        y = y.float()
        if isinstance(weight, Tensor) or weight != 1.0:
            return _per_item(F.softplus(y) - y * target, weight)
        return _CrossEntropy.apply(y.flatten(1), target.flatten(1))

    def unbounded(self) -> Objective:
        return Gaussian(link="free")  # a logit says nothing of values below 0 or above 1


@register
class Gaussian(Objective):
    """A normal likelihood around the mean.

    sigma: a number (√½ makes the loss the squared error plus a constant), "learned" for one σ fitted to the data
    (Rybkin et al. 2021), or "pixel" for a σ of each value, which the decoder returns with the mean.
    """

    density = True

    def __init__(self, sigma: float | str = math.sqrt(0.5), link: str = "sigmoid") -> None:
        super().__init__(link)
        self.sigma, self.likelihood = sigma, isinstance(sigma, str)
        if sigma == "learned":
            self.log_sigma = nn.Parameter(torch.tensor([-2.0]))  # about the error of a fair model
        elif sigma == "pixel":
            self.channels = 2
        elif not isinstance(sigma, (int, float)) or sigma <= 0:
            raise BadInput(f"sigma is {sigma!r}: a number above 0, 'learned' or 'pixel' is accepted")

    def start(self, residual: float) -> None:
        if self.sigma == "learned":
            self.log_sigma.fill_(0.5 * math.log(residual))

    def mean(self, y: Tensor) -> Tensor:
        return super().mean(y.chunk(2, dim=1)[0] if self.channels == 2 else y)

    def loss(self, y: Tensor, target: Tensor, weight: Tensor | float = 1.0) -> Tensor:
        y = y.float()
        if isinstance(self.sigma, str):
            log_sigma = y.chunk(2, dim=1)[1] if self.sigma == "pixel" else self.log_sigma
            # A σ below e⁻⁶, less than half a step of 8 bits, would only model the rounding of the file format.
            log_sigma = -6 + F.softplus(log_sigma + 6)
        else:
            log_sigma = torch.tensor(math.log(self.sigma), device=y.device)
        error = (target - self.mean(y)) * torch.exp(-log_sigma)
        return _per_item(0.5 * error.square() + log_sigma + HALF_LOG_2PI, weight)

    def unbounded(self) -> Objective:
        return Gaussian(self.sigma, "free")


@register
class Laplace(Objective):
    """|target − mean| / scale + log(2·scale): the L1 loss, with sharper edges than the squared error."""

    density = True
    likelihood = False

    def __init__(self, scale: float = 0.5, link: str = "sigmoid") -> None:
        super().__init__(link)
        self.scale = scale

    def loss(self, y: Tensor, target: Tensor, weight: Tensor | float = 1.0) -> Tensor:
        return _per_item((target - self.mean(y.float())).abs() / self.scale + math.log(2 * self.scale), weight)

    def unbounded(self) -> Objective:
        return Laplace(self.scale, "free")


@register
class Categorical(Objective):
    """A probability for each of `levels` values (256: of 8 bits), y = N×(levels·C)×... logits."""

    def __init__(self, levels: int = 256) -> None:
        super().__init__("identity")
        self.levels = self.channels = levels

    def loss(self, y: Tensor, target: Tensor, weight: Tensor | float = 1.0) -> Tensor:
        level = (target * (self.levels - 1)).round().long().clamp(0, self.levels - 1)
        logits = y.float().unflatten(1, (self.levels, -1))
        return _per_item(F.cross_entropy(logits, level, reduction="none"), weight)

    def mean(self, y: Tensor) -> Tensor:
        values = torch.linspace(0, 1, self.levels, device=y.device)
        return torch.einsum("nl...,l->n...", y.float().unflatten(1, (self.levels, -1)).softmax(1), values)


@register
class Structural(Objective):
    """(1 − SSIM) times the number of values: structural similarity; no likelihood, so no ELBO."""

    likelihood = False

    def __init__(self) -> None:
        super().__init__("sigmoid")

    def loss(self, y: Tensor, target: Tensor, weight: Tensor | float = 1.0) -> Tensor:
        if y.dim() != 4:
            raise BadInput("loss ssim: compares images, not tables")
        if isinstance(weight, Tensor):
            raise BadInput("loss ssim: compares windows, so it cannot weight single pixels; mse and l1 are accepted")
        return (1 - ssim(self.mean(y.float()), target)) * target[0].numel()


@register
class MaskedReconstruction(Objective):
    """An image and the mask of its covered pixels: y is N×(C+1)×H×W, the image and last the logit of the mask.

    The loss is the −log p of the image by `picture_by`, plus that of the mask. The target's last channel is the opacity
    of the cover, above 0 in the mask. Pixels outside of the mask keep their input values, so in the loss of the image
    they have the weight `outside`: with 1, a net learns to copy its input, because most pixels are not covered. even:
    in the loss of the mask, covered and uncovered pixels weigh the same in total; the logit is then no probability's.
    """

    likelihood = False

    def __init__(self, picture_by: Objective, outside: float = 0.1, even: bool = False) -> None:
        super().__init__(picture_by.link)
        self.picture_by, self.outside, self.even, self.density = picture_by, outside, even, picture_by.density

    def loss(self, y: Tensor, target: Tensor, weight: Tensor | float = 1.0) -> Tensor:
        covered = (target[:, -1:] > 0).to(target.dtype)
        weights = weight * (self.outside + (1 - self.outside) * covered)
        mask_loss = F.binary_cross_entropy_with_logits(y[:, -1:].float(), covered, reduction="none")
        if self.even:
            share = covered.mean((1, 2, 3), keepdim=True)
            mask_loss = mask_loss * 0.5 * (covered / (share + LEAST) + (1 - covered) / (1 - share + LEAST))
        return self.picture_by.loss(y[:, :-1], target[:, :-1], weights) + _per_item(mask_loss, weight)

    def mean(self, y: Tensor) -> Tensor:
        return torch.cat([self.picture_by.mean(y[:, :-1]), torch.sigmoid(y[:, -1:])], 1)


LOSSES: dict[str, Callable[[str], Objective]] = {
    "bce": lambda link: Bernoulli(),
    "mse": lambda link: Gaussian(link=link),
    "gaussian": lambda link: Gaussian("learned", link),
    "l1": lambda link: Laplace(link=link),
    "categorical": lambda link: Categorical(),
    "ssim": lambda link: Structural(),
}


def objective(loss: str, link: str = "sigmoid") -> Objective:
    """The objective of that --loss; raises BadInput with the nearest name for an unknown one."""
    if loss not in LOSSES:
        raise unknown("loss", loss, LOSSES)
    return LOSSES[loss](link)
