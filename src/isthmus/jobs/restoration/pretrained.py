"""The models of a verb: the one named by the user, or shipped models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from isthmus import models
from isthmus.autoencoder import Autoencoder, load_model
from isthmus.distributed import keep_freed_memory, named_device
from isthmus.errors import BadInput
from isthmus.jobs import check_verb


class PretrainedModels:
    """Loads the model named by the user, or shipped models by name, each once, onto the device.

    verb: the command that the model must be made for. names: of shipped models, in order of preference. scales, masks:
    whether the model must enlarge, or take a mask.
    Raises BadInput, before any image is read, if there is no such model or it was made for another verb.
    """

    def __init__(
        self, verb: str, named: Any, device: str, *names: str, scales: bool = False, masks: bool = False
    ) -> None:
        keep_freed_memory()
        self.device = named_device(device)
        self.loaded: dict[str, Any] = {}
        self.verb, self.named, self.scales, self.masks = verb, named, scales, masks
        if named is not None:
            self()
        else:
            self._first_shipped(*names)

    def __call__(self, *names: str) -> Any:
        """The model named by the user, or the first of these that is shipped."""
        named = self.named
        if named is None:
            name = self._first_shipped(*names)
        elif isinstance(named, (str, Path)):
            name = str(named)
        else:
            name = type(named).__name__
            self.loaded.setdefault(name, named)
        if name not in self.loaded:
            self.loaded[name] = _load(name)
        return self._check(name, self.loaded[name]).to(self.device)

    def _first_shipped(self, *names: str) -> str:
        shipped = models.names()
        if not (available := [name for name in names if name in shipped]):
            raise BadInput(f"no model {names[0]} is shipped yet; use a run of your own with --model RUN")
        return available[0]

    def _check(self, name: str, model: Any) -> Any:
        spec = model.spec if isinstance(model, Autoencoder) else None  # a network of someone's own declares nothing
        if isinstance(model, Autoencoder):
            check_verb(self.verb, model, None if model is self.named else name)
        if (model.scale > 1) != self.scales:
            raise BadInput(f"{name}: enlarges ×{model.scale}" if model.scale > 1 else f"{name}: does not enlarge")
        if spec is not None and bool(spec.mask_channels) != self.masks:
            raise BadInput(f"{name}: takes no mask" if self.masks else f"{name}: fills holes and needs a mask")
        return model


def _load(name: str) -> Any:
    if not Path(name).is_dir() and name not in models.names():
        shipped = ", ".join(models.names()) or "none"
        raise BadInput(f"{name}: neither a run folder nor a shipped model; shipped are {shipped}")
    return load_model(name)
