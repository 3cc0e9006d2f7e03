"""Anomaly detection as a job: trained on normal items, scored by their reconstruction error."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from isthmus.jobs.base import Job

if TYPE_CHECKING:
    from isthmus.autoencoder import Autoencoder
    from isthmus.data import Data
    from isthmus.recipes import Recipe
    from isthmus.training import Run


class AnomalyDetection(Job):
    """One-class anomaly detection: trained on normal items; its part, the detector, is calibrated after training."""

    name = "anomaly"
    title = "Detect"
    verbs: ClassVar[Mapping[str, str]] = {"detect": "isthmus.jobs.anomaly.detect"}
    commands = "isthmus.jobs.anomaly.commands"
    recipes = "isthmus.jobs.anomaly.recipes"
    methods: ClassVar[Mapping[str, str]] = {"detect": "isthmus.jobs.anomaly.detector:detect_items"}

    def image_size(self, recipe: Recipe, data: Any, options: Mapping[str, Any]) -> int | None:
        from isthmus.jobs.anomaly.training_data import affordable_size

        return affordable_size(recipe, data, options)

    def open(self, recipe: Recipe, data: Any, options: Mapping[str, Any]) -> Data:
        from isthmus.jobs.anomaly.training_data import open_normal

        return open_normal(recipe, data, options)

    def check(self, recipe: Recipe, model: Autoencoder, data: Data, options: Mapping[str, Any]) -> None:
        from isthmus.jobs.anomaly import training_data

        training_data.note_labels(data)
        keys = options.get("keys", {})
        if model.features is not None:
            training_data.note_features(model)
        if not keys.get("good"):
            training_data.require_split(data, options["training"])
        for key in ("good", "bad"):
            if keys.get(key):
                training_data.require_exists(key, Path(keys[key]), data)
        if keys.get("roi"):
            from isthmus.jobs.anomaly.calibrate import read_region

            read_region(keys["roi"], model)

    def kept_keys(self, run: Path) -> dict[str, Any]:
        from isthmus.autoencoder import load_model

        features = load_model(run).features
        return {} if features is None else {"features": features.features}

    def training_data(self, model: Autoencoder, data: Data, quiet: bool = False) -> Data:
        from isthmus.jobs.anomaly.kept_features import with_features

        return data if model.features is None else with_features(model, data, quiet)

    def fit_parts(self, run: Run) -> None:
        from isthmus import store
        from isthmus.jobs.anomaly.calibrate import calibrate

        if self.part(run.model) is not None:
            return
        steps = len(run.history) * -(-len(run.parts["train"]) // run.model.about["training"]["batch_size"])
        calibrate(run.model, run.data, run.parts, steps=steps)
        if run.path is not None:
            run.plot().write(run.path / store.PAGE)  # now with the self-check

    def part(self, model: Autoencoder) -> Any:
        from isthmus.jobs.anomaly.detector import detector_of

        return detector_of(model)

    def scorer(self, model: Autoencoder) -> Any:
        return self.part(model)

    def self_check(self, model: Autoencoder) -> dict[str, Any] | None:
        detector = self.part(model)
        return detector and detector.check

    def evaluate(self, model: Autoencoder, source: Any, options: Mapping[str, Any]) -> dict[str, Any] | None:
        from isthmus.jobs.anomaly.evaluate import evaluate

        return evaluate(model, source, options)

    def next_steps(self, model: Autoencoder, recipe: str, run: Path, data: str, truth: str | None) -> list[str]:
        from isthmus.data import anomaly_folders

        with_labels = Path(data).is_dir() and anomaly_folders(Path(data)).kinds
        steps = super().next_steps(model, recipe, run, data, truth) if with_labels else []
        return [f"isthmus detect {run} NEW --out report", *steps]
