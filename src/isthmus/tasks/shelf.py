"""Which model does a job: the one that was named, or the shipped one that fits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from isthmus import models
from isthmus.autoencoder import load
from isthmus.errors import BadInput
from isthmus.machines import keep_freed_memory, named_device
from isthmus.store import is_run


class Models:
    """The model that was named, or the shipped one that fits; each is loaded once, onto the device.

    names: of shipped models, one of which is wanted. scales, masks: whether it has to enlarge, and to take a mask.
    Raises BadInput, before any picture is read, where there is none, or the one that was named does another job.
    """

    def __init__(
        self, given: Any = None, device: str = "auto", *names: str, scales: bool = False, masks: bool = False
    ) -> None:
        keep_freed_memory()
        self.device = named_device(device)
        self.kept: dict[str, Any] = {}
        self.given, self.scales, self.masks = given, scales, masks
        self(*names)

    def __call__(self, *names: str) -> Any:
        """The given one, or the first of these that is shipped."""
        shipped, given = models.names(), self.given
        name = next((name for name in names if name in shipped), None) if given is None else str(given)
        if name is None:
            raise BadInput(f"no model {names[0]} is shipped yet; --model RUN names one of your own")
        if given is not None and not isinstance(given, (str, Path)):
            name = type(given).__name__
            self.kept.setdefault(name, given)
        if name not in self.kept:
            if not Path(name).is_dir() and name not in shipped:
                raise BadInput(
                    f"{name}: no run folder, and no shipped model; shipped are {', '.join(shipped) or 'none'}"
                )
            own = is_run(name) or name not in shipped  # a folder of pictures may be called as a model is
            self.kept[name] = load(name if own else models.folder_of(name))
        return self._fit(name, self.kept[name]).to(self.device)

    def _fit(self, name: str, model: Any) -> Any:
        extra = getattr(getattr(model, "corruption", None), "extra", None)
        if (model.scale > 1) != self.scales:
            raise BadInput(f"{name}: enlarges ×{model.scale}" if model.scale > 1 else f"{name}: does not enlarge")
        if extra is not None and bool(extra) != self.masks:
            raise BadInput(f"{name}: fills holes, and needs a mask" if extra else f"{name}: takes no mask")
        return model
