"""Segmentation as a job: label maps as the target of a training, classes or objects as the result."""

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
    from isthmus.training.callbacks import Callbacks


class Segmentation(Job):
    """A class for each pixel; trained on patches of images at their native scale, with their masks."""

    name = "segmentation"
    title = "Segment"
    verbs: ClassVar[Mapping[str, str]] = {"segment": "isthmus.jobs.segmentation.segment"}
    commands = "isthmus.jobs.segmentation.commands"
    recipes = "isthmus.jobs.segmentation.recipes"
    target = "labels"
    methods: ClassVar[Mapping[str, str]] = {"segment": "isthmus.jobs.segmentation.segment:segment_with"}

    def open_with_truth(self, recipe: Recipe, data: Any, truth: Any, options: Mapping[str, Any]) -> Data:
        from isthmus.jobs.segmentation.training_data import open_pairs
        from isthmus.recipes.registry import converted

        keys = {key: converted(recipe.name, key, value, recipe.keys[key][0]) for key, value in options["keys"].items()}
        return open_pairs(data, truth, {**options, "keys": keys}, recipe.cut or 0)

    def model_keys(self, recipe: Recipe, data: Data, keys: Mapping[str, Any]) -> dict[str, Any]:
        from isthmus.jobs.segmentation.training_data import keys_of

        return keys_of(data, keys)

    def check(self, recipe: Recipe, model: Autoencoder, data: Data, options: Mapping[str, Any]) -> None:
        import warnings

        from isthmus.data.groups import note_on_sequences
        from isthmus.errors import Note

        if "groups" not in data.source and (note := note_on_sequences(data.names)) is not None:
            warnings.warn(note, Note, stacklevel=3)

    def callbacks(self, model: Autoencoder, data: Data) -> Callbacks:
        from isthmus.jobs.segmentation.background_check import BackgroundCheck

        return {"step": BackgroundCheck(data)}

    def fit_parts(self, run: Run) -> None:
        from isthmus.jobs.segmentation.training_page import add_examples

        add_examples(run)

    def properties(self, model: Autoencoder) -> dict[str, str]:
        import json

        classes = model.about.get("data", {}).get("labels", {}).get("classes", {})
        if not classes:
            return {}
        others = ["border", "distance"] if model.about["options"]["instances"] == "yes" else []
        named = {key: classes[key] for key in ("names", "values")}
        return {"classes": json.dumps(named), "probabilities": json.dumps([*classes["names"], *others])}

    def evaluate(self, model: Autoencoder, source: Any, options: Mapping[str, Any]) -> dict[str, Any] | None:
        from isthmus.jobs.segmentation.evaluate import evaluate

        return evaluate(model, source, options)

    def next_steps(self, model: Autoencoder, recipe: str, run: Path, data: str, truth: str | None) -> list[str]:
        masks = f" --masks {truth}" if truth else ""
        return [f"isthmus evaluate {run} {data}{masks}", f"isthmus segment {run} NEW --out segmented"]
