"""train: create the model of a recipe for a data set, train it, and write a run folder; resumable."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from torch import nn

from isthmus import models, store
from isthmus.autoencoder import Autoencoder
from isthmus.data import read_parts, with_groups
from isthmus.data.tables import OPTIONS, TableOptions
from isthmus.distributed import first_rank
from isthmus.errors import BadInput, Note, unknown
from isthmus.fields import by_column
from isthmus.files import check_output
from isthmus.inference.inputs import warn_notes
from isthmus.jobs import attached, find_job, job_of
from isthmus.recipes import Recipe, create, find, in_words
from isthmus.recipes.builders import is_small
from isthmus.training import TRAINING, Run, fit, settle
from isthmus.training.callbacks import Callback, Callbacks
from isthmus.training.checkpoint import is_complete
from isthmus.training.loop import Training
from isthmus.training.options import seconds

ARCHITECTURE = ("channels", "blocks", "fold")  # keys of a network that a warm start takes from the other run
PLENTY = 10_000  # images above which no augmentation is needed


def train(
    recipe: str,
    data: Any,
    *,
    out: Path | str,
    code: int | str | None = None,
    size: int | None = None,
    gray: bool | None = None,
    truth: Any = None,
    masks: Any = None,
    groups: Path | str | None = None,
    init: Path | str | None = None,
    resume: bool = False,
    quiet: bool = False,
    callbacks: Callbacks | None = None,
    **keys: Any,
) -> Run:
    """Create the model of `recipe` for `data`, train it, and write the run folder `out`.

    size, gray: preprocessing of images; restoration recipes crop patches of that size instead of resizing.
    truth: ground truth with the same names or in the same order; training pairs, without synthetic corruption. masks:
    the ground truth of a job that learns labels, such as segment.
    groups: a regular expression on file names, or a .csv of file and group: the files of a group, such as a patient or
    a film, stay in one part (isthmus.data.with_groups).
    init: warm start from a run or a shipped model, as far as weights match; keys of the same name such as channels are
    those of that run, unless given. callbacks: as for fit. keys: of the recipe,
    of the training, and of reading a table (isthmus.data.tables.TableOptions).
    resume: continue an existing run with its options (given ones must agree), or start a new one.
    Raises BadInput for unusable input or options, before a folder is created.
    """
    registered, run = find(recipe), Path(out)
    truth = find_job(registered.job).ground_truth(truth, masks)
    if truth is not None:
        if "corruption" not in registered.keys and not find_job(registered.job).target:
            raise BadInput(f"truth: pairs of images are for denoise and denoising, not for {registered.name}")
        if "corruption" in registered.keys and keys.setdefault("corruption", "none") != "none":
            raise BadInput(f"truth and corruption={keys['corruption']}: give only one of them")
    table = {key: keys.pop(key) for key in OPTIONS if keys.get(key) is not None}
    model_keys, training_keys = sort_keys(registered, keys)
    share = find_job(registered.job).parts_share
    if training_keys.get("budget") is not None and share:  # the rest is for the parts
        training_keys["budget"] = seconds(training_keys["budget"]) * (1 - share)
    options = settle(registered.training, training_keys)
    if resume and store.is_run(run):
        given: dict[str, Any] = {
            key: value for key, value in (("code", code), ("size", size), ("gray", gray)) if value is not None
        }
        given |= {"table": table} if table else {}
        given |= {} if groups is None else {"groups": str(groups)}
        return resume_run(registered, run, data, truth, model_keys | given, training_keys, quiet, callbacks)
    if first_rank():
        store.remove_without_config(run) if resume else None
        check_output(run, hint="--resume continues it")
    job = find_job(registered.job)
    how = {"gray": gray, "white": training_keys.get("white"), "table": TableOptions(**table) if table else None}
    if size is None:
        size = job.image_size(registered, data, {**how, "code": code, "keys": model_keys, "training": options})
    opened = job.open_with_truth(registered, data, truth, {**how, "size": size, "keys": model_keys})
    opened = opened if groups is None else with_groups(opened, groups)
    warn_notes(opened)
    if len(opened) >= PLENTY and registered.keys.get("augment", ("",))[0] == "auto" and not is_small(opened.shape):
        model_keys.setdefault("augment", "none")
    if by_column(opened.range) and {"linear", "loss"} <= set(registered.keys):  # columns need no likelihood
        model_keys.setdefault("loss", "mse")
    if init is not None:
        model_keys = architecture_of(init, registered) | model_keys
    seed = training_keys.get("seed", 0)
    own = job.model_keys(registered, opened, model_keys)
    model = create(registered.name, shape=opened.shape, code=code, seed=seed, **model_keys | own)
    asked = {key: in_words(value) for key, value in model_keys.items()}
    model.about["asked"] = {"code": code, "size": size, "gray": gray, **asked} | ({"table": table} if table else {})
    model.about["asked"] |= {} if groups is None else {"groups": str(groups)}
    job.check(registered, model, opened, {"keys": model_keys, "training": options})
    opened = job.training_data(model, opened, quiet)
    if init is not None:
        model.about["init"] = load_matching_weights(model, init)
    events = merged(job.callbacks(model, opened), callbacks)
    done = fit(model, opened, out=run, resume=resume, quiet=quiet, callbacks=events, **training_keys)
    return with_parts(done)


def merged(one: Callbacks, other: Callbacks | None) -> Callbacks:
    """The callbacks of both; of an event in both, the first is called first."""
    other = other or {}
    both = {event: (one[event], other[event]) for event in one if event in other}
    return {**one, **other, **{event: partial(_call_both, pair) for event, pair in both.items()}}


def _call_both(pair: tuple[Callback, Callback], training: Training) -> None:
    for each in pair:
        each(training)


def architecture_of(run: Path | str, recipe: Recipe) -> dict[str, Any]:
    """The channels, blocks and fold of the network of `run` that the recipe has as keys too, so that weights match."""
    options = store.read_config(models.folder_for(run)).get("about", {}).get("options", {})
    return {key: options[key] for key in ARCHITECTURE if key in options and key in recipe.keys}


def load_matching_weights(model: Autoencoder, run: Path | str) -> str:
    """Load the weights of `run` whose name and shape match, note the others, and return the name of the run.

    Raises BadInput if no weights match.
    """
    weights, own = store.read_weights(models.folder_for(run)), model.state_dict()
    fitting = {name: weights[name] for name in own if name in weights and weights[name].shape == own[name].shape}
    if not fitting:
        raise BadInput(f"{run}: none of its weights match this model")
    if len(fitting) < len(own):
        left = [name for name in own if name not in fitting]
        some = ", ".join(left[:3]) + (", ..." if len(left) > 3 else "")
        warnings.warn(
            f"{run}: {len(left)} of {len(own)} weights do not match and keep their initialization: {some}",
            Note,
            stacklevel=3,
        )
    model.load_state_dict(own | fitting)
    return Path(run).name


def sort_keys(recipe: Recipe, keys: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split keys into those of the model and those of the training; BadInput for an unknown key."""
    own = set(recipe.keys) - {"code"}
    for key in keys:
        if key not in own and key not in TRAINING:
            raise unknown(f"key for {recipe.name}", key, own | set(TRAINING))
    model = {key: value for key, value in keys.items() if key in own}
    return model, {key: value for key, value in keys.items() if key not in own}


