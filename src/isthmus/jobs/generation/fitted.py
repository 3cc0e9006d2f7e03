"""Priors of a run: fitted to the codes of its training data, and kept in the run as prior-NAME.safetensors."""

from __future__ import annotations

import math
import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch

from isthmus import store
from isthmus.autoencoder import Autoencoder
from isthmus.errors import BadInput, Note, unknown
from isthmus.inference.inputs import RunOrModel
from isthmus.jobs.generation.codes import TrainingCodes, has_training_data, training_codes
from isthmus.jobs.generation.prior_files import keep, known_prior, run_folder
from isthmus.jobs.image_model import model_of_items
from isthmus.priors import PRIORS, Prior, choose
from isthmus.training import fit, settle
from isthmus.training.options import RUNTIME

AUTO, NORMAL = "auto", "normal"
HELD = 2000  # held-back codes that the knowledge of a prior is measured on


def fit_prior(
    run: RunOrModel, name: str = AUTO, *, data: Any = None, quiet: bool = False, seed: int = 0, **training: Any
) -> Prior:
    """Fit a prior to the codes of the training data of a run, keep it in the run folder, and return it.

    name: normal, mixture, flow, transformer, or auto: transformer for a discrete code, mixture for few vectors, else
    flow. data: the training data; by default those that the run names. training: options of the training of a flow or a
    transformer (isthmus.training.options.TRAINING), such as budget="5m"; an interrupted training resumes.

    Raises BadInput for a prior that does not suit the code, and for data that cannot be opened.
    """
    model = model_of_items("generate", run)
    codes, auto = training_codes(model, data, seed), name == AUTO
    name = checked(model, name, len(np.unique(codes.items)))
    prior = new_prior(model, name, codes)
    prior.fit(codes.values, codes.labels)
    if prior.learned:
        train(model, prior, codes, quiet, {"seed": seed, **training})
    prior.about |= {"codes": len(codes.values), "labels": list(codes.names), "seed": seed, "auto": auto}
    prior.about["summary"] = summary(prior)
    keep(model, prior)
    return prior


def checked(model: Autoencoder, name: str, count: int) -> str:
    """The name of the prior for a model and `count` training items, with auto resolved. Raises BadInput."""
    if name == AUTO:
        name = choose(model.spec.discrete, model.code_shape, count)
    if name not in PRIORS:
        raise unknown("prior", name, [AUTO, *PRIORS])
    if PRIORS[name].discrete != model.spec.discrete and name != NORMAL:
        kind = "discrete" if model.spec.discrete else "continuous"
        suitable = [each for each, prior in PRIORS.items() if prior.discrete == model.spec.discrete or each == NORMAL]
        raise BadInput(f"prior {name}: the code of this model is {kind}; accepted are {', '.join(suitable)}")
    return name


def new_prior(model: Autoencoder, name: str, codes: TrainingCodes) -> Prior:
    prior = PRIORS[name]
    shape = tuple(codes.values.shape[1:]) if prior.discrete else model.code_shape
    arguments = {"codes": model.spec.codes} if prior.discrete else {}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return prior(shape, classes=len(codes.names), **arguments)


def train(model: Autoencoder, prior: Prior, codes: TrainingCodes, quiet: bool, training: dict[str, Any]) -> None:
    """Train the weights of a prior, in a folder inside of the run from which an interrupted training resumes."""
    run = run_folder(model)
    folder = None if run is None else run / f"training-{prior.name}"
    options = {"validation": 0.1, "test": 0.0, "device": model.device.type, **prior.training_defaults, **training}
    options = resumed(folder, codes, training) or options
    done = fit(prior, codes.data(), out=folder, resume=True, quiet=quiet, **options)
    rows = done.parts["validation"] if len(done.parts["validation"]) else done.parts["train"]
    about = {"training": options, "metrics": done.metrics, "history": done.history}
    prior.about = {**about, **knowledge(prior, codes, rows[:HELD])}
    prior.to("cpu")
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)


def resumed(folder: Path | None, codes: TrainingCodes, training: dict[str, Any]) -> dict[str, Any]:
    """The options of an interrupted training in the folder; {} if there is none.

    One of other codes, or with other options than those that are given, is deleted.
    """
    if folder is None or not store.is_run(folder):
        return {}
    about = store.read_config(folder)["about"]
    given, known = settle({}, training), about["training"]
    if about["data"] == codes.source and all(known[key] == given[key] for key in training):
        return {key: value for key, value in known.items() if key not in RUNTIME or key == "device"}
    shutil.rmtree(folder)
    return {}


def knowledge(prior: Prior, codes: TrainingCodes, rows: np.ndarray) -> dict[str, float]:
    """Bits a symbol of held-back codes, by a discrete prior and by the frequencies of the symbols alone."""
    if not prior.discrete:
        return {}
    labels = None if codes.labels is None else codes.labels[rows].to(prior.shares.device)
    own, unigram = prior.bits(codes.values[rows].to(prior.shares.device), labels)  # type: ignore[operator]
    return {"bits": own, "unigram_bits": unigram}


def summary(prior: Prior) -> str:
    """The prior in one line."""
    about = prior.about
    labels = f" with {len(about['labels'])} labels" if about["labels"] else ""
    size, known = f"{sum(weight.numel() for weight in prior.parameters()):,} weights, " if prior.learned else "", ""
    if prior.discrete:
        size = f"{math.prod(prior.shape)} symbols an item, {size}"
    if "bits" in about:
        known = f"; it knows {about['unigram_bits'] - about['bits']:.1f} of {about['unigram_bits']:.1f} bits a symbol"
    return f"prior: {prior.name}, {size}fitted to {about['codes']:,} codes{labels}{known}"


def prior_of(model: Autoencoder, name: str = AUTO, data: Any = None, **how: Any) -> Prior:
    """The prior of that name, fitted now if it has not been yet.

    auto: the prior that was trained with the model; else the one that `fit_prior` chooses; N(0, I) where the training
    data cannot be opened. how: options of `fit_prior`; None stands for the default.
    """
    if name == AUTO and (known := chosen_prior(model)) is not None:
        return known
    if name == AUTO:
        name = model.about.get("options", {}).get("prior", AUTO)
    if name != AUTO and (known := known_prior(model, checked(model, name, 0))) is not None:
        return known
    if name == NORMAL or (name == AUTO and data is None and not has_training_data(model)):
        return normal(model)
    prior = fit_prior(model, name, data=data, **{key: value for key, value in how.items() if value is not None})
    warnings.warn(f"{prior.summary()}{'' if run_folder(model) is None else '; kept in the run'}", Note, stacklevel=3)
    return prior


def chosen_prior(model: Autoencoder) -> Prior | None:
    """The prior that was chosen for the run, or else one that a user asked for; None without any."""
    fitted = [prior for name in PRIORS if (prior := known_prior(model, name)) is not None]
    asked = model.about.get("options", {}).get("prior", AUTO)
    chosen = [prior for prior in fitted if prior.name == asked or prior.about.get("auto")]
    return next(iter(chosen or fitted[::-1]), None)


def normal(model: Autoencoder) -> Prior:
    """N(0, I), with a warning for a model whose codes are not trained towards it."""
    if model.spec.prior is None:
        recipe = model.about.get("recipe", type(model.bottleneck).__name__.lower())
        warnings.warn(
            f"{recipe}: this model has no latent prior: decoded random codes will not resemble the data; a prior that "
            "is fitted to the codes of its training data gives better ones (--prior auto)",
            Note,
            stacklevel=3,
        )
    return PRIORS[NORMAL](model.code_shape)
