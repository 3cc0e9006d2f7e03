"""A region of interest: pixels outside of it are replaced before anything sees them."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from isthmus.detection.anomaly_maps import blurred

FADE = 4.0  # pixels over which what is next to the edge of the region goes over into the mean picture


class Region:
    """The pixels that count: mask H×W of 0 and 1, and the mean training picture, C×H×W, for the others.

    A pixel outside gets the mean picture plus the deviation of the nearest pixel inside from it, less the further away
    it is. So the edge of the region is no edge in the picture, far from it the net sees what it has learned from, and
    no score can depend on anything that was outside.
    """

    def __init__(self, mask: Tensor, mean: Tensor) -> None:
        from scipy.ndimage import distance_transform_edt

        self.mask, self.mean = mask, mean
        away, (rows, columns) = distance_transform_edt(mask.numpy() == 0, return_indices=True)
        self.nearest = torch.from_numpy(rows * mask.shape[1] + columns).flatten().long()
        self.weight = torch.exp(-torch.from_numpy(away).float() / FADE)
        self.pixels = mask.flatten().nonzero()[:, 0]

    @classmethod
    def fit(cls, mask: Tensor, batches: Iterable[Tensor]) -> Region:
        """batches: the training pictures, N×C×H×W in [0, 1]."""
        total, count = torch.zeros(1), 0
        for x in batches:
            total, count = total + x.double().sum(0).cpu(), count + len(x)
        return cls(mask, (total / max(1, count)).float())

    @property
    def tensors(self) -> dict[str, Tensor]:
        return {"roi": self.mask, "outside": self.mean}

    def filled(self, x: Tensor) -> Tensor:
        """N×C×H×W -> the same inside the region; nothing of what was outside is left."""
        mean = self.mean.to(x)
        near = (x - mean).flatten(2).index_select(2, self.nearest.to(x.device)).view_as(x)
        return torch.where(self.mask.to(x) > 0, x, (mean + near * self.weight.to(x)).clamp(0, 1))

    def blurred(self, found: Tensor, sigma: float) -> Tensor:
        """A map N×H×W, smoothed inside of the region, 0 outside: a mean over the neighbors that are inside."""
        mask = self.mask.to(found)
        near = blurred(mask[None].clone(), sigma).clamp(min=1e-6)
        return torch.where(mask > 0, blurred(found * mask, sigma) / near, torch.zeros_like(found))

    def flat(self, found: Tensor) -> Tensor:
        """... × H × W -> ... × P, the values inside the region."""
        return found.flatten(-2).index_select(-1, self.pixels.to(found.device))