def resume_run(
    recipe: Recipe,
    run: Path,
    data: Any,
    truth: Any,
    model_keys: dict[str, Any],
    training_keys: dict[str, Any],
    quiet: bool,
    callbacks: Callbacks | None,
) -> Run:
    """Resume the run with its own options."""
    about = store.read_config(run)["about"]
    if about.get("recipe") != recipe.name:
        raise BadInput(f"{run}: is a run of {about.get('recipe')}, not of {recipe.name}")
    asked = about.get("asked", {})
    if asked.get("corruption") == "paired":  # a run of the first format
        asked["corruption"] = "none"
    for key, value in model_keys.items():
        value = list(value) if isinstance(value, tuple) else in_words(value)  # as stored in JSON
        if asked.get(key) != value:
            raise BadInput(
                f"{run}: was made with {key}={'its default' if asked.get(key) is None else asked[key]}, not {value}"
            )
    keys = {key: value for key, value in asked.items() if key not in ("code", "size", "gray", "table", "groups")}
    job = find_job(recipe.job)
    own_modules = {key: value for key, value in model_keys.items() if isinstance(value, nn.Module)}
    keys |= own_modules or job.kept_keys(run)
    truth = about["data"].get("truth", {}).get("path") if truth is None else truth
    how = {"size": asked.get("size"), "gray": asked.get("gray"), "white": about["training"].get("white")}
    how["table"] = TableOptions(**asked["table"]) if asked.get("table") else None
    opened = job.open_with_truth(recipe, data, truth, {**how, "keys": keys})
    if asked.get("groups"):  # the parts of the run, so that a changed table of groups does not move files between them
        parts = read_parts(opened, store.read_json(run / store.PARTS))
        opened = replace(opened, parts=parts, source={**opened.source, "groups": asked["groups"]})
    seed, own = about["training"]["seed"], job.model_keys(recipe, opened, keys)
    model = create(recipe.name, shape=opened.shape, code=asked.get("code"), seed=seed, **keys | own)
    model.about |= {"asked": asked} | ({"init": about["init"]} if "init" in about else {})
    model.about["options"] |= {
        key: about["options"][key] for key, value in keys.items() if isinstance(value, nn.Module)
    }
    options = {**about["training"], **training_keys}
    if not is_complete(run, options["epochs"]):
        opened = job.training_data(model, opened, quiet)
    events = merged(job.callbacks(model, opened), callbacks)
    done = fit(model, opened, out=run, resume=True, quiet=quiet, callbacks=events, **options)
    return with_parts(done)


def with_parts(run: Run) -> Run:
    """Fit the parts of the job, in the first process only; return the run."""
    if first_rank():
        job_of(run.model).fit_parts(run)
    attached(run.model)
    return run
