"""A mixture of Gaussians over codes, fitted by expectation maximization."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import torch
from torch import Tensor

from isthmus.errors import BadInput, at_least
from isthmus.layers import seeded
from isthmus.priors.base import Prior
from isthmus.priors.draws import Draws
from isthmus.registry import register
from isthmus.types import Shape

FULL = 64  # numbers of a code up to which each component has a full covariance
LIMIT = 1024  # numbers of a code that a mixture accepts
ITEMS, LEAST = 20_000, 2000  # codes that a fit reads, so that it takes seconds, and the fewest of each label
REGULAR = 1e-3  # added to the variances of standardized codes: a unit that never changes has a density too


@register
class Mixture(Prior):
    """A mixture of `components` Gaussians over standardized codes, by scikit-learn's GaussianMixture.

    A code of up to 64 numbers has components of full covariance. A longer one, up to 1024, is rotated to the principal
    axes of all codes, along which each component has its own variances; one component is then still a full Gaussian.
    With labels there is one mixture for each label. A component needs codes: two for each number of a full covariance,
    else 20, so few codes get fewer components.

    weights L×M, means L×M×D and factors, the Cholesky factors L×M×D×D or the deviations L×M×D, for L labels (at least
    1), M components and D numbers; axes D×D, the columns of which are the principal axes.
    """

    name = "mixture"
    weights: Tensor
    means: Tensor
    factors: Tensor
    axes: Tensor

    def __init__(self, shape: Shape, classes: int = 0, components: int = 10) -> None:
        at_least("components", components, 1)
        super().__init__(shape, classes)
        self.components, self.size = components, math.prod(self.shape)
        if self.size > LIMIT:
            raise BadInput(
                f"prior mixture: a code of {self.size} numbers: at most {LIMIT} are accepted; prior flow takes any"
            )
        self.full = self.size <= FULL
        kinds = (max(1, classes), components)
        self.register_buffer("weights", torch.full(kinds, 1 / components))
        self.register_buffer("means", torch.zeros(*kinds, self.size))
        one = torch.eye(self.size) if self.full else torch.ones(self.size)
        self.register_buffer("factors", one.expand(*kinds, *one.shape).clone())
        if not self.full:
            self.register_buffer("axes", torch.eye(self.size))

    @torch.no_grad()
    def fit(self, codes: Tensor, labels: Tensor | None = None) -> None:
        super().fit(codes, labels)
        rows = self.standardized(codes).flatten(1).cpu().double()
        if not self.full:
            some = rows[torch.randperm(len(rows), generator=seeded(0))[:ITEMS]]
            axes = torch.linalg.eigh(some.T @ some / len(some)).eigenvectors
            self.axes.copy_(axes)
            rows = rows @ axes
        limit = max(LEAST, ITEMS // len(self.weights))
        for kind in range(len(self.weights)):
            own = rows if labels is None else rows[labels.cpu() == kind]
            if len(own):  # a label without codes stays N(0, I)
                self._fit_kind(kind, own[torch.randperm(len(own), generator=seeded(0))[:limit]].numpy())

    def _fit_kind(self, kind: int, rows: np.ndarray[Any, Any]) -> None:
        from sklearn.mixture import GaussianMixture

        needed = max(2 * self.size if self.full else 0, 20)
        count = min(self.components, max(1, len(rows) // needed))
        form = "full" if self.full else "diag"
        model = GaussianMixture(count, covariance_type=form, reg_covar=REGULAR, random_state=0)
        with warnings.catch_warnings():
            # Fewer distinct codes than components, or 100 iterations without convergence: both leave a valid mixture.
            warnings.simplefilter("ignore")
            model.fit(np.repeat(rows, 2, 0) if len(rows) == 1 else rows)
        order = np.argsort(-model.weights_, kind="stable")
        factors = np.linalg.cholesky(model.covariances_) if self.full else np.sqrt(model.covariances_)
        self.weights[kind] = 0  # components that are not used come last
        self.weights[kind, :count] = torch.from_numpy(model.weights_[order])
        self.means[kind, :count] = torch.from_numpy(model.means_[order])
        self.factors[kind, :count] = torch.from_numpy(factors[order])

    def sample(self, draws: Draws, labels: Tensor | None = None, temperature: float = 1.0) -> Tensor:
        """temperature scales the deviations within the components; at 0 every code is the mean of a component."""
        known = self.drawn_labels(draws, labels)
        kinds = torch.zeros(len(draws), dtype=torch.long, device=draws.device) if known is None else known
        edges = self.weights[kinds].cumsum(1)
        numbers = draws.uniform().clamp_max(1 - 2**-23)[:, None] * edges[:, -1:]
        chosen = (numbers >= edges).sum(1)
        noise = draws.normal(self.size) * temperature
        factors = self.factors[kinds, chosen]
        spread = (factors @ noise[:, :, None])[:, :, 0] if self.full else factors * noise
        rows = self.means[kinds, chosen] + spread
        rows = rows if self.full else rows @ self.axes.T
        return self.restored(rows.view(-1, *self.shape))

    def log_prob(self, codes: Tensor, labels: Tensor | None = None) -> Tensor:
        """log p of codes N×shape, [N] in nats: of p(code | label), or of p(code) without labels."""
        rows = self.standardized(codes).flatten(1)
        rows = rows if self.full else rows @ self.axes
        by_kind = torch.stack([self._log_density(rows, kind) for kind in range(len(self.weights))], 1)
        scale = self.std.log().expand(self.shape).sum()
        if labels is None:
            return (by_kind + self.shares.log()).logsumexp(1) - scale
        self.checked(labels)
        return by_kind.gather(1, labels.to(rows.device)[:, None])[:, 0] - scale

    def _log_density(self, rows: Tensor, kind: int) -> Tensor:
        """log p of standardized codes N×D by the mixture of one label."""
        terms = []
        for weight, mean, factor in zip(self.weights[kind], self.means[kind], self.factors[kind], strict=True):
            if weight == 0:
                continue
            if self.full:
                z = torch.linalg.solve_triangular(factor, (rows - mean).T, upper=False).T
                scale = factor.diagonal().log().sum()
            else:
                z, scale = (rows - mean) / factor, factor.log().sum()
            distance = z.square().sum(1) + self.size * math.log(2 * math.pi)
            terms.append(weight.log() - scale - distance / 2)
        return torch.stack(terms, 1).logsumexp(1)
