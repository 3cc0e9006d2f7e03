"""Restoration as a job: denoise, inpaint, remove watermarks, upscale."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from isthmus.jobs.base import Job

if TYPE_CHECKING:
    from isthmus.autoencoder import Autoencoder
    from isthmus.data import Data
    from isthmus.recipes import Recipe


class Restoration(Job):
    """Restores degraded images. Trained on patches of images at their native scale."""

    name = "restoration"
    title = "Restore"
    verbs: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("denoise", "unwatermark", "inpaint", "upscale"), "isthmus.jobs.restoration.restore"
    )
    commands = "isthmus.jobs.restoration.commands"
    recipes = "isthmus.jobs.restoration.recipes"

    def verb(self, recipe: str) -> str:
        return recipe

    def takes(self, verb: str, job: str, recipe: str) -> bool:
        return recipe == verb or (verb, recipe) == ("denoise", "denoising")

    def open(self, recipe: Recipe, data: Any, options: Mapping[str, Any]) -> Data:
        from isthmus.data import open_data

        shared: dict[str, Any] = {key: options.get(key) for key in ("gray", "white", "table")}
        return open_data(data, cut=options.get("size") or recipe.cut, **shared)

    def check(self, recipe: Recipe, model: Autoencoder, data: Data, options: Mapping[str, Any]) -> None:
        from isthmus.errors import BadInput
        from isthmus.jobs.restoration.training_noise import note_noise

        if model.corruption is None and not data.further:
            raise BadInput("corruption=none: leaves nothing to learn; gaussian:0.1, jpeg:10-90 or --truth is accepted")
        if model.corruption is not None and model.corruption.clean:
            note_noise(data)

    def next_steps(self, model: Autoencoder, recipe: str, run: Path, data: str, truth: str | None) -> list[str]:
        mask = " --mask MASK" if recipe == "inpaint" else ""
        steps = super().next_steps(model, recipe, run, data, truth)
        return [*steps, f"isthmus {recipe} IMAGE{mask} --model {run} --out restored.png"]
