"""Generation as a job: an autoencoder, and a prior over its codes that is fitted after the training."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from isthmus.jobs.base import Job

if TYPE_CHECKING:
    from isthmus.autoencoder import Autoencoder
    from isthmus.data import Data
    from isthmus.training import Run


class Generation(Job):
    """New items: codes sampled from a prior, decoded. It takes every autoencoder whose decoder needs a code alone."""

    name = "generation"
    title = "Generate"
    verbs: ClassVar[Mapping[str, str]] = {
        "generate": "isthmus.jobs.generation.generate",
        "interpolate": "isthmus.jobs.generation.interpolate",
        "fit_prior": "isthmus.jobs.generation.fitted",
    }
    commands = "isthmus.jobs.generation.commands"
    recipes = "isthmus.jobs.generation.recipes"
    parts_share = 0.4

    def takes(self, verb: str, job: str, recipe: str) -> bool:
        return True  # a model with skips, or of features, is refused when it is used

    def fit_parts(self, run: Run) -> None:
        from isthmus.jobs.generation.training import fit_part

        fit_part(run, self.parts_share)

    def part(self, model: Autoencoder) -> Any:
        from isthmus.jobs.generation.fitted import chosen_prior

        return chosen_prior(model)

    def self_check(self, model: Autoencoder) -> dict[str, Any] | None:
        prior = self.part(model)
        if prior is None:
            return None
        return {"prior": prior.name} | {key: prior.about[key] for key in ("bits", "unigram_bits") if key in prior.about}

    def measure(self, model: Autoencoder, data: Data) -> dict[str, Any]:
        from isthmus.jobs.generation.evaluate import measure

        return measure(model, data)

    def next_steps(self, model: Autoencoder, recipe: str, run: Path, data: str, truth: str | None) -> list[str]:
        return [f"isthmus generate {run} -n 64 --out new.png", *super().next_steps(model, recipe, run, data, truth)]
