"""Calibration of a detector on normal items that its model was not trained on."""

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
from isthmus.data import Data, open_data, read_picture, resize, skipping_corrupt
from isthmus.errors import BadInput, Note
from isthmus.inference.inputs import warn_notes
from isthmus.jobs.anomaly.detector import NAME, Detector
from isthmus.jobs.anomaly.quantiles import binomial_interval
from isthmus.jobs.anomaly.reliability import warn_of_calibration
from isthmus.jobs.anomaly.self_check import best_score, pictures_for, self_check
from isthmus.jobs.anomaly.settings import CANDIDATES, Settings

UNMEASURED = (
    "validation=0: the threshold is calibrated on the test split, so no normal items are left to measure its "
    "false-positive rate; a validation share above 0 leaves some"
)
REFERENCE = 1000  # most training items from which the weights of positions and score parts are estimated


def calibrate(
    model: Autoencoder, data: Data, parts: dict[str, np.ndarray], *, steps: int = 0, **given: Any
) -> Detector:
    """Fit the detector of a model to normal items, and save it in the run folder if there is one.

    The calibration set is the validation split, which was not trained on, or the folder of the option `good`; known
    defects of the option `bad` move the threshold to the best F1. The false-positive rate in metrics.json is measured
    on the test split. Without a validation split the test split is the calibration set, and a note says that no rate
    is measured. For images, a self-check on synthetic defects estimates the AUROC, and chooses the score if a network
    that predicts masks has no `score` option. steps: of the training, if known. given: any of Settings, roi, good or
    bad, instead of the recipe's options.
    """
    options = model.about.get("options", {}) | given
    settings = Settings.of(model, **{one.name: options[one.name] for one in fields(Settings) if one.name in options})
    roi = read_region(options["roi"], model) if options.get("roi") else None
    split = next((name for name in ("validation", "test") if len(parts.get(name, ()))), "")
    indices = parts[split] if split else np.empty(0, np.int64)
    held_out = Batches(data, indices)
    if options.get("good"):
        held_out, split = open_folder_of(options["good"], model), ""
    trained, step = Batches(data, parts["train"]), -(-len(parts["train"]) // REFERENCE)
    reference = Batches(data, parts["train"][::step])

    def fit_detector(settings: Settings) -> Detector:
        return Detector.fit(model, trained, held_out, settings, roi, reference=reference)

    with_images = model.path is not None and len(model.shape) == 3
    if with_images and model.predicts_mask and options.get("score") is None:
        first = fit_detector(replace(settings, score="marks+ssim+features"))
        sample = sample_of(held_out, pictures_for(model, first))
        settings = replace(settings, score=best_score(model, first, sample, CANDIDATES))
    detector = fit_detector(settings)
    detector.calibrated_on = split
    detector.steps = (steps, int(model.about.get("training", {}).get("least_steps") or 0) if steps else 0)
    model.parts[NAME] = detector
    origin: dict[str, Any] = {"threshold_by": "false alarms"}
    if options.get("bad"):
        score = torch.cat([detector(model, x).score for x in open_folder_of(options["bad"], model)])
        f1 = detector.calibrate_threshold(score)
        origin = {"threshold_by": "f1", "f1_on_shown": f1, "from_bad": len(score)}
    if with_images:
        detector.check = self_check(model, detector, sample_of(held_out, pictures_for(model, detector)))
    warn_of_calibration(detector)
    if split == "test":
        warnings.warn(UNMEASURED, Note, stacklevel=3)
    if model.path is not None:
        detector.save(model.path)
        path = model.path / store.METRICS
        known = store.read_json(path) if path.is_file() else {}
        facts = calibration_facts(model, detector, data, parts.get("test", np.empty(0, int)))
        store.write_json(path, known | {"detector": facts | origin})
    return detector


def calibration_facts(model: Autoencoder, detector: Detector, data: Data, test: np.ndarray) -> dict[str, Any]:
    """The threshold, its bound on the false-positive rate, and the rate measured on the test split (never on the
    calibration set), with 95 % intervals."""
    bound = detector.fpr_bound()
    facts: dict[str, Any] = {
        "score": detector.settings.score,
        "threshold": detector.threshold(),
        **({} if bound is None else {"false_alarms_promised": bound}),
        "false_alarms_between": list(detector.fpr_interval()),
        "from_good": len(detector.good),
        **({} if detector.check is None else {"self_check": detector.check}),
        **({"steps": detector.steps[0], "steps_it_takes": detector.steps[1]} if detector.steps[1] else {}),
    }
    if len(test) and detector.calibrated_on != "test":
        count_above = int(torch.cat([detector(model, x).bad for x in Batches(data, test)]).sum())
        between = list(binomial_interval(count_above, len(test)))
        facts |= {"false_alarm_rate": count_above / len(test), "false_alarm_rate_between": between}
        facts |= {"measured_on_good": len(test)}
    return facts


@dataclass(frozen=True)
class Batches:
    """Iterates over the items of these rows in chunks N×shape in [0, 1]; can be iterated repeatedly.

    An unreadable image is replaced by the next of these rows, as in a training, with a note.
    """

    data: Data
    indices: np.ndarray

    def __iter__(self) -> Iterator[Tensor]:
        part = skipping_corrupt(self.data.subset(self.indices))
        for first in range(0, len(part), CHUNK):
            yield part.floats(np.arange(first, min(first + CHUNK, len(part))))


def sample_of(items: Batches, count: int) -> Tensor:
    """At most `count` of the items, evenly spaced."""
    return torch.cat(list(Batches(items.data, items.indices[:: -(-len(items.indices) // count)])))


def open_folder_of(source: str, model: Autoencoder) -> Batches:
    """All items of a folder, prepared for the model."""
    data = open_data(source, like=model.read_as())
    warn_notes(data)
    return Batches(data, np.arange(len(data)))


def read_region(roi: str, model: Autoencoder) -> Tensor:
    """H×W at the model's size: 1 where the image `roi` is white. Raises BadInput if it is not a usable mask."""
    if len(model.shape) != 3:
        raise BadInput(f"roi={roi}: a region of interest needs images, not rows")
    mask = read_picture(Path(roi))[:3].mean(0, keepdims=True)
    mask = resize(mask, model.shape[1], model.shape[2], stretch=True)[0] > 127
    if not mask.any():
        raise BadInput(f"{roi}: no pixel is white, so the region of interest is empty")
    return torch.from_numpy(mask).float()
