"""Which model does a job: the one that was named, or the shipped one that fits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from isthmus import models
from isthmus.autoencoder import load_model
from isthmus.distributed import keep_freed_memory, named_device
from isthmus.errors import BadInput
from isthmus.jobs import find_job
from isthmus.recipes import RECIPES


class PretrainedModels:
    """The model that was named, or the shipped one that fits; each is loaded once, when it is needed, onto the device.

    verb: the command that asks, for which the model must have been made. names: of shipped models, one of which is
    wanted. scales, masks: whether it has to enlarge, and to take a mask.
    Raises BadInput, before any picture is read, where there is none, or the one that was named does another job.
    """

    def __init__(
        self, verb: str, given: Any, device: str, *names: str, scales: bool = False, masks: bool = False
    ) -> None:
        keep_freed_memory()
        self.device = named_device(device)
        self.kept: dict[str, Any] = {}
        self.verb, self.given, self.scales, self.masks = verb, given, scales, masks
        if given is not None:
            self()
        else:
            self._shipped(*names)

    def __call__(self, *names: str) -> Any:
        """The given one, or the first of these that is shipped."""
        given = self.given
        if given is None:
            name = self._shipped(*names)
        elif isinstance(given, (str, Path)):
            name = str(given)
        else:
            name = type(given).__name__
            self.kept.setdefault(name, given)
        if name not in self.kept:
            self.kept[name] = _loaded(name)
        return self._fit(name, self.kept[name]).to(self.device)

    def _shipped(self, *names: str) -> str:
        shipped = models.names()
        if not (found := [name for name in names if name in shipped]):
            raise BadInput(f"no model {names[0]} is shipped yet; --model RUN names one of your own")
        return found[0]

    def _fit(self, name: str, model: Any) -> Any:
        recipe = getattr(model, "about", {}).get("recipe")
        if (other := command_for(recipe)) not in (None, self.verb) and (self.verb, recipe) != ("denoise", "denoising"):
            raise BadInput(f"{name}: is a {recipe} model, for isthmus {other}, not for isthmus {self.verb}")
        extra = getattr(getattr(model, "corruption", None), "extra", None)
        if (model.scale > 1) != self.scales:
            raise BadInput(f"{name}: enlarges ×{model.scale}" if model.scale > 1 else f"{name}: does not enlarge")
        if extra is not None and bool(extra) != self.masks:
            raise BadInput(f"{name}: fills holes, and needs a mask" if extra else f"{name}: takes no mask")
        return model


def command_for(recipe: str | None) -> str | None:
    """The command that uses a model of this recipe on pictures; None for a recipe that is not known here."""
    if recipe not in RECIPES:
        return None
    return find_job(RECIPES[recipe].job).verb(recipe)


def _loaded(name: str) -> Any:
    if not Path(name).is_dir() and name not in models.names():
        shipped = ", ".join(models.names()) or "none"
        raise BadInput(f"{name}: no run folder, and no shipped model; shipped are {shipped}")
    return load_model(name)
