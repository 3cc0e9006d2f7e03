"""train: a recipe, somebody's data, and a run folder; safe to repeat with resume, as a job queue does."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from isthmus import models, store
from isthmus.autoencoder import Autoencoder
from isthmus.data import Data, anomaly_folders, choose_parts, is_builtin, open_data, paired
from isthmus.data.base import by_column
from isthmus.data.folders import MIXED_SIZE, find_pictures
from isthmus.data.tables import ASKED, Asked
from isthmus.distributed import first_rank
from isthmus.errors import BadInput, Note, unknown
from isthmus.files import claim
from isthmus.inference.inputs import print_notes
from isthmus.jobs.anomaly.affordable_size import side_within
from isthmus.jobs.anomaly.calibrate import calibrate, looked_at
from isthmus.jobs.restoration.training_noise import note_noise
from isthmus.recipes import Recipe, create, find
from isthmus.recipes.builders import is_small
from isthmus.training import TRAINING, Run, fit, settle
from isthmus.training.callbacks import Callbacks

PLENTY = 10_000  # pictures that need no augmentation any more


def train(
    recipe: str,
    data: Any,
    *,
    out: Path | str,
    code: int | str | None = None,
    size: int | None = None,
    gray: bool | None = None,
    truth: Any = None,
    init: Path | str | None = None,
    resume: bool = False,
    quiet: bool = False,
    callbacks: Callbacks | None = None,
    **keys: Any,
) -> Run:
    """Make the model of `recipe` for `data`, train it, and write the run folder `out`.

    keys may also say how a table is read: labels, drop, keep, missing, window, stride (isthmus.data.tables.Asked).
    size, gray: what pictures are made into; a recipe that restores cuts squares of that size out of them.
    truth: what the data should be, by the same names or in the same order: nothing is then corrupted.
    init: a run, or a shipped model by name, whose weights are begun with, as far as they fit.
    callbacks: a function a moment, as fit takes them. keys: of the recipe and of the training alike.
    resume: go on where a run is (options come from it; given ones must agree), start where none is.
    Raises BadInput for anything that cannot be used, before a folder is made.
    """
    found, run = find(recipe), Path(out)
    if truth is not None:
        if "corruption" not in found.keys:
            raise BadInput(f"truth: pairs of pictures are learned from by denoise and denoising, not by {found.name}")
        if keys.setdefault("corruption", "paired") != "paired":
            raise BadInput(f"truth and corruption={keys['corruption']}: name one of the two")
    elif keys.get("corruption") == "paired" and not resume:
        raise BadInput("corruption=paired: --truth names what the data should be")
    table = {key: keys.pop(key) for key in ASKED if keys.get(key) is not None}
    model_keys, training_keys = sort_keys(found, keys)
    settle(found.training, training_keys)
    if resume and store.is_run(run):
        given: dict[str, Any] = {
            key: value for key, value in (("code", code), ("size", size), ("gray", gray)) if value is not None
        }
        given |= {"table": table} if table else {}
        return resume_run(found, run, data, truth, model_keys | given, training_keys, quiet, callbacks)
    if first_rank():
        store.clear_unborn(run) if resume else None
        claim(run, hint="--resume goes on with it")
    opened = opened_for(found, data, truth, size, gray, training_keys.get("white"), table)
    options = settle(found.training, training_keys)
    if found.whole is not None and options["budget"] is not None and size is None and is_folder(data):
        size = side_within(found, options["budget"], opened.seen, code, model_keys, options)
        if size is not None:
            opened = opened_for(found, data, truth, size, gray, training_keys.get("white"), table)
            opened.notes.append(
                f"pictures are made {size}×{size}, of which this budget suffices to learn from enough; --size N names "
                "another size"
            )
    print_notes(opened)
    if found.whole is not None:
        mixed(opened)
        if not model_keys.get("good"):
            require_split(opened, options)
        for key in ("good", "bad"):  # looked at after the training, so asked for before it
            if model_keys.get(key):
                require_exists(key, Path(model_keys[key]), opened)
    if len(opened) >= PLENTY and found.keys.get("augment", ("",))[0] == "auto" and not is_small(opened.seen):
        model_keys.setdefault("augment", "none")
    if by_column(opened.range) and "linear" in found.keys:
        model_keys.setdefault("loss", "mse") if "loss" in found.keys else None  # columns of a table are no likelihoods
    seed = training_keys.get("seed", 0)
    model = create(found.name, shape=opened.seen, code=code, seed=seed, **model_keys)
    model.about["asked"] = {"code": code, "size": size, "gray": gray, **model_keys} | (
        {"table": table} if table else {}
    )
    if found.cut is not None and model.corruption is not None and model.corruption.clean:
        note_noise(opened)
    if model_keys.get("roi"):
        looked_at(model_keys["roi"], model)  # refused now, not after the training
    if init is not None:
        model.about["init"] = load_matching_weights(model, init)
    done = fit(model, opened, out=run, resume=resume, quiet=quiet, callbacks=callbacks, **training_keys)
    return calibrated(done)


def opened_for(
    recipe: Recipe,
    data: Any,
    truth: Any,
    size: int | None,
    gray: bool | None,
    white: float | None,
    table: Mapping[str, Any] | None = None,
) -> Data:
    """The data as this recipe takes them: pictures made to fit, or cut into squares; then `size` is a square's side."""
    fitted = {"size": size, "whole": recipe.whole, "largest": MIXED_SIZE}
    how: dict[str, Any] = fitted if recipe.cut is None else {"cut": size or recipe.cut}
    if recipe.whole is not None and is_folder(data):
        opened = open_data(anomaly_folders(Path(data)).open(gray=gray, **how), white=white)
    else:
        opened = open_data(data, gray=gray, white=white, table=Asked(**table) if table else None, **how)
    if truth is None:
        return opened
    gray = len(opened.shape) == 3 and opened.shape[0] == 1
    return paired(opened, open_data(truth, gray=gray, white=white, **how))


