"""The base class of priors: distributions over codes, p(code) or p(code | label), from which new codes are sampled."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from isthmus.errors import BadInput
from isthmus.priors.draws import Draws
from isthmus.types import Context, Losses, Sample, Shape

NULL_SHARE = 0.1  # of the labels of a training, which become the null label


class Prior(nn.Module):
    """A distribution over the codes of a trained autoencoder.

    shape: of a code, (K,) or (C, h, w); of a discrete one, its grid of symbols. classes: number of labels, 0 for a
    prior that knows none. name: of the prior in a run and in --prior. discrete: it is over integer symbols N×grid.
    learned: it has weights that isthmus.training.fit trains, by forward; another one is fitted by `fit` alone.
    training_defaults: of that training. about: the origin of a fitted prior in plain JSON.

    The statistics of the codes are measured by `fit` and stored with the prior, so that no user gives a scale: buffers
    `mean` and `std`, of each channel of a grid or each number of a vector. shares: of each label in the data.
    """

    name: ClassVar[str] = ""
    discrete: ClassVar[bool] = False
    learned: ClassVar[bool] = False
    training_defaults: ClassVar[Mapping[str, Any]] = {}
    mean: Tensor
    std: Tensor
    shares: Tensor

    def __init__(self, shape: Shape, classes: int = 0) -> None:
        super().__init__()
        self.shape: Shape = tuple(shape)
        self.classes = classes
        self.about: dict[str, Any] = {}
        channels = (self.shape[0], *[1] * (len(self.shape) - 1))
        if not self.discrete:
            self.register_buffer("mean", torch.zeros(channels))
            self.register_buffer("std", torch.ones(channels))
        self.register_buffer("shares", torch.full((max(1, classes),), 1.0 / max(1, classes)))

    @torch.no_grad()
    def fit(self, codes: Tensor, labels: Tensor | None = None) -> None:
        """Measure the statistics of codes N×shape, of labels [N] from 0 to classes - 1, and fit what needs no training.

        Raises BadInput for codes that are not finite, for labels where the prior knows none, and without labels where
        it knows some.
        """
        if not self.discrete:
            if not torch.isfinite(codes).all():
                raise BadInput("codes contain NaN or infinite values: the model has diverged")
            axes = [0, *range(2, codes.dim())]
            self.mean.copy_(codes.mean(axes).view_as(self.mean))
            # A number that never changes, such as a dead unit, is always sampled at its mean.
            self.std.copy_(codes.std(axes, correction=0).clamp_min(1e-6).view_as(self.std))
        if self.classes and labels is None:
            raise BadInput(f"prior {self.name}: was made for {self.classes} labels, but the codes have none")
        if labels is not None:
            self.checked(labels)
            self.shares.copy_(torch.bincount(labels, minlength=self.classes).float() / len(labels))

    def standardized(self, codes: Tensor) -> Tensor:
        return (codes - self.mean) / self.std

    def restored(self, codes: Tensor) -> Tensor:
        """The inverse of `standardized`."""
        return codes * self.std + self.mean

    def forward(self, sample: Sample, ctx: Context) -> Losses:
        """The losses of a batch of codes sample.x, with sample.condition["label"] N×1 if there are labels.

        The term is named "reconstruction": a training compares weights by that name.
        """
        raise NotImplementedError(f"prior {self.name} is not trained")

    def sample(self, draws: Draws, labels: Tensor | None = None, temperature: float = 1.0) -> Tensor:
        """A code for each of the draws: N×shape, on their device.

        labels [N]; without them a conditional prior draws labels by their shares. temperature: 1 is the distribution
        itself, less is nearer to its modes.
        """
        raise NotImplementedError

    def vary(self, codes: Tensor, draws: Draws, labels: Tensor | None = None, temperature: float = 0.3) -> Tensor:
        """Codes near codes N×shape. temperature: 0 gives the codes themselves, 1 samples that do not depend on them.

        The mean and the variance of each number stay those of the data. Raises BadInput for labels, if the prior cannot
        vary towards one.
        """
        if labels is not None:
            raise BadInput(f"label: the prior {self.name} cannot vary an item towards one; flow and transformer can")
        kept = math.sqrt(1 - temperature**2)
        return self.restored(kept * self.standardized(codes) + temperature * draws.normal(*self.shape))

    def log_prob(self, codes: Tensor, labels: Tensor | None = None) -> Tensor:
        """log p of codes N×shape, [N] in nats. Raises BadInput for a prior that has none."""
        raise BadInput(f"prior {self.name} has no density")

    def summary(self) -> str:
        """The prior in one line; empty before it is fitted."""
        return str(self.about.get("summary", ""))

    def drawn_labels(self, draws: Draws, labels: Tensor | None = None) -> Tensor | None:
        """`labels`, or a label for each of the draws by the shares of the data; None for a prior without labels.

        One number is drawn in both cases: a picture of a given label equals one for which the same label was drawn.
        """
        if labels is not None:
            self.checked(labels)
        if not self.classes:
            return None
        edges, drawn = self.shares.cumsum(0).cpu(), draws.uniform().cpu()
        if labels is None:
            labels = torch.searchsorted(edges, drawn * edges[-1], right=True).clamp_max(self.classes - 1)
        return labels.to(draws.device)

    def trained_labels(self, sample: Sample, ctx: Context) -> Tensor:
        """The labels [N] of a batch for an embedding of classes + 1 rows, the last of which is the null label.

        In training one label of ten becomes null, so that a conditional prior also learns p(code) (Ho & Salimans 2022).
        """
        null = torch.full((len(sample.x),), self.classes, device=sample.x.device)
        given = sample.condition.get("label")
        if not self.classes or given is None:
            return null
        labels = given.flatten().long()
        if self.training and ctx.noise is not None:
            labels = torch.where(ctx.noise.uniform() < NULL_SHARE, null, labels)
        return labels

    def checked(self, labels: Tensor) -> None:
        """Raise BadInput for labels that this prior does not know."""
        if not self.classes:
            raise BadInput(f"prior {self.name}: was made without labels")
        if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < self.classes:
            raise BadInput(
                f"prior {self.name}: labels from {int(labels.min())} to {int(labels.max())}: "
                f"0 to {self.classes - 1} are accepted"
            )
