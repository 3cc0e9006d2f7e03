"""A detector: what a trained model is asked about each item, and how its answer is held against those of good ones."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from isthmus import store
from isthmus.contracts import Context, Sample
from isthmus.detection.distances import Mahalanobis, Neighbours
from isthmus.detection.maps import MAPS, POOLS, blurred, pooled
from isthmus.errors import BadInput, unknown

FILE = "detector.safetensors"
SCORES = (*MAPS, "elbo", "mahalanobis", "knn")
FEW = 10  # good ones held back, below which a threshold says little


@dataclass
class Finding:
    """What was found of N items. score [N]: over threshold is bad. ratio [N]: the error, as times the normal average.

    map: N×H×W (or N×D) of where the error is, smoothed, as times the normal average of a place; None where the score is
    of the code alone.
    """

    score: Tensor
    ratio: Tensor
    threshold: float
    map: Tensor | None = None

    @property
    def bad(self) -> Tensor:
        return self.score > self.threshold

    @classmethod
    def joined(cls, parts: Sequence[Finding]) -> Finding:
        """Those of several batches as one."""
        score, ratio = (torch.cat([getattr(part, name) for part in parts]) for name in ("score", "ratio"))
        maps = [part.map for part in parts if part.map is not None]
        return cls(score, ratio, parts[0].threshold, torch.cat(maps) if maps else None)


@dataclass
class Settings:
    """How a detector looks.

    score: one of SCORES, or several joined by +, each counted in its own standard deviations of good ones. relative:
    whether errors and squared distances are divided by the root of what there is to rebuild, Σx²: a page full of ink
    has more that can be wrong than one with a single stroke. pool: mean, max or worst (the mean of the worst `share`)
    of a map. smooth: σ in pixels. k: of knn. false_alarms: the share of good ones that may be called bad.
    """

    score: str = "error+knn"
    relative: bool = True
    pool: str = "mean"
    share: float = 0.01
    smooth: float = 0.0
    k: int = 1
    false_alarms: float = 0.01

    def __post_init__(self) -> None:
        for name in self.parts:
            if name not in SCORES:
                raise unknown("score", name, SCORES)
        if self.pool not in POOLS:
            raise unknown("pool", self.pool, POOLS)
        if not 0 < self.false_alarms < 1:
            raise BadInput(f"false alarms {self.false_alarms}: a share between 0 and 1 is accepted, such as 0.01")

    @property
    def parts(self) -> list[str]:
        return [name.strip() for name in self.score.split("+")]

    @property
    def map(self) -> str:
        return next((name for name in self.parts if name in MAPS), "error")


class Detector:
    """Scores items by a model, in standard deviations of good ones that it has not learned from.

    good: the scores of those, sorted. normal: of each part of the score the mean and the standard deviation of its
    logarithm over them, and the mean itself. level: what their maps stay below in all but a thousandth of places. roi:
    H×W, what counts; None for everything.
    """

    def __init__(
        self,
        settings: Settings,
        distances: dict[str, Any],
        normal: Tensor,
        good: Tensor,
        roi: Tensor | None = None,
        level: float = 1.0,
    ) -> None:
        self.settings, self.distances, self.normal, self.good = settings, distances, normal, good
        self.roi, self.level = roi, level

    @classmethod
    def fit(
        cls,
        model: Any,
        learned: Iterable[Tensor],
        held: Iterable[Tensor],
        settings: Settings | None = None,
        roi: Tensor | None = None,
    ) -> Detector:
        """From what `model` has learned from, N×shape in [0, 1], and from good ones that it has not.

        Raises BadInput for a score that the model cannot give, and where nothing is held back.
        """
        settings = settings or Settings()
        distances: dict[str, Any] = {}
        if {"mahalanobis", "knn"} & set(settings.parts):
            codes = torch.cat([model.encode(x, unit=True).flatten(1) for x in learned])
            if "mahalanobis" in settings.parts:
                distances["mahalanobis"] = Mahalanobis.fit(codes)
            if "knn" in settings.parts:
                distances["knn"] = Neighbours.fit(codes, settings.k)
        new = cls(settings, distances, torch.zeros(0), torch.zeros(0), roi)
        looks = [new.raw(model, x) for x in held]
        if not looks:
            raise BadInput("no good ones were held back, so nothing says what is normal; --validation 0.1 does")
        parts = torch.cat([part for part, _ in looks], 1)
        high = [seen.flatten().topk(max(1, seen.numel() // 1000)).values[-1] for _, seen in looks]
        new.level = float(torch.stack(high).mean())
        logs = logarithm(parts)
        spread = logs.std(1, correction=0) if parts.shape[1] > 1 else torch.ones(len(parts))
        new.normal = torch.stack([logs.mean(1), spread.clamp(min=1e-6), parts.mean(1)])
        new.good = new.joined(parts).sort().values
        return new

    @torch.no_grad()
    def raw(self, model: Any, x: Tensor) -> tuple[Tensor, Tensor]:
        """x N×shape in [0, 1] -> (each part of the score, P×N, 0 or more; the map of the error, N×H×W or N×D)."""
        x = x.to(model.device)
        sample = Sample.of(model.given(x))
        y, code = model.say(sample, Context())
        mean = model.objective.mean(y)[:, : x.shape[1]]
        found: dict[str, Tensor] = {}

        def seen(name: str) -> Tensor:
            if name not in found:
                if name != "error" and x.dim() != 4:
                    raise BadInput(f"score {name}: is of pictures; error, mahalanobis and knn are of any item")
                flat = blurred(MAPS[name](mean, x), self.settings.smooth)
                found[name] = flat if self.roi is None else flat * self.roi.to(flat)
            return found[name]

        energy = (x.flatten(1).square().mean(1) + 1e-3).sqrt() if self.settings.relative else x.new_ones(len(x))
        parts = []
        for name in self.settings.parts:
            if name in MAPS:
                parts.append(pooled(seen(name), self.settings.pool, self.settings.share) / energy)
            elif name == "elbo":
                if not hasattr(model.bottleneck, "beta"):
                    raise BadInput("score elbo: is of a variational model; train with kind=variational")
                nats = model.objective.loss(y, sample.target) + code.penalty
                parts.append(torch.exp(nats / x[0].numel()))  # like the others, a number whose logarithm is compared
            else:
                parts.append(self.distances[name](code.z.flatten(1).float().cpu()).to(x.device) / energy)
        return torch.stack([part.cpu().float() for part in parts]), seen(self.settings.map).cpu()

    def joined(self, parts: Tensor) -> Tensor:
        """P×N -> [N]: the mean over the parts, each in standard deviations from what is normal."""
        mean, spread, _ = self.normal
        return ((logarithm(parts) - mean[:, None]) / spread[:, None]).mean(0)

    def __call__(self, model: Any, x: Tensor, false_alarms: float | None = None) -> Finding:
        """x N×shape in [0, 1] -> what is found of each item."""
        parts, seen = self.raw(model, x)
        return Finding(self.joined(parts), parts[0] / self.normal[2, 0], self.threshold(false_alarms), seen)

    def threshold(self, false_alarms: float | None = None) -> float:
        """The score that `false_alarms` of good ones exceed: a quantile of those held back.

        It counts one more for the one to come (Vovk et al. 2005), so that the promise holds however few they are. Of
        too few it is the highest of them: see `doubt`.
        """
        share = self.settings.false_alarms if false_alarms is None else false_alarms
        count = len(self.good)
        return float(self.good[min(math.ceil((count + 1) * (1 - share)), count) - 1])

    def promised(self, false_alarms: float | None = None) -> float:
        """The share of good ones that the threshold promises to exceed no more often than."""
        share = self.settings.false_alarms if false_alarms is None else false_alarms
        return max(share, 1 / (len(self.good) + 1))

    def doubt(self, false_alarms: float | None = None) -> str | None:
        """Why the threshold promises less than was asked for, in one line; None where it does not."""
        share, count = self.settings.false_alarms if false_alarms is None else false_alarms, len(self.good)
        if (count + 1) * share >= 1:
            return None
        return (
            f"{count} good ones held back promise no fewer false alarms than {1 / (count + 1):.1%}; "
            f"for {share:.1%} it takes {math.ceil(1 / share) - 1}"
        )

    def save(self, run: Path) -> None:
        """Write it into a run folder."""
        tensors = {"normal": self.normal, "good": self.good} | ({} if self.roi is None else {"roi": self.roi})
        for name, distance in self.distances.items():
            tensors |= {f"{name}.{key}": value for key, value in distance.tensors.items()}
        store.write_tensors(run / FILE, tensors, header={"settings": vars(self.settings), "level": self.level})

    @classmethod
    def load(cls, run: Path) -> Detector:
        """The detector of a run folder. Raises BadInput where there is none, or one that cannot be read."""
        tensors, header = store.read_tensors(run / FILE)
        try:
            settings = Settings(**header["settings"])
            distances: dict[str, Any] = {}
            if "mahalanobis" in settings.parts:
                distances["mahalanobis"] = Mahalanobis(tensors["mahalanobis.mean"], tensors["mahalanobis.precision"])
            if "knn" in settings.parts:
                distances["knn"] = Neighbours(tensors["knn.codes"], settings.k)
            return cls(settings, distances, tensors["normal"], tensors["good"], tensors.get("roi"), header["level"])
        except (TypeError, KeyError) as error:
            raise BadInput(f"{run / FILE}: not a detector of this version ({error})") from error


def logarithm(parts: Tensor) -> Tensor:
    """Errors and distances are 0 or more and skewed; their logarithm is about normal."""
    return torch.log(parts + 1e-8)
