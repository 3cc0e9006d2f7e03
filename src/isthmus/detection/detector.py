"""A detector: what a trained model is asked about each item, and how its answer is held against those of good ones."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from isthmus import store
from isthmus.detection.distances import Glance, Mahalanobis, Neighbours
from isthmus.detection.finding import Finding
from isthmus.detection.looking import Look, look, passes
from isthmus.detection.maps import MAPS, blurred, pooled
from isthmus.detection.settings import CODED, RELATIVE, Settings, a_share
from isthmus.errors import BadInput
from isthmus.metrics import best_f1

FILE = "detector.safetensors"
NUMBERS = 2**20  # of items looked at together: 16 pictures of 256×256
FAR = 6.0  # standard deviations at a glance, from which on a picture is no part at all


class Detector:
    """Scores items by a model, in standard deviations of good ones that it has not learned from.

    places: of each map, its mean over good ones at each place, halfway to the mean of all places: what is often wrong
    there even in good ones counts less. normal: of each part of the score the mean and the standard deviation of its
    logarithm over good ones, and the mean itself. good: their scores, sorted. level: what their maps stay below in all
    but a thousandth of places. roi: H×W, what counts; None for everything. line: the threshold that tells defects which
    somebody has shown from good ones best; None where none were shown. steps: of the model's training, and those that
    such a net takes to learn what is normal; 0 where that is not known.
    """

    def __init__(
        self,
        settings: Settings,
        distances: dict[str, Any],
        places: Tensor,
        normal: Tensor,
        good: Tensor,
        roi: Tensor | None = None,
        level: float = 1.0,
        line: float | None = None,
        peaks: Tensor | None = None,
        steps: tuple[int, int] = (0, 0),
    ) -> None:
        self.settings, self.distances, self.places, self.normal, self.good = settings, distances, places, normal, good
        self.roi, self.level, self.line = roi, level, line
        self.peaks, self.steps = torch.tensor([level]) if peaks is None else peaks, steps

    @classmethod
    @torch.no_grad()
    def fit(
        cls,
        model: Any,
        learned: Iterable[Tensor],
        held: Iterable[Tensor],
        settings: Settings | None = None,
        roi: Tensor | None = None,
    ) -> Detector:
        """From what `model` has learned from, N×shape in [0, 1], and from good ones that it has not (read twice).

        Raises BadInput for a score that the model cannot give, and where nothing is held back.
        """
        settings = settings or Settings.of(model)
        distances: dict[str, Any] = {}
        if set(CODED) & set(settings.parts):
            codes = torch.cat([model.encode(x, unit=True).flatten(1) for x in learned])
            if "mahalanobis" in settings.parts:
                distances["mahalanobis"] = Mahalanobis.fit(codes)
            if "knn" in settings.parts:
                distances["knn"] = Neighbours.fit(codes, settings.k)
        if "covariance" in settings.parts:
            distances["covariance"] = Mahalanobis.fit(torch.cat([x.flatten(1) for x in learned]))
        if model.finds:
            distances["glance"] = Glance.fit(learned, roi)
        new = cls(settings, distances, torch.zeros(0), torch.zeros(0), torch.zeros(0), roi)
        sums, count = [], 0
        times = passes(model, settings)
        for x in small(held, times):
            count += len(x)
            sums.append(new.maps(x.to(model.device), look(model, x.to(model.device), settings)).sum(1).cpu())
        if not count:
            raise BadInput("no good ones were held back, so nothing says what is normal; --validation 0.1 does")
        mean = torch.stack(sums).sum(0) / count
        overall = mean.flatten(1).mean(1).view(-1, *[1] * (mean.dim() - 1))
        new.places = (mean + overall) / 2 + 1e-12
        looks = [new.raw(model, x) for x in small(held, times)]
        parts = torch.cat([part for part, _ in looks], 1)
        high = [seen.flatten().topk(max(1, seen.numel() // 1000)).values[-1] for _, seen in looks]
        new.level = float(torch.stack(high).mean())
        new.peaks = torch.cat([seen.flatten(1).amax(1).cpu() for _, seen in looks]).sort().values
        logs = logarithm(parts[: len(settings.parts)])
        spread = logs.std(1, correction=0) if parts.shape[1] > 1 else torch.ones(len(logs))
        new.normal = torch.stack([logs.mean(1), spread.clamp(min=1e-6), parts[: len(logs)].mean(1)])
        new.good = new.joined(parts).sort().values
        return new

    def maps(self, x: Tensor, seen: Look) -> Tensor:
        """M×N×H×W or M×N×D, each of the settings' maps, smoothed, nothing outside of the roi."""
        found = []
        for name in self.settings.maps:
            if name == "marks":
                assert seen.marks is not None
                one = seen.marks
            else:
                one = torch.stack([MAPS[name](y, x) for y in seen.rebuilt]).mean(0)
            found.append(blurred(one, self.settings.smooth))
        maps = torch.stack(found)
        return maps if self.roi is None else maps * self.roi.to(maps)

    @torch.no_grad()
    def raw(self, model: Any, x: Tensor) -> tuple[Tensor, Tensor]:
        """x N×shape in [0, 1] -> (each part of the score, P×N, 0 or more, and below them a glance, for what finds; a
        map, N×H×W or N×D, as times what is normal there: the marks, where there are any, else the mean of all maps).
        """
        x = x.to(model.device)
        seen = look(model, x, self.settings)
        maps = dict(zip(self.settings.maps, self.maps(x, seen) / self.places[:, None].to(x.device), strict=True))
        energy = (x.flatten(1).square().mean(1) + 1e-3).sqrt()
        parts = []
        for name in self.settings.parts:
            if name in maps:
                part = pooled(maps[name], self.settings.pool, self.settings.share)
            elif name == "elbo":
                assert seen.nats is not None
                part = torch.exp(seen.nats / x[0].numel())  # like the others, a number whose logarithm is compared
            elif name == "covariance":
                part = self.distances[name](x.flatten(1))
            else:
                part = self.distances[name](seen.code)
            parts.append(part / energy if self.settings.relative and name in RELATIVE else part)
        if "glance" in self.distances:
            parts.append(self.distances["glance"](x, self.roi))
        # A net that has learned to say where says it better than what comes back does.
        where = maps["marks"] if "marks" in maps else torch.stack(list(maps.values())).mean(0)
        return torch.stack(parts).float(), where

    def joined(self, parts: Tensor) -> Tensor:
        """P×N -> [N]: the mean over the parts, each in standard deviations from what is normal; and more for what is
        no part at all."""
        mean, spread, _ = self.normal.to(parts.device)
        score = ((logarithm(parts[: len(mean)]) - mean[:, None]) / spread[:, None]).mean(0)
        if len(parts) == len(mean):
            return score
        return torch.where(parts[-1] > FAR, score.clamp(min=0) + parts[-1], score)

    def __call__(self, model: Any, x: Tensor, false_alarms: float | None = None) -> Finding:
        """x N×shape in [0, 1] -> what is found of each item; some at a time, so that memory stays bounded."""
        found = []
        for part in self.cut(model, x):
            parts, seen = (value.cpu() for value in self.raw(model, part))
            ratio, limits = parts[0] / self.normal[2, 0], (self.threshold(false_alarms), self.edge(false_alarms))
            found.append(Finding(self.joined(parts), ratio, limits[0], seen, limits[1]))
        return Finding.joined(found)

    def cut(self, model: Any, x: Tensor) -> Iterator[Tensor]:
        """The same items, as many at a time as are looked at together."""
        return small([x], passes(model, self.settings))

    def threshold(self, false_alarms: float | None = None) -> float:
        """The score that `false_alarms` of good ones exceed: a quantile of those held back.

        It counts one more for the one to come (Vovk et al. 2005), so that the promise holds however few they are. Of
        too few it is the highest of them: see doubts.py. Where no share is named here and defects were shown, it is the
        `line` between the two.
        """
        if false_alarms is None and self.line is not None:
            return self.line
        return self.exceeded_by(self.good, false_alarms)

    def edge(self, false_alarms: float | None = None) -> float:
        """The threshold of a map: so many of normal items are over it at any place at all."""
        return max(self.level, self.exceeded_by(self.peaks, false_alarms))

    def exceeded_by(self, values: Tensor, false_alarms: float | None) -> float:
        """The one of the sorted values that a share of their kind exceeds."""
        share = self.settings.false_alarms if false_alarms is None else a_share(false_alarms)
        return float(values[min(math.ceil((len(values) + 1) * (1 - share)), len(values)) - 1])

    def draw_line(self, bad: Tensor) -> float:
        """Let the threshold be the one of the best F1 between the good ones held back and `bad`, the scores of defects
        that somebody has shown; return that F1.

        Of the scores between which it may lie it is the middle, so that neither side is favoured.
        """
        score = torch.cat([self.good, bad])
        f1, lowest = best_f1(score.numpy(), np.repeat([0, 1], [len(self.good), len(bad)]))
        below = score[score < lowest]
        self.line = (lowest + float(below.max())) / 2 if len(below) else lowest - 1.0
        return f1

    def promised(self, false_alarms: float | None = None) -> float:
        """The share of good ones that the threshold promises to be exceeded by, no more."""
        return (self.over(false_alarms) + 1) / (len(self.good) + 1)

    def between(self, false_alarms: float | None = None) -> tuple[float, float]:
        """The 95 % interval of that share: what so many good ones can tell of it (an order statistic's beta)."""
        from scipy.stats import beta

        over = self.over(false_alarms)
        low, high = beta.ppf([0.025, 0.975], over + 1, len(self.good) - over)
        return float(low), float(high)

    def over(self, false_alarms: float | None = None) -> int:
        """How many of the good ones held back are over the threshold."""
        return min(int((self.good > self.threshold(false_alarms)).sum()), len(self.good) - 1)

    def save(self, run: Path) -> None:
        """Write it into a run folder."""
        tensors = {"places": self.places, "normal": self.normal, "good": self.good, "peaks": self.peaks}
        tensors |= {} if self.roi is None else {"roi": self.roi}
        for name, distance in self.distances.items():
            tensors |= {f"{name}.{key}": value for key, value in distance.tensors.items()}
        header = {"settings": vars(self.settings), "level": self.level, "line": self.line, "steps": self.steps}
        store.write_tensors(run / FILE, tensors, header=header)

    @classmethod
    def load(cls, run: Path) -> Detector:
        """The detector of a run folder. Raises BadInput where there is none, or one that cannot be read."""
        tensors, header = store.read_tensors(run / FILE)
        try:
            settings = Settings(**header["settings"])
            distances: dict[str, Any] = {}
            if "mahalanobis" in settings.parts:
                distances["mahalanobis"] = Mahalanobis(tensors["mahalanobis.mean"], tensors["mahalanobis.precision"])
            if "covariance" in settings.parts:
                distances["covariance"] = Mahalanobis(tensors["covariance.mean"], tensors["covariance.precision"])
            if "knn" in settings.parts:
                distances["knn"] = Neighbours(tensors["knn.codes"], settings.k)
            if "glance.mean" in tensors:
                distances["glance"] = Glance(tensors["glance.mean"], tensors["glance.spread"])
            places, normal, good = (tensors[name] for name in ("places", "normal", "good"))
            level, line, roi, peaks = header["level"], header["line"], tensors.get("roi"), tensors.get("peaks")
            steps = tuple(header.get("steps", (0, 0)))
            return cls(settings, distances, places, normal, good, roi, level, line, peaks, steps)  # type: ignore[arg-type]
        except (TypeError, KeyError) as error:
            raise BadInput(f"{run / FILE}: not a detector of this version ({error})") from error


def small(batches: Iterable[Tensor], times: int) -> Iterator[Tensor]:
    """The same items, as many at a time as are looked at together where the net sees each so many `times`."""
    for x in batches:
        yield from x.split(max(1, NUMBERS // (times * math.prod(x.shape[1:]))))


def logarithm(parts: Tensor) -> Tensor:
    """Errors and distances are 0 or more and skewed; their logarithm is about normal."""
    return torch.log(parts + 1e-8)
