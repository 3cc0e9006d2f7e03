"""The scoring rule of a detector, fixed by the training items alone, before calibration."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from isthmus.jobs.anomaly.anomaly_maps import MAPS, blurred, pooled
from isthmus.jobs.anomaly.distances import (
    ROW_DISTANCES,
    STATISTICS,
    ImageStatistics,
    Mahalanobis,
    NearestNeighbors,
)
from isthmus.jobs.anomaly.model_outputs import ModelOutputs, model_outputs, passes
from isthmus.jobs.anomaly.patch_distances import PatchDistance, PatchGaussian
from isthmus.jobs.anomaly.region import Region
from isthmus.jobs.anomaly.settings import CODE_SCORES, FEATURE_SCORES, RELATIVE, Settings

BATCH_VALUES = 2**20  # values of items scored together: 16 images of 256×256
OUTLIER = 6.0  # z-score of global image statistics above which an image is out of distribution
LEAST = 1e-6  # lower bound of a standard deviation
SPARSE = 17  # every n-th pixel is enough for a quantile of a smooth map; no divisor of common widths


@dataclass(eq=False)
class Scorer:
    """The parts of a score and the maps, each weighted by its variation over training items.

    places: M×H×W, the mean of each map over training items at each position, averaged with the mean over all positions;
    maps are divided by it, so errors that are common at a position count less. normal: the mean and the standard
    deviation of the logarithm of each part. region: the region of interest of images; None for all pixels.
    """

    settings: Settings
    distances: dict[str, Any]
    places: Tensor
    normal: Tensor
    region: Region | None = field(default=None, kw_only=True)

    @torch.no_grad()
    def measure(self, model: Any, learned: Iterable[Tensor]) -> None:
        """Fit the distances that the score uses to training items."""
        parts, fitted = self.settings.parts, self.distances
        if set(CODE_SCORES) & set(parts):
            codes = torch.cat([model.encode(self.masked(x), unit=True).flatten(1) for x in learned])
            if "mahalanobis" in parts:
                fitted["mahalanobis"] = Mahalanobis.fit(codes)
            if "knn" in parts:
                fitted["knn"] = NearestNeighbors.fit(codes, self.settings.k)
        if set(ROW_DISTANCES) & set(parts):
            rows = torch.cat([x.flatten(1) for x in learned])
            fitted |= {name: kind.fit(rows) for name, kind in ROW_DISTANCES.items() if name in parts}
        if "features" in parts:
            fitted["features"] = PatchDistance.fit(
                self.patches(model, learned, "features"), with_coreset=model.features is not None
            )
        if "gaussian" in parts:
            fitted["gaussian"] = PatchGaussian.fit(self.patches(model, learned, "gaussian"))
        if model.predicts_mask:
            fitted[STATISTICS] = ImageStatistics.fit(map(self.masked, learned), self.roi)

    @torch.no_grad()
    def weigh(self, model: Any, reference: Iterable[Tensor]) -> Tensor:
        """Set `places`; return the standard deviation of the logarithm of each part. Both over training items."""
        sums, count, times = [], 0, passes(model, self.settings)
        for x in split_batches(reference, times):
            x, count = self.masked(x.to(model.device)), count + len(x)
            sums.append(self.maps(x, model_outputs(model, x, self.settings)).sum(1).cpu())
        mean = torch.stack(sums).sum(0) / count
        overall = self.inside(mean).flatten(1).mean(1).view(-1, *[1] * (mean.dim() - 1))
        self.places = (mean + overall) / 2 + 1e-12
        parts = torch.cat([self.raw(model, x, learned=True)[0].cpu() for x in split_batches(reference, times)], 1)
        # The spread of a PatchGaussian is that of the images that it was fitted to, too small for others. Leaving each
        # out (Sherman-Morrison) was no better: AUROC of `distance+gaussian` on development data, before and after:
        # MobileNetV2 .860, .863 (parts) and .844, .827 (tiles); shipped features .748, .737 (parts).
        logs = logarithm(parts[: len(self.settings.parts)])
        return logs.std(1, correction=0).clamp(min=LEAST) if count > 1 else torch.ones(len(logs))

    def patches(self, model: Any, items: Iterable[Tensor], score: str) -> Iterator[Tensor]:
        """The features that the distance `score` compares, on the CPU, in batches of bounded memory."""
        for x in split_batches(items, 1):
            yield model_outputs(model, self.masked(x.to(model.device)), self.settings).patches(score).cpu()

    @property
    def roi(self) -> Tensor | None:
        """H×W, 1 where images are inspected; None for all pixels."""
        return None if self.region is None else self.region.mask

    def masked(self, x: Tensor) -> Tensor:
        """The items with pixels outside the region replaced."""
        return x if self.region is None else self.region.filled(x)

    def inside(self, maps: Tensor) -> Tensor:
        """The values of maps or images inside the region: ... × H × W -> ... × P."""
        return maps if self.region is None else self.region.flat(maps)

    def maps(self, x: Tensor, outputs: ModelOutputs) -> Tensor:
        """M×N×H×W or M×N×D, each of the settings' maps, smoothed, 0 outside of the region."""
        maps = []
        for name in self.settings.maps:
            if name == "marks":
                assert outputs.marks is not None
                values = outputs.marks
            elif name in FEATURE_SCORES:
                distance = outputs.distance if name == "distance" else self.distances[name](outputs.patches(name))
                assert distance is not None
                values = F.interpolate(distance[:, None], x.shape[2:], mode="bilinear")[:, 0]
            else:
                assert outputs.reconstructions is not None
                values = torch.stack([MAPS[name](y, x) for y in outputs.reconstructions]).mean(0)
            smooth = blurred if self.region is None else self.region.blurred
            maps.append(smooth(values, self.settings.smooth))
        return torch.stack(maps)

    @torch.no_grad()
    def raw(self, model: Any, x: Tensor, learned: bool = False) -> tuple[Tensor, Tensor]:
        """x N×shape in [0, 1] -> (parts, map).

        parts: P×N, each ≥ 0; for a model that predicts masks a last row is the distance of global image statistics.
        map: N×H×W or N×D, multiples of the normal value at each position: the predicted mask where there is one, else
        the mean of all maps. learned: x are training items, so distances of codes and rows leave out the item itself.
        """
        x = self.masked(x.to(model.device))
        outputs = model_outputs(model, x, self.settings)
        maps = dict(zip(self.settings.maps, self.maps(x, outputs) / self.places[:, None].to(x.device), strict=True))
        energy = (self.inside(x).flatten(1).square().mean(1) + 1e-3).sqrt()
        parts = []
        for name in self.settings.parts:
            if name in maps:
                part = pooled(self.inside(maps[name]), self.settings.pool, self.settings.share)
            elif name == "elbo":
                assert outputs.nats is not None
                part = torch.exp(outputs.nats / x[0].numel())  # because the logarithm of every part is compared
            else:
                distance = self.distances[name]
                vectors = x.flatten(1) if name in ROW_DISTANCES else outputs.code
                part = distance.leave_one_out(vectors) if learned else distance(vectors)
            parts.append(part / energy if self.settings.relative and name in RELATIVE else part)
        if STATISTICS in self.distances:
            parts.append(self.distances[STATISTICS](x, self.roi))
        # A network trained to predict masks localizes defects better than reconstruction errors do.
        anomaly_map = maps["marks"] if "marks" in maps else torch.stack(list(maps.values())).mean(0)
        return torch.stack(parts).float(), anomaly_map if model.features is None else self.relative_to_calm(anomaly_map)

    def relative_to_calm(self, maps: Tensor) -> Tensor:
        """Maps N×H×W of features, each divided by the root of its calm level, the lower quartile of its own image.

        Another piece or another light raises all distances of an image, also where nothing is wrong. The root, because
        a defect may cover most of an image. It changes the map alone: the score follows from the distances themselves.
        """
        some = self.inside(maps).flatten(1)[:, ::SPARSE].sort(1).values
        return maps / some[:, some.shape[1] // 4].clamp(min=LEAST).sqrt().view(-1, 1, 1)

    def standardized(self, parts: Tensor) -> Tensor:
        """P×N -> P×N: the z-score of each part, without the row of global image statistics."""
        mean, spread = self.normal[:2].to(parts.device)
        return (logarithm(parts[: len(mean)]) - mean[:, None]) / spread[:, None]

    def combined(self, parts: Tensor) -> Tensor:
        """P×N -> [N]: the mean z-score over the parts, raised for images that are out of distribution."""
        score = self.standardized(parts).mean(0)
        if len(parts) == len(self.settings.parts):
            return score
        return torch.where(parts[-1] > OUTLIER, score.clamp(min=0) + parts[-1], score)

    def split(self, model: Any, x: Tensor) -> Iterator[Tensor]:
        """x in batches of bounded memory."""
        return split_batches([x], passes(model, self.settings))


def split_batches(batches: Iterable[Tensor], times: int) -> Iterator[Tensor]:
    """Split batches so that memory stays bounded where the network sees each item `times` times."""
    for x in batches:
        yield from x.split(max(1, BATCH_VALUES // (times * math.prod(x.shape[1:]))))


def logarithm(parts: Tensor) -> Tensor:
    """Errors and distances are non-negative and skewed; their logarithm is about normally distributed."""
    return torch.log(parts + 1e-8)
