"""A detector: what a trained model is asked about each item, and how its answer is held against those of good ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from isthmus import store
from isthmus.detection.distances import OF_ROWS, ImageStatistics, Mahalanobis, Neighbours, PatchDistance
from isthmus.detection.finding import Finding
from isthmus.detection.model_outputs import passes
from isthmus.detection.quantiles import exceeded_by, of_threshold
from isthmus.detection.region import Region
from isthmus.detection.scorer import LEAST, Scorer, logarithm, small
from isthmus.detection.settings import Settings, a_share
from isthmus.errors import BadInput
from isthmus.metrics import best_f1

FILE = "detector.safetensors"
FACTS = ("level", "line", "steps", "calibrated_on", "check")  # beside the tensors in its file
MOST = 20.0  # the logarithm of the highest ratio


@dataclass(eq=False)
class Detector(Scorer):
    """A scorer and a calibration set: normal items that the model has not learned from, which say what is normal.

    normal: as the scorer's, moved and stretched to the calibration set. good: the scores of the calibration set,
    sorted. level: what their maps stay below in all but a thousandth of places; peaks: the highest value of each map,
    sorted. line: the threshold that tells defects which somebody has shown from normal items best; None where none were
    shown. steps: of the model's training, and those that such a net takes to learn what is normal; 0 where that is not
    known. calibrated_on: the part of the data that the calibration set is; empty for other data. check: as
    self_check has it; None where there was none.
    """

    good: Tensor
    level: float = field(default=1.0, kw_only=True)
    line: float | None = field(default=None, kw_only=True)
    peaks: Tensor = field(default_factory=lambda: torch.zeros(1), kw_only=True)
    steps: tuple[int, int] = field(default=(0, 0), kw_only=True)
    calibrated_on: str = field(default="", kw_only=True)
    check: dict[str, Any] | None = field(default=None, kw_only=True)

    @classmethod
    @torch.no_grad()
    def fit(
        cls,
        model: Any,
        learned: Iterable[Tensor],
        held: Iterable[Tensor],
        settings: Settings | None = None,
        roi: Tensor | None = None,
        reference: Iterable[Tensor] | None = None,
    ) -> Detector:
        """From training items of `model`, N×shape in [0, 1], and the calibration set: normal ones that it has not seen.

        What makes one item score higher than another follows from training items alone (reference: enough of them for
        that; by default all): how places and the parts of a score are weighted. The calibration set only moves and
        stretches the scores, all alike, and draws the threshold. So its items and those to come are exchangeable, and
        the promised rate of false alarms holds however few they are. roi: H×W, 1 where a picture counts.

        Raises BadInput for a score that the model cannot give, and where the calibration set is empty.
        """
        settings = settings or Settings.of(model)
        region = Region.fit(roi, learned) if roi is not None else None
        new = cls(settings, {}, torch.zeros(0), torch.zeros(0), torch.zeros(0), region=region)
        new.measure(model, learned)
        spread = new.weigh(model, learned if reference is None else reference)
        times = passes(model, settings)
        looks = [new.raw(model, x) for x in small(held, times)]
        if not looks:
            raise BadInput("the calibration set is empty, so nothing says what is normal; --validation 0.1 does")
        new.calibrate(spread, torch.cat([part.cpu() for part, _ in looks], 1), [seen.cpu() for _, seen in looks])
        return new

    def calibrate(self, spread: Tensor, parts: Tensor, maps: Sequence[Tensor]) -> None:
        """Set all that follows from the calibration set. spread: as `weigh` returns it; parts, maps: as `raw` does, of
        the set, P×N, and some of its maps at a time."""
        inside = [self.inside(seen).flatten(1) for seen in maps]
        high = [one.flatten().topk(max(1, one.numel() // 1000)).values[-1] for one in inside]
        self.level = float(torch.stack(high).mean())
        self.peaks = torch.cat([one.amax(1) for one in inside]).sort().values
        logs = logarithm(parts[: len(spread)])
        if logs.shape[1] > 1:  # one factor for all parts, which changes no order
            own = logs.std(1, correction=0).clamp(min=LEAST)
            spread = spread * torch.log(own / spread).mean().exp()
        self.normal = torch.stack([logs.mean(1), spread])
        self.good = self.joined(parts).sort().values

    def ratio(self, score: Tensor) -> Tensor:
        """[N] -> [N]: how many times the normal is what is scored: the geometric mean of its parts, each as times its
        geometric mean over the calibration set, weighted as in the score. It is above another where the score is."""
        return torch.exp((score / (1 / self.normal[1]).mean()).clamp(max=MOST))

    def __call__(self, model: Any, x: Tensor, false_alarms: float | None = None) -> Finding:
        """x N×shape in [0, 1] -> what is found of each item; some at a time, so that memory stays bounded."""
        found = []
        for part in self.cut(model, x):
            parts, seen = (value.cpu() for value in self.raw(model, part))
            score, limits = self.joined(parts), (self.threshold(false_alarms), self.edge(false_alarms))
            found.append(Finding(score, self.ratio(score), limits[0], seen, limits[1]))
        return Finding.joined(found)

    def parts(self, model: Any, x: Tensor) -> Tensor:
        """x N×shape in [0, 1] -> P×N, each part of the score in standard deviations from what is normal."""
        return torch.cat([self.standardized(self.raw(model, part)[0].cpu()) for part in self.cut(model, x)], 1)

    def threshold(self, false_alarms: float | None = None) -> float:
        """The score that `false_alarms` of normal items exceed, and no more, however few the calibration set is; of
        too few it is the highest of them: see doubts.py. Where no share is named here and defects were shown, it is the
        `line` between the two.
        """
        if false_alarms is None and self.line is not None:
            return self.line
        return exceeded_by(self.good, self.share(false_alarms))

    def edge(self, false_alarms: float | None = None) -> float:
        """The threshold of a map: so many of normal items are over it at any place at all."""
        return max(self.level, exceeded_by(self.peaks, self.share(false_alarms)))

    def share(self, false_alarms: float | None) -> float:
        """The share of normal items that may be called bad: the one that is named, or else the run's own."""
        return self.settings.false_alarms if false_alarms is None else a_share(false_alarms)

    def calibrate_threshold(self, bad: Tensor) -> float:
        """Let the threshold be the one of the best F1 between the good ones held back and `bad`, the scores of defects
        that somebody has shown; return that F1.

        Of the scores between which it may lie it is the middle, so that neither side is favoured.
        """
        score = torch.cat([self.good, bad])
        f1, lowest = best_f1(score.numpy(), np.repeat([0, 1], [len(self.good), len(bad)]))
        below = score[score < lowest]
        self.line = (lowest + float(below.max())) / 2 if len(below) else lowest - 1.0
        return f1

    def fpr_bound(self, false_alarms: float | None = None) -> float | None:
        """The share of normal items that the threshold promises to be exceeded by, no more; None where known defects
        have drawn it, which promises nothing."""
        by_line = false_alarms is None and self.line is not None
        return None if by_line else (self.over(false_alarms) + 1) / (len(self.good) + 1)

    def between(self, false_alarms: float | None = None) -> tuple[float, float]:
        """The 95 % interval of the share that exceeds the threshold, as far as so few normal items can tell."""
        return of_threshold(self.over(false_alarms), len(self.good))

    def over(self, false_alarms: float | None = None) -> int:
        """How many of the good ones held back are over the threshold."""
        return min(int((self.good > self.threshold(false_alarms)).sum()), len(self.good) - 1)

    def summary(self) -> str | None:
        """One line of how well it finds synthesized defects of normal pictures; None where that was not measured."""
        from isthmus.detection.self_check import in_words

        return None if self.check is None else in_words(self.check)

    def save(self, run: Path) -> None:
        """Write it into a run folder."""
        tensors = {"places": self.places, "normal": self.normal, "good": self.good, "peaks": self.peaks}
        tensors |= {} if self.region is None else self.region.tensors
        for name, distance in self.distances.items():
            tensors |= {f"{name}.{key}": value for key, value in distance.tensors.items()}
        header = {name: getattr(self, name) for name in FACTS} | {"settings": vars(self.settings)}
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
            for name in set(OF_ROWS) & set(settings.parts):
                kept = {key.partition(".")[2]: tensors[key] for key in tensors if key.startswith(f"{name}.")}
                distances[name] = OF_ROWS[name](**kept)
            if "knn" in settings.parts:
                distances["knn"] = Neighbours(tensors["knn.codes"], settings.k)
            if "features" in settings.parts:
                distances["features"] = PatchDistance(
                    *(tensors[f"features.{key}"] for key in ("bank", "mean", "spread"))
                )
            if "glance.mean" in tensors:
                distances["glance"] = ImageStatistics(tensors["glance.mean"], tensors["glance.spread"])
            places, normal, good = (tensors[name] for name in ("places", "normal", "good"))
            region = Region(tensors["roi"], tensors["outside"]) if "roi" in tensors else None
            facts = {name: header[name] for name in FACTS if name in header}
            peaks = tensors.get("peaks", torch.zeros(1))
            return cls(settings, distances, places, normal, good, region=region, peaks=peaks, **facts)
        except (TypeError, KeyError) as error:
            raise BadInput(f"{run / FILE}: not a detector of this version ({error})") from error
