"""A model in a run folder: its config and its weights."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from isthmus import store
from isthmus.errors import BadInput
from isthmus.registry import config_of


def write_config(path: Path, model: nn.Module) -> None:
    """The part of a run that is known before training: the model, its data and options."""
    config = {"format": store.FORMAT, "model": config_of(model), "about": getattr(model, "about", {})}
    store.write_json(path / store.CONFIG, config)


def load_weights(model: nn.Module, weights: dict[str, Tensor], place: Path | str) -> None:
    """Put `weights` into `model`; BadInput naming the first that is missing, unknown or of another shape."""
    expected = model.state_dict()
    for name, tensor in expected.items():
        if name not in weights:
            raise BadInput(f"{place}: the weights lack {name}")
        if weights[name].shape != tensor.shape:
            shapes = f"{tuple(weights[name].shape)}, but the config asks for {tuple(tensor.shape)}"
            raise BadInput(f"{place}: the weights' {name} is {shapes}")
    for name in weights:
        if name not in expected:
            raise BadInput(f"{place}: the weights hold {name}, which the config does not know")
    model.load_state_dict(weights)
