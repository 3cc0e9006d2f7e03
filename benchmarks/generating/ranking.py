"""Priors over the codes of one plain autoencoder and one VAE for each set, by the scores of their pictures."""

from __future__ import annotations

from generating.features import scored, scores_of_training_pictures
from generating.models import autoencoder
from generating.priors import fitted, pictures
from generating.sets import SETS, TITLES
from stored_rows import Part

PRIORS = ("normal", "gaussian", "mixture", "flow")


def ranking() -> None:
    part = Part("generation", "ranking")
    for data in SETS:
        part.row(lambda data=data: scores_of_training_pictures(data), set=TITLES[data], model="training pictures")
        for model in ("AE", "VAE"):
            for prior in PRIORS:

                def row(data: str = data, model: str = model, prior: str = prior) -> dict[str, object]:
                    made, seconds = pictures(autoencoder(model, data), fitted(model, data, prior))
                    return scored(data, made) | {"prior_seconds": seconds}

                part.row(row, set=TITLES[data], model=model, prior=prior)
    part.end("...")
