"""Metrics of generated items on features N×D: Fréchet distance, precision, recall, density, coverage, duplicates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from isthmus.errors import BadInput

ENTRIES = 2**22  # of a block of distances: 32 MB, and as much again for what is computed from it


def frechet_distance(a: Tensor, b: Tensor) -> float:
    """Squared Fréchet distance between the Gaussians of N×D and M×D features (Dowson & Landau 1982).

    |μa - μb|² + tr(A + B - 2 (AB)^½) with the sample covariances A and B. It is biased upwards by about 1/N + 1/M, so
    only distances of equal N and M compare. Raises BadInput for fewer than 2 items.
    """
    (mean_a, root_a), (mean_b, root_b) = _gaussian(a), _gaussian(b)
    # With A = RRᵀ and B = SSᵀ, tr (AB)^½ is the sum of the singular values of RᵀS. No square root of a matrix product
    # is taken, whose noise is of the size of the distance where a covariance is nearly singular.
    common = torch.linalg.svdvals(root_a.T @ root_b).sum()
    spread = root_a.square().sum() + root_b.square().sum() - 2 * common
    return max(0.0, float((mean_a - mean_b).square().sum() + spread))


def _gaussian(features: Tensor) -> tuple[Tensor, Tensor]:
    """Mean [D] and a root R of the covariance RRᵀ, D×D, in float64."""
    if len(features) < 2:
        raise BadInput(f"Fréchet distance: of {len(features)} items; 2 or more are accepted")
    x = features.double()
    mean = x.mean(0)
    x = x - mean
    values, vectors = torch.linalg.eigh(x.T @ x / (len(x) - 1))
    return mean, vectors * values.clamp(min=0).sqrt()


def precision_recall(real: Tensor, generated: Tensor, k: int = 3) -> tuple[float, float]:
    """Precision and recall of N×D generated features (Kynkäänniemi et al. 2019), each from 0 to 1.

    Precision: the share of generated items within the distance of a real item to its k-th nearest real neighbor.
    Recall: the share of real items within that of a generated item. Raises BadInput for k items or fewer.
    """
    around_real, around_generated = _radii(real, k), _radii(generated, k)
    precise = torch.zeros(len(generated), dtype=torch.bool)
    recalled = torch.zeros(len(real), dtype=torch.bool)
    for rows, distance in _blocks(generated, real):
        precise[rows] = (distance <= around_real).any(1)
        recalled |= (distance <= around_generated[rows, None]).any(0)
    return _share(precise), _share(recalled)


def density_coverage(real: Tensor, generated: Tensor, k: int = 5) -> tuple[float, float]:
    """Density and coverage of N×D generated features (Naeem et al. 2020).

    Density: the mean number of real items within whose distance to their k-th nearest real neighbor a generated item
    lies, divided by k: 1 for real items, and not bounded. Coverage: the share of real items that have a generated item
    within this distance, from 0 to 1. Raises BadInput for k real items or fewer.
    """
    radius = _radii(real, k)
    inside, covered = 0, torch.zeros(len(real), dtype=torch.bool)
    for _, distance in _blocks(generated, real):
        near = distance < radius
        inside += int(near.sum())
        covered |= near.any(0)
    return inside / (k * max(1, len(generated))), _share(covered)


def nearest(items: Tensor, reference: Tensor | Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """The nearest row of a reference M×D for each of N×D items: indices [N] and distances [N] in float64.

    reference: one matrix, or parts of it in order, of which one at a time is held. The distance of equal rows is 0.
    Raises BadInput for a reference without rows.
    """
    index = torch.full((len(items),), -1)
    least = torch.full((len(items),), torch.inf, dtype=torch.float64)
    first = 0
    for part in [reference] if isinstance(reference, Tensor) else reference:
        if not len(part):
            continue
        middle = part.mean(0)
        centered = part - middle
        squares = centered.square().sum(1)
        for rows in _slices(len(items), len(part)):
            # |a - b|² less |a|², which does not depend on b; the distance itself is taken of the differences, as such a
            # sum loses the digits of a small one.
            place = torch.addmm(squares, items[rows] - middle, centered.T, alpha=-2).argmin(1)
            exact = (items[rows].double() - part[place].double()).square().sum(1).sqrt()
            nearer = exact < least[rows]
            index[rows] = torch.where(nearer, place + first, index[rows])
            least[rows] = torch.where(nearer, exact, least[rows])
        first += len(part)
    if not first:
        raise BadInput("nearest items: the reference is empty")
    return index, least


def duplicates(generated: Tensor, held_out: Tensor, share: float = 0.01) -> Tensor:
    """[N] bool: whether each generated item is a near copy, by the distances to its nearest training item.

    generated: [N], those of the generated items. held_out: [M], those of real items that were not trained on. A
    generated item is a near copy if it is no farther from its nearest training item than the nearest `share` of the
    real items, at least one of them, are from theirs. So that share of fresh real items is counted as well, and every
    exact copy. Raises BadInput without held-back items.
    """
    if not len(held_out):
        raise BadInput("duplicates: no held-back items to compare with")
    return generated <= held_out.sort().values[max(0, int(share * len(held_out)) - 1)]


def _radii(x: Tensor, k: int) -> Tensor:
    """The squared distance of each row to its k-th nearest other row, [N]."""
    if len(x) <= k:
        raise BadInput(f"distances to neighbor {k}: of {len(x)} items; {k + 1} or more are accepted")
    found = torch.empty(len(x), dtype=torch.float64)
    for rows, distance in _blocks(x, x):
        distance.diagonal(rows.start).fill_(torch.inf)  # itself
        found[rows] = distance.topk(k, largest=False).values[:, -1]
    return found


def _blocks(a: Tensor, b: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Squared distances between the rows of N×D and M×D in float64, as blocks n×M with the slices of their n rows."""
    middle = b.double().mean(0)
    b = b.double() - middle
    squares = b.square().sum(1)
    for rows in _slices(len(a), len(b)):
        part = a[rows].double() - middle
        yield rows, torch.addmm(squares, part, b.T, alpha=-2).add_(part.square().sum(1, keepdim=True)).clamp_(min=0)


def _slices(count: int, width: int) -> Iterator[slice]:
    """Consecutive slices of `count` rows whose blocks of so many columns have at most ENTRIES entries."""
    step = max(1, ENTRIES // max(1, width))
    return (slice(first, min(first + step, count)) for first in range(0, count, step))


def _share(flags: Tensor) -> float:
    return float(flags.double().mean())