def is_folder(data: Any) -> bool:
    return isinstance(data, (str, os.PathLike)) and not is_builtin(data) and Path(data).is_dir()


def mixed(data: Data) -> None:
    """Say that a detector would learn from rows of several labels, which hardly are all normal."""
    if data.labels is not None and data.table is not None and len(np.unique(data.labels)) > 1:
        values = data.table["label"]["values"]
        counts = Counter(data.labels.tolist()).most_common()  # the first is most likely what is normal
        told = ", ".join(f"{values[kind]} ({count})" for kind, count in counts[:5])
        warnings.warn(
            f"rows of several labels are learned from as normal: {told}; --set normal={values[counts[0][0]]} takes one",
            Note,
            stacklevel=3,
        )


def require_split(data: Data, options: Mapping[str, Any]) -> None:
    """Raise BadInput where nothing would be held back to say what is normal: before the training, not after it."""
    parts = choose_parts(data, **{key: options[key] for key in ("seed", "validation", "test")})
    if not len(parts["validation"]) and not len(parts.get("test", ())):
        items = f"{len(data)} normal item{'' if len(data) == 1 else 's'}"
        raise BadInput(
            f"{items}, validation={options['validation']:g}: none is held back to say what is normal; "
            "3 or more are accepted, with a validation above 0, or a folder of others: good="
        )


def require_exists(key: str, folder: Path, learned: Data) -> None:
    """Raise BadInput where `folder`, which the line is to be drawn by, holds nothing, or is what is learned from."""
    if not folder.exists():
        raise BadInput(f"{key}={folder}: no such file or folder")
    if folder.is_dir() and not find_pictures(folder)[0]:
        raise BadInput(f"{key}={folder}: there are no pictures in it")
    if str(folder.resolve()) == learned.source.get("path"):
        raise BadInput(f"{key}={folder}: is what is learned from; the line has to be drawn by others")


def load_matching_weights(model: Autoencoder, run: Path | str) -> str:
    """Put the weights of `run` into `model` where name and shape agree, and say what was left; return the run's name.

    Raises BadInput where nothing agrees.
    """
    weights, own = store.read_weights(models.folder_for(run)), model.state_dict()
    fitting = {name: weights[name] for name in own if name in weights and weights[name].shape == own[name].shape}
    if not fitting:
        raise BadInput(f"{run}: none of its weights fit into this model")
    if len(fitting) < len(own):
        left = [name for name in own if name not in fitting]
        some = ", ".join(left[:3]) + (", ..." if len(left) > 3 else "")
        warnings.warn(f"{run}: {len(left)} of {len(own)} weights do not fit and begin anew: {some}", Note, stacklevel=3)
    model.load_state_dict(own | fitting)
    return Path(run).name


def sort_keys(recipe: Recipe, keys: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The keys of the model and those of the training; BadInput for one that is neither."""
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
    """Take up the run with its own options."""
    about = store.read_config(run)["about"]
    if about.get("recipe") != recipe.name:
        raise BadInput(f"{run}: is a run of {about.get('recipe')}, not of {recipe.name}")
    asked = about.get("asked", {})
    for key, value in model_keys.items():
        value = list(value) if isinstance(value, tuple) else value  # as a file keeps it
        if asked.get(key) != value:
            raise BadInput(
                f"{run}: was made with {key}={'its default' if asked.get(key) is None else asked[key]}, not {value}"
            )
    keys = {key: value for key, value in asked.items() if key not in ("code", "size", "gray", "table")}
    truth = about["data"].get("truth", {}).get("path") if truth is None else truth
    white, table = about["training"].get("white"), asked.get("table")
    opened = opened_for(recipe, data, truth, asked.get("size"), asked.get("gray"), white, table)
    seed = about["training"]["seed"]
    model = create(recipe.name, shape=opened.seen, code=asked.get("code"), seed=seed, **keys)
    model.about |= {"asked": asked} | ({"init": about["init"]} if "init" in about else {})
    done = fit(
        model, opened, out=run, resume=True, quiet=quiet, callbacks=callbacks, **{**about["training"], **training_keys}
    )
    return calibrated(done)


def calibrated(run: Run) -> Run:
    """A finished run of detect with the detector that goes with it; any other as it is."""
    if run.model.about.get("whole") and first_rank() and run.model.detector is None:
        steps = len(run.history) * -(-len(run.parts["train"]) // run.model.about["training"]["batch_size"])
        calibrate(run.model, run.data, run.parts, steps=steps)
        if run.path is not None:
            run.plot().write(run.path / store.PAGE)  # with what the self-check found
    return run
