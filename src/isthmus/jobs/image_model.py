"""The model of a run for the verbs whose results are items like those of the training data."""

from __future__ import annotations

from isthmus.autoencoder import Autoencoder
from isthmus.errors import BadInput
from isthmus.inference.inputs import RunOrModel
from isthmus.jobs import job_of, model_for


def model_of_items(verb: str, run: RunOrModel, device: str | None = None) -> Autoencoder:
    """As model_for; raises BadInput for a model of features too, because these are no items like its input."""
    model = model_for(verb, run, device)
    if model.features is not None:
        own = job_of(model).verb(model.about.get("recipe", ""))
        raise BadInput(f"{model.path or 'this model'}: {verb} would give features, not images; isthmus {own} uses it")
    return model
