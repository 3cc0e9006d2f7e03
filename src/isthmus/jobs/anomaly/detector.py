"""A detector: scores the outputs of a trained model and compares them with the scores of a calibration set."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from isthmus import store
from isthmus.autoencoder import Autoencoder
from isthmus.errors import BadInput
from isthmus.jobs import check_verb
from isthmus.jobs.anomaly.distances import (
    ROW_DISTANCES,
    STATISTICS,
    ImageStatistics,
    Mahalanobis,
    NearestNeighbors,
)
from isthmus.jobs.anomaly.finding import Finding
from isthmus.jobs.anomaly.model_outputs import passes
from isthmus.jobs.anomaly.patch_distances import PATCH_DISTANCES
from isthmus.jobs.anomaly.quantiles import conformal_threshold, threshold_interval
from isthmus.jobs.anomaly.region import Region
from isthmus.jobs.anomaly.scorer import LEAST, Scorer, logarithm, split_batches
from isthmus.jobs.anomaly.settings import Settings, checked_rate
from isthmus.metrics import best_f1

NAME, FILE = "detector", "detector.safetensors"  # of the part, and of its file in a run
# Attributes beside the tensors, with their keys in the header of the file.
HEADER = {
    "level": "level",
    "defect_threshold": "line",
    "steps": "steps",
    "calibrated_on": "calibrated_on",
    "check": "check",
}
MAX_LOG_RATIO = 20.0


@dataclass(eq=False)
class Detector(Scorer):
    """A scorer with a threshold, calibrated on normal items that the model was not trained on.

    normal: as in Scorer, shifted and scaled to the calibration set. good: the sorted scores of the calibration set.
    level: the 99.9th percentile of its maps; peaks: the sorted maximum of each map. defect_threshold: the threshold of
    the best F1 on known defects; None where there are none. steps: (trained, needed) steps of the model; 0 where
    unknown. calibrated_on: the part of the data that the calibration set is; empty for other data. check: the result
    of self_check, or None.
    """

    good: Tensor
    level: float = field(default=1.0, kw_only=True)
    defect_threshold: float | None = field(default=None, kw_only=True)
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
        """Fit to `learned`, training items of `model` (N×shape in [0, 1]), and calibrate on `held`, normal items that
        it was not trained on.

        The order of scores follows from training items alone (reference: a subset large enough for the weights of
        positions and of the score's parts; by default all). The calibration set only shifts and scales all scores alike
        and sets the threshold. So its items and new normal items are exchangeable, and the bound on the false-positive
        rate holds for any size of the set. roi: H×W, 1 where an image is inspected.

        Raises BadInput for a score that the model cannot give, and for an empty calibration set.
        """
        settings = settings or Settings.of(model)
        region = Region.fit(roi, learned) if roi is not None else None
        new = cls(settings, {}, torch.zeros(0), torch.zeros(0), torch.zeros(0), region=region)
        new.measure(model, learned)
        spread = new.weigh(model, learned if reference is None else reference)
        times = passes(model, settings)
        outputs = [new.raw(model, x) for x in split_batches(held, times)]
        if not outputs:
            raise BadInput("the calibration set is empty: hold back normal items, for example with --validation 0.1")
        new.calibrate(spread, torch.cat([part.cpu() for part, _ in outputs], 1), [maps.cpu() for _, maps in outputs])
        return new

    def calibrate(self, spread: Tensor, parts: Tensor, maps: Sequence[Tensor]) -> None:
        """Set thresholds and normalization. spread: as `weigh` returns it. parts (P×N) and maps (in batches): as `raw`
        returns them for the calibration set."""
        inside = [self.inside(batch).flatten(1) for batch in maps]
        high = [one.flatten().topk(max(1, one.numel() // 1000)).values[-1] for one in inside]
        self.level = float(torch.stack(high).mean())
        self.peaks = torch.cat([one.amax(1) for one in inside]).sort().values
        logs = logarithm(parts[: len(spread)])
        if logs.shape[1] > 1:  # one factor for all parts, which changes no order
            calibrated = logs.std(1, correction=0).clamp(min=LEAST)
            spread = spread * torch.log(calibrated / spread).mean().exp()
        self.normal = torch.stack([logs.mean(1), spread])
        self.good = self.combined(parts).sort().values

    def ratio(self, score: Tensor) -> Tensor:
        """[N] -> [N]: the score as a multiple of the normal one: the weighted geometric mean of its parts, each divided
        by its geometric mean over the calibration set. Increases with the score."""
        return torch.exp((score / (1 / self.normal[1]).mean()).clamp(max=MAX_LOG_RATIO))

    def __call__(self, model: Any, x: Tensor, false_alarms: float | None = None) -> Finding:
        """Score x, N×shape in [0, 1], in batches of bounded memory."""
        findings = []
        for batch in self.split(model, x):
            parts, maps = (value.cpu() for value in self.raw(model, batch))
            score, limits = self.combined(parts), (self.threshold(false_alarms), self.map_threshold(false_alarms))
            findings.append(Finding(score, self.ratio(score), limits[0], maps, limits[1]))
        return Finding.joined(findings)

    def parts(self, model: Any, x: Tensor) -> Tensor:
        """x N×shape in [0, 1] -> P×N, the z-score of each part of the score."""
        return torch.cat([self.standardized(self.raw(model, batch)[0].cpu()) for batch in self.split(model, x)], 1)

    def threshold(self, false_alarms: float | None = None) -> float:
        """The score that at most a share `false_alarms` of normal items exceeds, or the highest calibration score where
        the set is too small for that rate (see reliability.py). Without `false_alarms`: `defect_threshold`
        where known defects have set it, else the threshold for the rate in the settings.
        """
        if false_alarms is None and self.defect_threshold is not None:
            return self.defect_threshold
        return conformal_threshold(self.good, self.target_fpr(false_alarms))

    def map_threshold(self, false_alarms: float | None = None) -> float:
        """The map value that at most a share `false_alarms` of normal items exceeds anywhere."""
        return max(self.level, conformal_threshold(self.peaks, self.target_fpr(false_alarms)))

    def target_fpr(self, false_alarms: float | None) -> float:
        """The accepted false-positive rate: `false_alarms`, or by default that of the settings."""
        return self.settings.false_alarms if false_alarms is None else checked_rate(false_alarms)

    def calibrate_threshold(self, bad: Tensor) -> float:
        """Set `defect_threshold` to that of the best F1 on the calibration scores and `bad`, the scores of known
        defects; return that F1. The threshold is the middle of the interval of scores that give this F1.
        """
        score = torch.cat([self.good, bad])
        f1, lowest = best_f1(score.numpy(), np.repeat([0, 1], [len(self.good), len(bad)]))
        below = score[score < lowest]
        self.defect_threshold = (lowest + float(below.max())) / 2 if len(below) else lowest - 1.0
        return f1

    def fpr_bound(self, false_alarms: float | None = None) -> float | None:
        """The upper bound that the threshold guarantees for the false-positive rate; None where known defects have set
        the threshold, which guarantees nothing."""
        by_defects = false_alarms is None and self.defect_threshold is not None
        return None if by_defects else (self.count_above(false_alarms) + 1) / (len(self.good) + 1)

    def fpr_interval(self, false_alarms: float | None = None) -> tuple[float, float]:
        """The 95 % interval of the false-positive rate of the threshold, given the size of the calibration set."""
        return threshold_interval(self.count_above(false_alarms), len(self.good))

    def count_above(self, false_alarms: float | None = None) -> int:
        """The number of calibration scores above the threshold."""
        return min(int((self.good > self.threshold(false_alarms)).sum()), len(self.good) - 1)

    def summary(self) -> str | None:
        """The result of the self-check in one line; None if there is none."""
        if self.check is None:
            return None
        kinds = ", ".join(f"{kind} {value:.2f}" for kind, value in self.check["per_kind"].items())
        return (
            f"self-check: AUROC {self.check['auroc']:.2f} on synthesized defects of {self.check['pictures']} of your "
            f"own normal pictures ({kinds}); real defects may be easier or harder"
        )

    def save(self, run: Path) -> None:
        """Write the detector into a run folder."""
        tensors = {"places": self.places, "normal": self.normal, "good": self.good, "peaks": self.peaks}
        tensors |= {} if self.region is None else self.region.tensors
        for name, distance in self.distances.items():
            tensors |= {f"{name}.{key}": value for key, value in distance.tensors.items()}
        header = {key: getattr(self, name) for name, key in HEADER.items()} | {"settings": vars(self.settings)}
        store.write_tensors(run / FILE, tensors, header=header)

    @classmethod
    def load(cls, run: Path) -> Detector:
        """The detector of a run folder. Raises BadInput for a file that is missing or cannot be read."""
        tensors, header = store.read_tensors(run / FILE)
        try:
            settings = Settings(**header["settings"])
            distances: dict[str, Any] = {}
            if "mahalanobis" in settings.parts:
                distances["mahalanobis"] = Mahalanobis(tensors["mahalanobis.mean"], tensors["mahalanobis.precision"])
            if "knn" in settings.parts:
                distances["knn"] = NearestNeighbors(tensors["knn.codes"], settings.k)
            for name, kind in (ROW_DISTANCES | PATCH_DISTANCES).items():
                if name in settings.parts:
                    own = {key.partition(".")[2]: tensors[key] for key in tensors if key.startswith(f"{name}.")}
                    distances[name] = kind(**own)
            if f"{STATISTICS}.mean" in tensors:
                distances[STATISTICS] = ImageStatistics(*(tensors[f"{STATISTICS}.{key}"] for key in ("mean", "spread")))
            places, normal, good = (tensors[name] for name in ("places", "normal", "good"))
            region = Region(tensors["roi"], tensors["outside"]) if "roi" in tensors else None
            attributes = {name: header[key] for name, key in HEADER.items() if key in header}
            peaks = tensors.get("peaks", torch.zeros(1))
            return cls(settings, distances, places, normal, good, region=region, peaks=peaks, **attributes)
        except (TypeError, KeyError) as error:
            raise BadInput(f"{run / FILE}: not a detector of this version ({error})") from error


def detector_of(model: Autoencoder) -> Detector | None:
    """The detector of a model, read from its run folder on first access; None if it has none."""
    if NAME not in model.parts and model.path is not None and (model.path / FILE).is_file():
        model.parts[NAME] = Detector.load(model.path)
    return model.parts.get(NAME)


def require_detector(model: Autoencoder) -> Detector:
    """The detector of a model. Raises BadInput for a run of another job and for an unfinished training."""
    check_verb("detect", model)
    if (detector := detector_of(model)) is None:
        unfinished = "its training is not finished; the same command with --resume finishes it"
        hint = unfinished if model.path is not None else "isthmus train detect makes a run with one"
        raise BadInput(f"{model.path or 'this model'}: has no {FILE}: {hint}")
    return detector


def detect_items(model: Autoencoder, x: Any, unit: bool = False, false_alarms: float | None = None) -> Finding:
    """Scores, verdicts and maps of N items, or of one, by the detector of a model.

    x: as Autoencoder.tensor takes it; unit: floats in [0, 1]. false_alarms: the accepted false-positive rate; None for
    the run's own. Raises BadInput as require_detector, and for NaN or infinite values.
    """
    detector = require_detector(model)
    items = model.tensor(x, unit)
    if not items.isfinite().all():
        raise BadInput("input: holds NaN or infinite values; accepted are finite numbers")
    return detector(model, items, false_alarms)
