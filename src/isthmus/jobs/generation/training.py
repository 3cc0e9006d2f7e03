"""After the training of an autoencoder: its prior, and the samples on the page of the run."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from isthmus import store
from isthmus.autoencoder import Autoencoder
from isthmus.data import Data
from isthmus.errors import Note
from isthmus.jobs.generation.fitted import AUTO, chosen_prior, fit_prior, normal
from isthmus.jobs.generation.nearest import nearest_rows, reduced
from isthmus.jobs.generation.prior_files import keep
from isthmus.jobs.generation.sampling import sampled_codes, sampled_items
from isthmus.priors import Prior
from isthmus.report import as_pictures, charts, grid
from isthmus.report import rows as stacked
from isthmus.training import Run
from isthmus.training.options import seconds

SHOWN, COMPARED, DRAWN = 64, 10, 500  # samples on the page; beside their nearest training items; in the chart


def fit_part(run: Run, share: float) -> None:
    """Fit the prior of a run, if it has none, and write its page again. share: of a budget that the prior takes."""
    model, options = run.model, run.model.about["training"]
    name = model.about["options"].get("prior", AUTO)
    prior = chosen_prior(model)
    if prior is not None and (prior.about.get("shown") or run.path is None):
        return
    budget = {}
    if options["budget"] is not None:
        budget["budget"] = seconds(options["budget"]) * share / (1 - share)
    prior = prior or fit_prior(model, name, data=run.data, quiet=run.quiet, seed=options["seed"], **budget)
    if run.path is not None:
        page = run.plot()
        add_samples(page, model, prior, run.data.subset(run.parts["train"]))
        page.write(run.path / store.PAGE)
        prior.about["shown"] = True
        keep(model, prior)


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
    if not prior.discrete:
        page.chart(codes_chart(model, prior, plain, training), "Codes of training images, and samples of priors.")


@torch.no_grad()
def codes_chart(model: Autoencoder, prior: Prior, plain: Prior, training: Data) -> str:
    """The codes of training items beside those of two priors, projected on the principal components of the former."""
    rows = np.linspace(0, len(training) - 1, min(DRAWN, len(training))).astype(int)
    own = model.encode(training.floats(rows), unit=True).flatten(1)
    sampled = [list(sampled_codes(model, one, range(DRAWN))) for one in (prior, plain)]
    groups = [own, *(torch.cat([block.codes[block.wanted] for block in blocks]).flatten(1).cpu() for blocks in sampled)]
    mean = own.mean(0)
    axes = torch.linalg.svd(own - mean, full_matrices=False).Vh[:2]
    axes = F.pad(axes, (0, 0, 0, 2 - len(axes)))  # of a code of one number
    names = ["training images", f"prior {prior.name}", "N(0, I)"]
    labels = np.repeat(range(3), [len(group) for group in groups])
    points = torch.cat([(group - mean) @ axes.T for group in groups])
    return charts.scatter(points.numpy(), labels, names, xlabel="first component", ylabel="second component")


def samples_of(model: Autoencoder, prior: Prior, count: int) -> torch.Tensor:
    return torch.cat(list(sampled_items(model, sampled_codes(model, prior, range(count)))))
