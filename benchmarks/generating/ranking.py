"""Priors over the codes of one plain autoencoder and one VAE for each set, by the scores of their pictures."""

from __future__ import annotations

from functools import partial

from generating.features import scored, scores_of_training_pictures
from generating.models import CODES, MODELS, autoencoder
from generating.priors import COUNT, fitted, pictures
from generating.sets import TITLES
from stored_rows import Part, Row

PRIORS = ("normal", "gaussian", "mixture", "flow")


def ranking(data: str) -> None:
    part = Part("generation", f"ranking-{data}")
    rows = [part.row(lambda: scores_of_training_pictures(data), set=TITLES[data], model="training pictures")]
    for model in ("AE", "VAE"):
        for prior in PRIORS:
            rows.append(part.row(partial(row, data, model, prior), set=TITLES[data], model=model, prior=prior))
    source = (
        "seeded crops of bsd400_color, no photo gives both training and test patches; " if data == "patches" else ""
    )
    part.end(
        f"{TITLES[data]}; {source}one recipe conv (AE) and one recipe variational with net=conv (VAE): two stages, "
        f"codes of {CODES[data]} numbers, {MODELS['AE']['epochs']} epochs; {COUNT} pictures of each prior (no labels) "
        "against 10000 test pictures; training pictures: as many of them in place of generated ones",
        rows,
    )


def row(data: str, model: str, name: str) -> Row:
    prior, seconds = fitted(model, data, name)
    return scored(data, pictures(autoencoder(model, data), prior)) | {"prior_cpu_seconds": seconds}
