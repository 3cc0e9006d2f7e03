"""Isthmus: autoencoders to denoise, inpaint, upscale, detect anomalies, segment, embed and generate.

Every model computes

    x̃ = corrupt(x);  h, skips = encode(x̃);  z, penalty = bottleneck(h);  y = decode(z, skips)
    loss = compare(y, target) + penalty

Names are imported when they are first used, so that `import isthmus` and `isthmus --help` answer at once.
"""

from __future__ import annotations

import importlib
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from isthmus.jobs import all_jobs as _all_jobs
from isthmus.jobs import built_in as _built_in
from isthmus.jobs import verbs as _verbs

if TYPE_CHECKING:
    from isthmus import datasets as datasets
    from isthmus.autoencoder import Autoencoder as Autoencoder
    from isthmus.errors import BadInput as BadInput
    from isthmus.errors import Diverged as Diverged
    from isthmus.errors import IsthmusError as IsthmusError
    from isthmus.jobs import load as load
    from isthmus.jobs.anomaly.detect import detect as detect
    from isthmus.jobs.autoencoding.reconstruct import decode as decode
    from isthmus.jobs.autoencoding.reconstruct import embed as embed
    from isthmus.jobs.autoencoding.reconstruct import reconstruct as reconstruct
    from isthmus.jobs.generation.fitted import fit_prior as fit_prior
    from isthmus.jobs.generation.generate import generate as generate
    from isthmus.jobs.generation.interpolate import interpolate as interpolate
    from isthmus.jobs.restoration.restore import denoise as denoise
    from isthmus.jobs.restoration.restore import inpaint as inpaint
    from isthmus.jobs.restoration.restore import unwatermark as unwatermark
    from isthmus.jobs.restoration.restore import upscale as upscale
    from isthmus.jobs.segmentation.segment import segment as segment
    from isthmus.recipes import create as create
    from isthmus.training import Run as Run
    from isthmus.training.fit import fit as fit
    from isthmus.verbs.compare import compare as compare
    from isthmus.verbs.demo import demo as demo
    from isthmus.verbs.describe import describe as describe
    from isthmus.verbs.evaluate import evaluate as evaluate
    from isthmus.verbs.export import export as export
    from isthmus.verbs.hub import from_hub as from_hub
    from isthmus.verbs.hub import push_to_hub as push_to_hub
    from isthmus.verbs.show import show as show
    from isthmus.verbs.train import train as train

__version__ = "0.1.0"

_places = {  # the modules of names that are the same for every job; the registry of jobs adds their functions
    "demo": "isthmus.verbs.demo",
    "show": "isthmus.verbs.show",
    "describe": "isthmus.verbs.describe",
    "train": "isthmus.verbs.train",
    "evaluate": "isthmus.verbs.evaluate",
    "compare": "isthmus.verbs.compare",
    "export": "isthmus.verbs.export",
    "push_to_hub": "isthmus.verbs.hub",
    "from_hub": "isthmus.verbs.hub",
    "Autoencoder": "isthmus.autoencoder",
    "load": "isthmus.jobs",
    "create": "isthmus.recipes",
    "fit": "isthmus.training",
    "Run": "isthmus.training",
    "IsthmusError": "isthmus.errors",
    "BadInput": "isthmus.errors",
    "Diverged": "isthmus.errors",
} | _verbs(_built_in())
__all__ = [*_places, "datasets"]


def __getattr__(name: str) -> Any:
    if name == "datasets":
        return importlib.import_module("isthmus.datasets")
    places = _places
    if name not in places and not name.startswith("_") and find_spec(f"isthmus.{name}") is None:  # no submodule of ours
        places = _verbs(_all_jobs())  # other packages bring verbs, too
    if name in places:
        return getattr(importlib.import_module(places[name]), name)
    raise AttributeError(f"module 'isthmus' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
