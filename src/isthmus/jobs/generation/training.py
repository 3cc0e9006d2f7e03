"""After the training of an autoencoder: its prior, and the samples on the page of the run."""

from __future__ import annotations

import warnings
from typing import Any

import torch

from isthmus import store
from isthmus.autoencoder import Autoencoder
from isthmus.data import Data
from isthmus.errors import Note
from isthmus.jobs.generation.fitted import AUTO, chosen_prior, fit_prior, normal
from isthmus.jobs.generation.nearest import nearest_rows, reduced
from isthmus.jobs.generation.sampling import sampled_codes, sampled_items
from isthmus.priors import Prior
from isthmus.report import as_pictures, grid
from isthmus.report import rows as stacked
from isthmus.training import Run
from isthmus.training.options import seconds

SHOWN, COMPARED = 64, 10  # samples on the page; of them, beside their nearest training items


def fit_part(run: Run, share: float) -> None:
    """Fit the prior of a run, if it has none, and write its page again. share: of a budget that the prior takes."""
    model, options = run.model, run.model.about["training"]
    name = model.about["options"].get("prior", AUTO)
    if chosen_prior(model) is not None:
        return
    budget = {}
    if options["budget"] is not None:
        budget["budget"] = seconds(options["budget"]) * share / (1 - share)
    prior = fit_prior(model, name, data=run.data, quiet=run.quiet, seed=options["seed"], **budget)
    if run.path is not None:
        page = run.plot()
        add_samples(page, model, prior, run.data.subset(run.parts["train"]))
        page.write(run.path / store.PAGE)


def add_samples(page: Any, model: Autoencoder, prior: Prior, training: Data) -> None:
    """Add samples of the prior, the nearest training items of some, and samples of N(0, I) for comparison."""
    if len(model.shape) != 3:
        return
    samples = samples_of(model, prior, SHOWN)
    page.section("Samples", prior.summary())
    page.picture(grid(samples), f"{SHOWN} samples of the prior {prior.name}, seed 0.")
    nearest = training.floats(nearest_rows(reduced(samples[:COMPARED]), training)[0])
    page.picture(
        stacked(as_pictures(samples[:COMPARED]), as_pictures(nearest)),
        "Samples, and below each the training image nearest to it.",
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Note)
        plain = normal(model)
    page.picture(grid(samples_of(model, plain, 16)), "For comparison, decoded samples of N(0, I).")


def samples_of(model: Autoencoder, prior: Prior, count: int) -> torch.Tensor:
    return torch.cat(list(sampled_items(model, sampled_codes(model, prior, range(count)))))
