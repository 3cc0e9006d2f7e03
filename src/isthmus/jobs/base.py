"""The base class of jobs. The rest of Isthmus calls the job of a recipe or a run, and names no particular job.

A job is one folder: a subclass of Job, a module of commands, and the code that only this job needs. jobs/__init__.py
lists the built-in jobs; other packages register theirs by entry points of the group `isthmus.jobs`. Every command
imports the modules that define jobs, so these import torch and other slow packages inside their methods.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from isthmus.errors import BadInput

if TYPE_CHECKING:
    from isthmus.autoencoder import Autoencoder
    from isthmus.data import Data
    from isthmus.recipes import Recipe
    from isthmus.training import Run
    from isthmus.training.callbacks import Callbacks


class Job:
    """One use of a trained model. The default methods suit a job that reconstructs its input.

    name: stored in recipes and runs. title: of the job's section in `isthmus --help`. verbs: the functions of the job
    and the modules that define them; each is available as isthmus.<verb>, and the first is the main use of a run.
    commands: the module whose import adds commands to isthmus.cli.app.app. recipes: of a built-in job, the module whose
    import registers its recipes; another package names it by an entry point. target: the kind of the ground truth that
    a training takes (isthmus.fields.KINDS); "" for the kind of the data. methods: "module:function" of each extra
    method of a loaded run of this job; the function takes the model as its first argument. parts_share: of a budget,
    for the parts that are fitted after the training.
    """

    name: ClassVar[str]
    title: ClassVar[str] = "Other jobs"
    verbs: ClassVar[Mapping[str, str]]
    commands: ClassVar[str]
    recipes: ClassVar[str] = ""
    target: ClassVar[str] = ""
    methods: ClassVar[Mapping[str, str]] = {}
    parts_share: ClassVar[float] = 0.0

    def verb(self, recipe: str) -> str:
        """The command that uses a run of `recipe`."""
        return next(iter(self.verbs))

    def takes(self, verb: str, job: str, recipe: str) -> bool:
        """Whether the function `verb` of this job applies to a run of that job and recipe."""
        return job == self.name

    def image_size(self, recipe: Recipe, data: Any, options: Mapping[str, Any]) -> int | None:
        """The size that images are resized to where none was asked for; None for the default.

        options: those of open, and code, keys (of the recipe) and training (the resolved training options).
        """
        return None

    def open(self, recipe: Recipe, data: Any, options: Mapping[str, Any]) -> Data:
        """Open the training data of `recipe`.

        options: size, gray, white and table (isthmus.data.tables.TableOptions or None); kind, if `data` is the ground
        truth. A recipe of series alone reads an array N×C×T as series. Raises BadInput for data that the job cannot be
        trained on.
        """
        from isthmus.data import open_data, with_labels
        from isthmus.data.folders import MIXED_SIZE
        from isthmus.data.open import is_folder
        from isthmus.data.tables import TableOptions

        shared: dict[str, Any] = {key: options.get(key) for key in ("size", "gray", "white", "table")}
        kind = options.get("kind", "series" if recipe.inputs == ("series",) else "")
        table = shared["table"]
        if table is not None and table == TableOptions(labels=table.labels) and is_folder(data):
            opened = open_data(data, largest=MIXED_SIZE, kind=kind, **{**shared, "table": None})
            return with_labels(opened, table.labels)
        return open_data(data, largest=MIXED_SIZE, kind=kind, **shared)

    def ground_truth(self, truth: Any, masks: Any) -> Any:
        """The one that is given. Raises BadInput for both, and for masks if the job learns no labels."""
        if masks is None:
            return truth
        if truth is not None:
            raise BadInput("truth and masks: give only one of them")
        if not self.target:
            raise BadInput("masks: are for segment, whose ground truth is labels; truth is accepted here")
        return masks

    def open_with_truth(self, recipe: Recipe, data: Any, truth: Any, options: Mapping[str, Any]) -> Data:
        """Open the training data with their ground truth, if any: the field "target", items matched by name.

        options: those of open, and keys (of the recipe). Raises BadInput as `open` does, and for items without truth.
        """
        from isthmus.data import with_target

        opened = self.open(recipe, data, options)
        if truth is None:
            return opened
        gray = len(opened.shape) == 3 and opened.shape[0] == 1
        of_truth = {**options, "gray": gray, "table": None, "kind": self.target}
        return with_target(opened, self.open(recipe, truth, of_truth))

    def model_keys(self, recipe: Recipe, data: Data, keys: Mapping[str, Any]) -> dict[str, Any]:
        """Keys of the recipe that follow from the data, such as the number of classes."""
        return {}

    def kept_keys(self, run: Path) -> dict[str, Any]:
        """Keys of the recipe whose values a run holds, such as a module of a file, which is not needed to resume it."""
        return {}

    def training_data(self, model: Autoencoder, data: Data, quiet: bool = False) -> Data:
        """The data with further fields that follow from the model, such as features that are computed once. quiet: no
        progress is shown."""
        return data

    def callbacks(self, model: Autoencoder, data: Data) -> Callbacks:
        """Functions called during a training, by event (isthmus.training.callbacks.EVENTS)."""
        return {}

    def check(self, recipe: Recipe, model: Autoencoder, data: Data, options: Mapping[str, Any]) -> None:
        """Before training: raise BadInput, or warn, if training `model` on `data` cannot give a useful result."""

    def fit_parts(self, run: Run) -> None:
        """After training: fit and save the parts that the job needs in addition to the weights."""

    def part(self, model: Autoencoder) -> Any:
        """The part fitted by fit_parts, read from the run folder on first access; None if there is none."""
        return None

    def scorer(self, model: Autoencoder) -> Any:
        """The part that scores items, which an exported file contains; None if there is none."""
        return None

    def self_check(self, model: Autoencoder) -> dict[str, Any] | None:
        """Metrics of the fitted part that fit_parts measured, for the JSON of a training."""
        return None

    def properties(self, model: Autoencoder) -> dict[str, str]:
        """Metadata of an exported file, besides those of every model."""
        return {}

    def evaluate(self, model: Autoencoder, source: Any, options: Mapping[str, Any]) -> dict[str, Any] | None:
        """Metrics of this job on `source`; None to compute the metrics of any autoencoder.

        options: split, first, labels and truth as for isthmus.evaluate; degraded: whether truth, sigma or corruption is
        given.
        """
        return None

    def measure(self, model: Autoencoder, data: Data) -> dict[str, Any]:
        """Metrics of this job on the evaluated items, besides those of any autoencoder."""
        return {}

    def next_steps(self, model: Autoencoder, recipe: str, run: Path, data: str, truth: str | None) -> list[str]:
        """Commands to suggest after a training."""
        clean = model.corruption is None or model.corruption.clean  # else only ground truth can measure the model
        evaluate = [f"isthmus evaluate {run} {data}" + (f" --truth {truth}" if truth else "")]
        return evaluate if clean or truth else []
