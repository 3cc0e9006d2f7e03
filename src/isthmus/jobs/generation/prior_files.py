"""The files of priors in a run folder: prior-NAME.safetensors, whose header describes the prior."""

from __future__ import annotations

from pathlib import Path

from isthmus import store
from isthmus.autoencoder import Autoencoder
from isthmus.errors import BadInput
from isthmus.models import is_shipped
from isthmus.priors import Prior
from isthmus.registry import build, config_of


def prior_file(run: Path, name: str) -> Path:
    return run / f"prior-{name}.safetensors"


def run_folder(model: Autoencoder) -> Path | None:
    """The run folder of a model, if there is one that may be changed."""
    path = model.path
    return path if path is not None and store.is_run(path) and not is_shipped(path) else None


def keep(model: Autoencoder, prior: Prior) -> None:
    """Keep a fitted prior with the model and in its run folder."""
    model.parts[f"prior-{prior.name}"] = prior.eval()
    run = run_folder(model)
    if run is not None:
        header = {"prior": config_of(prior), "about": store.finite(prior.about)}
        store.write_tensors(prior_file(run, prior.name), prior.state_dict(), header)


def load_prior(file: Path) -> Prior:
    """The prior of a file that `keep` has written. Raises BadInput for a damaged one."""
    tensors, header = store.read_tensors(file)
    try:
        prior, about = build(header["prior"]), dict(header["about"])
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise BadInput(f"{file}: describes no prior ({error})") from error
    if not isinstance(prior, Prior):
        raise BadInput(f"{file}: holds a {type(prior).__name__}, which is no prior")
    store.load_weights(prior, tensors, file)
    prior.about = about
    return prior.eval()


def known_prior(model: Autoencoder, name: str) -> Prior | None:
    """The prior of that name that has been fitted to this model; None if there is none."""
    part = f"prior-{name}"
    if part not in model.parts and model.path is not None and prior_file(model.path, name).is_file():
        model.parts[part] = load_prior(prior_file(model.path, name))
    known: Prior | None = model.parts.get(part)
    return known
