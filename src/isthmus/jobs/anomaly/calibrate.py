"""The detector of a trained model: calibrated on normal items that it has not learned from."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from isthmus import store
from isthmus.autoencoder import CHUNK, Autoencoder
from isthmus.data import Data, open_data, read_picture, resize
from isthmus.detection import Detector, Settings, calibration_warnings
from isthmus.detection.quantiles import binomial_interval
from isthmus.detection.self_check import best_score, pictures_for, self_check
from isthmus.detection.settings import CANDIDATES
from isthmus.errors import BadInput, Note
from isthmus.inference.inputs import warn_notes
from isthmus.jobs.anomaly.detector_part import NAME

UNMEASURED = (
    "validation=0: the threshold is calibrated on the test part, so no normal items are left to measure its rate of "
    "false alarms on; a validation above 0 leaves some"
)
REFERENCE = 1000  # training items at most by which places and parts of a score are weighted


def calibrate(
    model: Autoencoder, data: Data, parts: dict[str, np.ndarray], *, steps: int = 0, **given: Any
) -> Detector:
    """The detector of a model for what its training data calls good; kept in the run folder where there is one.

    Thresholds come from the validation part, which was not learned from, or from the folder that the option `good`
    names, and from known defects where `bad` names any; how often they are wrong, which goes into metrics.json, from
    the test part, which was not even looked at. Without a validation part the test part draws the threshold, and a note
    says that nothing is left to measure it by. Of a run of pictures a self-check on synthesized defects says what to
    expect; and by which score, where nobody named one for a net that finds. steps: of the training, where they are
    known. given: any of Settings, roi, good or bad, over the recipe's options.
    """
    options = model.about.get("options", {}) | given
    settings = Settings.of(model, **{one.name: options[one.name] for one in fields(Settings) if one.name in options})
    roi = looked_at(options["roi"], model) if options.get("roi") else None
    part = next((name for name in ("validation", "test") if len(parts.get(name, ()))), "")
    rows = parts[part] if part else np.empty(0, np.int64)
    held, part = (shown(options["good"], model), "") if options.get("good") else (Batches(data, rows), part)
    learned, every = Batches(data, parts["train"]), -(-len(parts["train"]) // REFERENCE)
    reference = Batches(data, parts["train"][::every])

    def fitted(settings: Settings) -> Detector:
        return Detector.fit(model, learned, held, settings, roi, reference=reference)

    pictures = model.path is not None and len(model.shape) == 3
    if pictures and model.predicts_mask and options.get("score") is None:
        rough = fitted(replace(settings, score="marks+ssim+features"))
        settings = replace(
            settings, score=best_score(model, rough, some_of(held, pictures_for(model, rough)), CANDIDATES)
        )
    detector = fitted(settings)
    detector.calibrated_on = part
    detector.steps = (steps, int(model.about.get("training", {}).get("least_steps") or 0) if steps else 0)
    model.parts[NAME] = detector
    by: dict[str, Any] = {"threshold_by": "false alarms"}
    if options.get("bad"):
        score = torch.cat([detector(model, x).score for x in shown(options["bad"], model)])
        by = {"threshold_by": "f1", "f1_on_shown": detector.calibrate_threshold(score), "from_bad": len(score)}
    if pictures:
        detector.check = self_check(model, detector, some_of(held, pictures_for(model, detector)))
    doubted(detector)
    if part == "test":
        warnings.warn(UNMEASURED, Note, stacklevel=3)
    if model.path is not None:
        detector.save(model.path)
        path = model.path / store.METRICS
        known = store.read_json(path) if path.is_file() else {}
        facts = told(model, detector, data, parts.get("test", np.empty(0, int)))
        store.write_json(path, known | {"detector": facts | by})
    return detector


def told(model: Autoencoder, detector: Detector, data: Data, test: np.ndarray) -> dict[str, Any]:
    """The threshold, what it promises, from how many normal items, and how many unseen normal items are over it, with
    the 95 % interval of each rate; nothing is measured on the calibration set itself."""
    promised = detector.fpr_bound()
    facts: dict[str, Any] = {
        "score": detector.settings.score,
        "threshold": detector.threshold(),
        **({} if promised is None else {"false_alarms_promised": promised}),
        "false_alarms_between": list(detector.fpr_interval()),
        "from_good": len(detector.good),
        **({} if detector.check is None else {"self_check": detector.check}),
        **({"steps": detector.steps[0], "steps_it_takes": detector.steps[1]} if detector.steps[1] else {}),
    }
    if len(test) and detector.calibrated_on != "test":
        over = int(torch.cat([detector(model, x).bad for x in Batches(data, test)]).sum())
        between = list(binomial_interval(over, len(test)))
        facts |= {"false_alarm_rate": over / len(test), "false_alarm_rate_between": between}
        facts |= {"measured_on_good": len(test)}
    return facts


def doubted(detector: Detector, false_alarms: float | None = None) -> None:
    for doubt in calibration_warnings(detector, false_alarms):
        warnings.warn(doubt, Note, stacklevel=3)


@dataclass(frozen=True)
class Batches:
    """The items of these rows, N×shape in [0, 1], a bounded number at a time, as often as they are asked for."""

    data: Data
    rows: np.ndarray

    def __iter__(self) -> Iterator[Tensor]:
        for first in range(0, len(self.rows), CHUNK):
            yield self.data.floats(self.rows[first : first + CHUNK])


def some_of(items: Batches, count: int) -> Tensor:
    """`count` of the items at most, evenly chosen."""
    return torch.cat(list(Batches(items.data, items.rows[:: -(-len(items.rows) // count)])))


def shown(source: str, model: Autoencoder) -> Batches:
    """All items of a folder that somebody has shown, as the model takes them."""
    data = open_data(source, like=model.read_as())
    warn_notes(data)
    return Batches(data, np.arange(len(data)))


def looked_at(roi: str, model: Autoencoder) -> Tensor:
    """H×W: 1 where the picture `roi` is white, in the size of the model's. Raises BadInput for what is none."""
    if len(model.shape) != 3:
        raise BadInput(f"roi={roi}: of pictures a part can be looked at, not of rows")
    mask = read_picture(Path(roi))[:3].mean(0, keepdims=True)
    mask = resize(mask, model.shape[1], model.shape[2], stretch=True)[0] > 127
    if not mask.any():
        raise BadInput(f"{roi}: nothing is white, so nothing would be looked at")
    return torch.from_numpy(mask).float()
