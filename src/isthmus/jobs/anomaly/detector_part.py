"""The detector of a run: read from its folder, and applied to items."""

from __future__ import annotations

from typing import Any

from isthmus.autoencoder import Autoencoder
from isthmus.detection import FILE, Detector, Finding
from isthmus.errors import BadInput

NAME = "detector"


def detector_of(model: Autoencoder) -> Detector | None:
    """The detector of a model, read from its run folder on first access; None if it has none."""
    if NAME not in model.parts and model.path is not None and (model.path / FILE).is_file():
        model.parts[NAME] = Detector.load(model.path)
    return model.parts.get(NAME)


def detect_items(model: Autoencoder, x: Any, unit: bool = False, false_alarms: float | None = None) -> Finding:
    """Scores, verdicts and maps of N items, or of one, by the detector of a model.

    x: as Autoencoder.tensor takes it; unit: floats in [0, 1]. false_alarms: the accepted false-positive rate; None for
    the run's own. Raises BadInput without a detector, and for NaN or infinite values.
    """
    detector = detector_of(model)
    if detector is None:
        raise BadInput("this model has no detector: isthmus train detect makes a run with one")
    items = model.tensor(x, unit)
    if not items.isfinite().all():
        raise BadInput("input: holds NaN or infinite values; accepted are finite numbers")
    return detector(model, items, false_alarms)
