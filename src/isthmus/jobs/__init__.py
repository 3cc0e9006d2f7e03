"""The registry of jobs: the built-in ones, and those of other packages, by entry points of the group isthmus.jobs.

An entry names a job class: `mine = "my_package.job:Mine"` (isthmus.jobs.base.Job).
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from isthmus.errors import BadInput, Note, unknown
from isthmus.jobs.base import Job
from isthmus.plugins import add_job_recipes, load_entry_points

if TYPE_CHECKING:
    from torch import nn

    from isthmus.autoencoder import Autoencoder
    from isthmus.inference.inputs import RunOrModel

BUILT_IN = (
    "isthmus.jobs.autoencoding.job:Autoencoding",
    "isthmus.jobs.generation.job:Generation",
    "isthmus.jobs.restoration.job:Restoration",
    "isthmus.jobs.anomaly.job:AnomalyDetection",
    "isthmus.jobs.segmentation.job:Segmentation",
)


@cache
def built_in() -> dict[str, Job]:
    """The jobs of this package, by name; registers their recipes."""
    jobs: dict[str, Job] = {}
    for entry in BUILT_IN:
        module, _, name = entry.partition(":")
        job: Job = getattr(import_module(module), name)()
        jobs[job.name] = job
        if job.recipes:
            add_job_recipes(job.recipes)
    return jobs


@cache
def all_jobs() -> dict[str, Job]:
    """All jobs by name. A job of another package with a name that exists already is left out, with a Note."""
    jobs = dict(built_in())
    for job_class in load_entry_points("isthmus.jobs"):
        if job_class.name in jobs:
            warnings.warn(f"{job_class.__module__}: a job {job_class.name} exists already", Note, stacklevel=2)
        else:
            jobs[job_class.name] = job_class()
    return jobs


def find_job(name: str) -> Job:
    """The job of that name; BadInput with the nearest name if there is none."""
    known = built_in() if name in built_in() else all_jobs()
    if name not in known:
        raise unknown("job", name, known)
    return known[name]


def job_of(model: Autoencoder) -> Job:
    """The job of a model's run; runs of the first format name the recipe alone."""
    from isthmus.recipes import RECIPES

    recipe = RECIPES.get(model.about.get("recipe", ""))
    return find_job(model.about.get("job") or (recipe.job if recipe else "autoencoding"))


def check_verb(verb: str, model: Autoencoder, name: Path | str | None = None) -> None:
    """Raise BadInput, which names the right function, if `verb` does not apply to a run of the model's job and recipe.

    A model without a recipe, built of modules, is not refused. name: of the run in the message.
    """
    from isthmus.recipes import RECIPES

    recipe = model.about.get("recipe", "")
    if recipe not in RECIPES and "job" not in model.about:
        return
    own = job_of(model)
    known = built_in() if any(verb in job.verbs for job in built_in().values()) else all_jobs()
    if not any(job.takes(verb, own.name, recipe) for job in known.values() if verb in job.verbs):
        raise BadInput(
            f"{name or model.path or 'this model'}: is a run of {recipe}; isthmus {own.verb(recipe)} uses it"
        )


def model_for(verb: str, run: RunOrModel, device: str | None = None) -> Autoencoder:
    """The model of a run (see isthmus.inference.inputs.as_model). Raises BadInput if `verb` does not apply to it."""
    from isthmus.inference.inputs import as_model

    model = as_model(run, device)
    check_verb(verb, model, run if isinstance(run, (str, Path)) else None)
    return model


def verbs(known: Mapping[str, Job]) -> dict[str, str]:
    """The module of each function isthmus.<verb> of these jobs."""
    return {verb: module for job in known.values() for verb, module in job.verbs.items()}


def attached(model: Autoencoder) -> Autoencoder:
    """The model with the methods of the jobs, such as detect; a method refuses a model of another job by itself."""
    for job in [*built_in().values(), job_of(model)]:
        for name, entry in job.methods.items():
            module, _, function = entry.partition(":")
            setattr(model, name, partial(getattr(import_module(module), function), model))
    return model


def load(run: Path | str, **own: nn.Module) -> Autoencoder:
    """The trained model of a run folder, or the shipped model of that name, with the methods of its job.

    own: modules that are not Isthmus's, by their argument (encoder=..., bottleneck=..., decoder=...), of the shape they
    had. Raises BadInput where a part of the run is missing or does not fit.
    """
    from isthmus.autoencoder import load_model

    return attached(load_model(run, **own))
