"""The metrics of generation: samples of the prior, compared with held-back items and with training items."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch

from isthmus.autoencoder import Autoencoder
from isthmus.data import Data
from isthmus.errors import Note
from isthmus.jobs.generation.codes import has_training_data, training_part
from isthmus.jobs.generation.fitted import chosen_prior
from isthmus.jobs.generation.sampling import sampled_codes, sampled_items
from isthmus.jobs.generation.scores import scores

MOST, MOST_TRAINING, LEAST = 2000, 10_000, 10  # items that are compared: held back and generated, training; fewest


def measure(model: Autoencoder, data: Data) -> dict[str, Any]:
    """The prior, and the scores of as many samples as there are items of `data`, up to MOST.

    {} for a run without a prior; the scores are left out for fewer than LEAST items and without the training data.
    """
    prior = chosen_prior(model)
    if prior is None:
        return {}
    known = {"prior": prior.name}
    known |= {key: prior.about[key] for key in ("bits", "unigram_bits") if key in prior.about}
    if len(data) < LEAST or not has_training_data(model):
        lacks = "the training data cannot be opened" if len(data) >= LEAST else f"{LEAST} items or more are needed"
        warnings.warn(f"samples are not compared with the data: {lacks}", Note, stacklevel=3)
        return known
    training, held = spread(training_part(model), MOST_TRAINING), spread(data, MOST)
    samples = torch.cat(list(sampled_items(model, sampled_codes(model, prior, range(len(held))))))
    figures = scores(samples, held, training)
    figures["samples"] = figures.pop("items")
    return {**known, **figures}


def spread(data: Data, most: int) -> Data:
    """At most that many items, evenly spread over the data."""
    return data if len(data) <= most else data.subset(np.linspace(0, len(data) - 1, most).astype(int))
