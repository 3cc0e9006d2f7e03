"""What a job is. The rest of Isthmus asks the job of a recipe or of a run, and knows no job by its name.

A job is one folder: a class like those below, its commands, and the code that only it needs. jobs/__init__.py lists the
built-in jobs; other packages bring theirs by entry points of the group `isthmus.jobs`. A module that defines a job is
imported by every command, so it imports torch, and whatever else is heavy, inside its methods.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from isthmus.autoencoder import Autoencoder
    from isthmus.data import Data
    from isthmus.recipes import Recipe
    from isthmus.training import Run


class Job:
    """One use of a trained model. The defaults of the methods are those of a job that reconstructs its input.

    name: as a recipe and a run name it. verbs: the functions of the job, each with the module that it is defined in;
    each is isthmus.<verb>, and the first one is what a run of this job is mainly for. commands: the module whose import
    adds the verbs to the command line (isthmus.cli.app). methods: "module:function" of each method that a loaded run of
    this job has beside those of any autoencoder; the function takes the model first.
    """

    name: ClassVar[str]
    verbs: ClassVar[Mapping[str, str]]
    commands: ClassVar[str]
    methods: ClassVar[Mapping[str, str]] = {}

    def verb(self, recipe: str) -> str:
        """The command that a run of `recipe` is for."""
        return next(iter(self.verbs))

    def open(self, recipe: Recipe, data: Any, options: Mapping[str, Any]) -> Data:
        """The data set that `recipe` learns from.

        options: size, gray, white, table (isthmus.data.tables.Asked or None), and what train settles before it opens
        the data: code, keys of the model, training. Raises BadInput for data that the job cannot learn from.
        """
        from isthmus.data import open_data
        from isthmus.data.folders import MIXED_SIZE

        how: dict[str, Any] = {key: options.get(key) for key in ("size", "gray", "white", "table")}
        return open_data(data, largest=MIXED_SIZE, **how)

    def check(self, recipe: Recipe, model: Autoencoder, data: Data, options: Mapping[str, Any]) -> None:
        """Raise BadInput, or warn, before a training of `model` on `data` that could not lead to a good result."""

    def fit_parts(self, run: Run) -> None:
        """Fit and save whatever the job needs beside the weights, after the training."""

    def part(self, model: Autoencoder) -> Any:
        """The part that fit_parts has fitted, read from the run folder when first asked for; None without one."""
        return None

    def evaluate(self, model: Autoencoder, source: Any, options: Mapping[str, Any]) -> dict[str, Any] | None:
        """Metrics of this job for `source`; None where the metrics of any autoencoder are meant."""
        return None

    def next_steps(self, model: Autoencoder, recipe: str, run: Path, data: str, truth: str | None) -> list[str]:
        """Commands that make sense after a training, in their order."""
        clean = model.corruption is None or model.corruption.clean  # or else only ground truth tells how good it is
        evaluate = [f"isthmus evaluate {run} {data}" + (f" --truth {truth}" if truth else "")]
        return evaluate if clean or truth else []
