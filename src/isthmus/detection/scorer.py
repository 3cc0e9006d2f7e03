"""How a detector scores items: all that is fixed by the training items alone, before a calibration set is seen."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from isthmus.detection.anomaly_maps import MAPS, blurred, pooled
from isthmus.detection.distances import OF_ROWS, ImageStatistics, Mahalanobis, Neighbours, PatchDistance
from isthmus.detection.model_outputs import ModelOutputs, model_outputs, passes
from isthmus.detection.region import Region
from isthmus.detection.settings import CODED, RELATIVE, Settings

NUMBERS = 2**20  # of items looked at together: 16 pictures of 256×256
FAR = 6.0  # standard deviations at a glance, from which on a picture is no part at all
LEAST = 1e-6  # that a standard deviation counts as


@dataclass(eq=False)
class Scorer:
    """Parts of a score and maps, each weighted by how much it varies over training items.

    places: of each map its mean over training items at each place, halfway to the mean of all places: what is often
    wrong there even in normal ones counts less. normal: of each part the mean and the standard deviation of its
    logarithm. region: of pictures, the part that counts; None for all of it.
    """

    settings: Settings
    distances: dict[str, Any]
    places: Tensor
    normal: Tensor
    region: Region | None = field(default=None, kw_only=True)

    @torch.no_grad()
    def measure(self, model: Any, learned: Iterable[Tensor]) -> None:
        """Fit the distances that are asked for to training items."""
        parts, fitted = self.settings.parts, self.distances
        if set(CODED) & set(parts):
            codes = torch.cat([model.encode(self.seen(x), unit=True).flatten(1) for x in learned])
            if "mahalanobis" in parts:
                fitted["mahalanobis"] = Mahalanobis.fit(codes)
            if "knn" in parts:
                fitted["knn"] = Neighbours.fit(codes, self.settings.k)
        if set(OF_ROWS) & set(parts):
            rows = torch.cat([x.flatten(1) for x in learned])
            fitted |= {name: kind.fit(rows) for name, kind in OF_ROWS.items() if name in parts}
        if "features" in parts:
            fitted["features"] = PatchDistance.fit(self.features(model, x) for x in small(learned, 1))
        if model.predicts_mask:
            fitted["glance"] = ImageStatistics.fit(map(self.seen, learned), self.roi)

    @torch.no_grad()
    def weigh(self, model: Any, reference: Iterable[Tensor]) -> Tensor:
        """Set `places`, and return the standard deviation of each part's logarithm, over training items."""
        sums, count, times = [], 0, passes(model, self.settings)
        for x in small(reference, times):
            x, count = self.seen(x.to(model.device)), count + len(x)
            sums.append(self.maps(x, model_outputs(model, x, self.settings)).sum(1).cpu())
        mean = torch.stack(sums).sum(0) / count
        overall = self.inside(mean).flatten(1).mean(1).view(-1, *[1] * (mean.dim() - 1))
        self.places = (mean + overall) / 2 + 1e-12
        parts = torch.cat([self.raw(model, x, learned=True)[0].cpu() for x in small(reference, times)], 1)
        logs = logarithm(parts[: len(self.settings.parts)])
        return logs.std(1, correction=0).clamp(min=LEAST) if count > 1 else torch.ones(len(logs))

    def features(self, model: Any, x: Tensor) -> Tensor:
        found = model_outputs(model, self.seen(x.to(model.device)), self.settings).features
        assert found is not None
        return found.cpu()

    @property
    def roi(self) -> Tensor | None:
        """H×W, 1 where a picture counts; None for everywhere."""
        return None if self.region is None else self.region.mask

    def seen(self, x: Tensor) -> Tensor:
        """The items, without anything of what lies outside of the region."""
        return x if self.region is None else self.region.filled(x)

    def inside(self, maps: Tensor) -> Tensor:
        """The values of maps, or of pictures, that lie inside of the region: ... × H × W -> ... × P."""
        return maps if self.region is None else self.region.flat(maps)

    def maps(self, x: Tensor, seen: ModelOutputs) -> Tensor:
        """M×N×H×W or M×N×D, each of the settings' maps, smoothed, 0 outside of the region."""
        found = []
        for name in self.settings.maps:
            if name == "marks":
                assert seen.marks is not None
                one = seen.marks
            elif name == "features":
                assert seen.features is not None
                near = self.distances[name](seen.features)
                one = F.interpolate(near[:, None], x.shape[2:], mode="bilinear")[:, 0]
            else:
                one = torch.stack([MAPS[name](y, x) for y in seen.rebuilt]).mean(0)
            smooth = blurred if self.region is None else self.region.blurred
            found.append(smooth(one, self.settings.smooth))
        return torch.stack(found)

    @torch.no_grad()
    def raw(self, model: Any, x: Tensor, learned: bool = False) -> tuple[Tensor, Tensor]:
        """x N×shape in [0, 1] -> (each part of the score, P×N, 0 or more, and below them a glance, for what finds; a
        map, N×H×W or N×D, as times what is normal there: the marks, where there are any, else the mean of all maps).

        learned: x are training items; no distance is then to an item itself.
        """
        x = self.seen(x.to(model.device))
        seen = model_outputs(model, x, self.settings)
        maps = dict(zip(self.settings.maps, self.maps(x, seen) / self.places[:, None].to(x.device), strict=True))
        energy = (self.inside(x).flatten(1).square().mean(1) + 1e-3).sqrt()
        parts = []
        for name in self.settings.parts:
            if name in maps:
                part = pooled(self.inside(maps[name]), self.settings.pool, self.settings.share)
            elif name == "elbo":
                assert seen.nats is not None
                part = torch.exp(seen.nats / x[0].numel())  # like the others, a number whose logarithm is compared
            else:
                distance = self.distances[name]
                of = x.flatten(1) if name in OF_ROWS else seen.code
                part = distance.left_out(of) if learned else distance(of)
            parts.append(part / energy if self.settings.relative and name in RELATIVE else part)
        if "glance" in self.distances:
            parts.append(self.distances["glance"](x, self.roi))
        # A net that has learned to say where says it better than what comes back does.
        where = maps["marks"] if "marks" in maps else torch.stack(list(maps.values())).mean(0)
        return torch.stack(parts).float(), where

    def standardized(self, parts: Tensor) -> Tensor:
        """P×N -> P×N: each part in standard deviations from what is normal, without the glance."""
        mean, spread = self.normal[:2].to(parts.device)
        return (logarithm(parts[: len(mean)]) - mean[:, None]) / spread[:, None]

    def joined(self, parts: Tensor) -> Tensor:
        """P×N -> [N]: the mean over the parts, each in standard deviations from what is normal; and more for what is
        no part at all."""
        score = self.standardized(parts).mean(0)
        if len(parts) == len(self.settings.parts):
            return score
        return torch.where(parts[-1] > FAR, score.clamp(min=0) + parts[-1], score)

    def cut(self, model: Any, x: Tensor) -> Iterator[Tensor]:
        """The same items, as many at a time as are looked at together."""
        return small([x], passes(model, self.settings))


def small(batches: Iterable[Tensor], times: int) -> Iterator[Tensor]:
    """The same items, as many at a time as are looked at together where the net sees each so many `times`."""
    for x in batches:
        yield from x.split(max(1, NUMBERS // (times * math.prod(x.shape[1:]))))


def logarithm(parts: Tensor) -> Tensor:
    """Errors and distances are 0 or more and skewed; their logarithm is about normal."""
    return torch.log(parts + 1e-8)
