"""Isthmus: autoencoders of every classical type, for every job, as one sentence.

    x̃ = corrupt(x);  h, skips = encode(x̃);  z, penalty = bottleneck(h);  y = decode(z, skips)
    loss = compare(y, target) + penalty

Names are imported when they are first used, so that `import isthmus` and `isthmus --help` answer at once.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from isthmus import datasets as datasets
    from isthmus.autoencoder import Autoencoder as Autoencoder
    from isthmus.autoencoder import load as load
    from isthmus.errors import BadInput as BadInput
    from isthmus.errors import Diverged as Diverged
    from isthmus.errors import IsthmusError as IsthmusError
    from isthmus.export import export as export
    from isthmus.hub import from_hub as from_hub
    from isthmus.hub import push_to_hub as push_to_hub
    from isthmus.recipes import create as create
    from isthmus.tasks.compare import compare as compare
    from isthmus.tasks.demo import demo as demo
    from isthmus.tasks.describe import describe as describe
    from isthmus.tasks.detect import detect as detect
    from isthmus.tasks.evaluate import evaluate as evaluate
    from isthmus.tasks.generate import generate as generate
    from isthmus.tasks.generate import interpolate as interpolate
    from isthmus.tasks.restore import denoise as denoise
    from isthmus.tasks.restore import inpaint as inpaint
    from isthmus.tasks.restore import unwatermark as unwatermark
    from isthmus.tasks.restore import upscale as upscale
    from isthmus.tasks.show import show as show
    from isthmus.tasks.train import train as train
    from isthmus.tasks.use import decode as decode
    from isthmus.tasks.use import embed as embed
    from isthmus.tasks.use import reconstruct as reconstruct
    from isthmus.training import Run as Run
    from isthmus.training import fit as fit

__version__ = "0.1.0"

_places = {
    "demo": "tasks.demo",
    "show": "tasks.show",
    "describe": "tasks.describe",
    "detect": "tasks.detect",
    "train": "tasks.train",
    "evaluate": "tasks.evaluate",
    "compare": "tasks.compare",
    "reconstruct": "tasks.use",
    "embed": "tasks.use",
    "decode": "tasks.use",
    "generate": "tasks.generate",
    "interpolate": "tasks.generate",
    "denoise": "tasks.restore",
    "unwatermark": "tasks.restore",
    "inpaint": "tasks.restore",
    "upscale": "tasks.restore",
    "Autoencoder": "autoencoder",
    "load": "autoencoder",
    "create": "recipes",
    "fit": "training",
    "Run": "training",
    "export": "export",
    "push_to_hub": "hub",
    "from_hub": "hub",
    "IsthmusError": "errors",
    "BadInput": "errors",
    "Diverged": "errors",
}
__all__ = [*_places, "datasets"]


def __getattr__(name: str) -> Any:
    if name in _places:
        return getattr(importlib.import_module(f"isthmus.{_places[name]}"), name)
    if name == "datasets":
        return importlib.import_module("isthmus.datasets")
    raise AttributeError(f"module 'isthmus' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
