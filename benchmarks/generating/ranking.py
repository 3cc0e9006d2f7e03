"""Priors over the codes of one plain autoencoder and one VAE for each set, by the scores of their pictures."""

from __future__ import annotations

from generating.features import scored, scores_of_training_pictures
from generating.models import CODES, MODELS, autoencoder
from generating.priors import COUNT, fitted, pictures
from generating.sets import SETS, TITLES
from stored_rows import Part, Row

PRIORS = ("normal", "gaussian", "mixture", "flow")


def ranking() -> None:
    part = Part("generation", "ranking")
    for data in SETS:
        part.row(lambda data=data: scores_of_training_pictures(data), set=TITLES[data], model="training pictures")
        for model in ("AE", "VAE"):
            for prior in PRIORS:

                def row(data: str = data, model: str = model, name: str = prior) -> Row:
                    prior, seconds = fitted(model, data, name)
                    made = pictures(autoencoder(model, data), prior)
                    return scored(data, made) | {"prior_cpu_seconds": seconds}

                part.row(row, set=TITLES[data], model=model, prior=prior)
    part.end(
        "one recipe conv (AE) and one recipe variational with net=conv (VAE) for each set: two stages, codes of "
        f"{CODES['mnist']} numbers, of patches {CODES['patches']}, {MODELS['AE']['epochs']} epochs; no labels; "
        f"{COUNT} pictures of each against the {COUNT} test pictures; training pictures: as many of them in place of "
        "generated ones; patches: seeded crops of bsd400_color, no photo gives both training and test patches"
    )
