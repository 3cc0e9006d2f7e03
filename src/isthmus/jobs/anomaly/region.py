"""A region of interest: pixels outside of it are replaced before the model or a score reads them."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from isthmus.jobs.anomaly.anomaly_maps import blurred

FADE = 4.0  # pixels over which the fill outside the region fades from its edge to the mean image


class Region:
    """mask: H×W of 0 and 1, the pixels that are inspected. mean: C×H×W, the mean training image, fills the others.

    A pixel outside gets the mean image plus the deviation of the nearest inside pixel from it, fading with distance.
    So the border of the region is no edge in the image, pixels far outside look like the training data, and no score
    depends on the original pixels outside.
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
        """batches: the training images, N×C×H×W in [0, 1]."""
        total, count = torch.zeros(1), 0
        for x in batches:
            total, count = total + x.double().sum(0).cpu(), count + len(x)
        return cls(mask, (total / max(1, count)).float())

    @property
    def tensors(self) -> dict[str, Tensor]:
        return {"roi": self.mask, "outside": self.mean}

    def filled(self, x: Tensor) -> Tensor:
        """N×C×H×W -> the image with every pixel outside the region replaced."""
        mean = self.mean.to(x)
        near = (x - mean).flatten(2).index_select(2, self.nearest.to(x.device)).view_as(x)
        return torch.where(self.mask.to(x) > 0, x, (mean + near * self.weight.to(x)).clamp(0, 1))

    def blurred(self, maps: Tensor, sigma: float) -> Tensor:
        """Maps N×H×W, smoothed over neighbors inside the region alone; 0 outside."""
        mask = self.mask.to(maps)
        near = blurred(mask[None].clone(), sigma).clamp(min=1e-6)
        return torch.where(mask > 0, blurred(maps * mask, sigma) / near, torch.zeros_like(maps))

    def flat(self, maps: Tensor) -> Tensor:
        """... × H × W -> ... × P, the values inside the region."""
        return maps.flatten(-2).index_select(-1, self.pixels.to(maps.device))
