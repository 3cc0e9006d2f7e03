"""MNIST: a VQ-VAE with a transformer over its symbols, beside a VAE and a small GAN; the speed of the transformer."""

from __future__ import annotations

import time
from typing import Any

import torch

from generating.features import features, real, scored, scores_of_training_pictures
from generating.gan import SETTINGS, gan
from generating.models import autoencoder, seconds_of
from generating.priors import COUNT, fitted, pictures
from generating.sets import images
from isthmus.metrics import frechet_distance
from isthmus.priors import Draws
from isthmus.priors.transformer import Transformer
from stored_rows import Part, Row

DATA = "mnist"
HELD, TRIAL = 10_000, 30.0  # training pictures that a choice of settings is measured on; its processor seconds
CACHED = 1000


def discrete() -> None:
    part = Part("generation", "discrete")
    rows = [part.row(lambda: scores_of_training_pictures(DATA), model="training pictures")]
    for model, prior in (("VQ-VAE", "transformer"), ("VAE", "normal")):

        def row(model: str = model, prior: str = prior) -> Row:
            made = pictures(autoencoder(model, DATA), fitted(model, DATA, prior)[0])
            return scored(DATA, made) | {"training_cpu_seconds": seconds(model, prior)}

        rows.append(part.row(row, model=model, prior=prior))
    part.end(
        "MNIST; VQ-VAE: recipe quantized with 128 codes, and a transformer of width 96 over its 7×7 symbols; VAE: "
        f"recipe variational with net=conv, and N(0, I); {COUNT} pictures of each against the {COUNT} test pictures",
        rows,
    )


def against_gan() -> None:
    """A GAN in the processor time of VQ-VAE and transformer."""
    part = Part("generation", "gan")
    tried = [part.row(lambda name=name: trial(name), setting=name) for name in SETTINGS]
    best = min(tried, key=lambda row: row["held_back_distance"])["setting"]
    limit = seconds("VQ-VAE", "transformer")

    def row() -> Row:
        made = gan(images(DATA, "train"), limit, **SETTINGS[best]).pictures(COUNT)
        return scored(DATA, made) | {"training_cpu_seconds": limit, "chosen": best}

    part.end(
        "MNIST; the decoder of the VAE of the part discrete as the generator; the processor time of its VQ-VAE and "
        f"transformer; settings chosen in {TRIAL:.0f} seconds each on {HELD} training pictures that were held back; "
        f"{COUNT} pictures against the {COUNT} test pictures",
        [part.row(row, model="GAN")],
        choice=tried,
    )


def seconds(model: str, prior: str) -> float:
    """The processor time of the trainings of a model and its prior."""
    return round(seconds_of(f"{model}-{DATA}") + fitted(model, DATA, prior)[1], 1)


def trial(name: str) -> Row:
    """The distance of a short training from held-back training pictures."""
    x = images(DATA, "train")
    made = gan(x[:-HELD], TRIAL, **SETTINGS[name]).pictures(HELD)
    return {"held_back_distance": frechet_distance(features(DATA).of(made), real(DATA)["train"][-HELD:])}


def cache() -> None:
    """Sampling with the keys and values of earlier symbols kept, and without."""
    part = Part("generation", "cache")
    model = autoencoder("VQ-VAE", DATA)
    grid, codes = model.code_shape[1:], model.spec.codes
    priors = {
        "width 96 and depth 3, as above": fitted("VQ-VAE", DATA, "transformer")[0],
        "the default of width 128 and depth 4, untrained": Transformer(grid, codes=codes).eval(),
    }
    for name, prior in priors.items():

        def row(prior: Any = prior) -> Row:
            took, symbols = {}, {}
            for cached in (True, False):
                began = time.perf_counter()
                symbols[cached] = prior.sample(Draws(0, range(CACHED)), cached=cached)
                model.decode(model.bottleneck.vectors(symbols[cached]))
                took[cached] = time.perf_counter() - began
            return {
                "wall_seconds": took[True],
                "wall_seconds_without": took[False],
                "times": took[False] / took[True],
                "same_symbols": float((symbols[True] == symbols[False]).double().mean()),
                "logits_difference": logits_difference(prior, symbols[True][:64]),
            }

        part.row(row, transformer=name)
    part.end(
        f"{CACHED} pictures of MNIST, 7×7 symbols of 128 codes each, sampled and decoded with one thread; "
        "largest difference of the logits of 64 of them"
    )


@torch.no_grad()
def logits_difference(prior: Transformer, symbols: torch.Tensor) -> float:
    """The largest difference of logits at any position, computed with kept keys and values and without."""
    rows, labels, caches = prior.flat(symbols), prior._null(len(symbols)), prior._caches(len(symbols))
    full = prior._logits(prior._outputs(prior._inputs(rows[:, :-1], labels)))
    difference = 0.0
    for position in range(prior.tokens):
        token = prior._token(rows, position) if position else prior._inputs(rows[:, :0], labels)
        own = prior._logits(prior._outputs(token, caches=caches, start=position)[:, -1])
        difference = max(difference, float((own - full[:, position]).abs().max()))
    return difference
