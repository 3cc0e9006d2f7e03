"""Features in our own format: a network of the package, its config and its weights in one folder."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from isthmus import models, store
from isthmus.errors import BadInput
from isthmus.features.base import FrozenFeatures, OwnFeatures, checked
from isthmus.registry import build

AUTO = "features"  # the shipped model that `auto` takes


def shipped_names() -> list[str]:
    """The shipped models that are feature extractors: their names begin with "features"."""
    return [name for name in models.names() if name.startswith(AUTO)]


def shipped(name: str = AUTO) -> FrozenFeatures:
    """The features of a shipped model, with its weights. Raises BadInput if the package has none of that name."""
    if name not in shipped_names():
        have = ", ".join(shipped_names()) or "none"
        raise BadInput(
            f"this installation has no self-trained features {name!r} (there are: {have}): "
            "name a file (.onnx, .pt2), hub:OWNER/NAME or timm:NAME"
        )
    return from_folder(models.folder_of(name), name)


def from_folder(folder: Path, name: str) -> FrozenFeatures:
    """The network that config.json describes, by registered names only, with the weights of model.safetensors."""
    network = build(store.read_config(folder)["model"])
    if not isinstance(network, nn.Module):
        raise BadInput(f"{name}: {store.CONFIG} describes no network")
    store.load_weights(network, store.read_weights(folder), name)
    return checked(network if isinstance(network, FrozenFeatures) else OwnFeatures(network), name)
