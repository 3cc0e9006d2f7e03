"""Names for constructors, so that a module can be written to a config and built again from it.

`@register` remembers the arguments a module was built with (as smp does, no config class); `config_of` turns a
module into plain JSON, `build` turns the JSON back. Only registered names are ever built: a config cannot make
Python import or run anything else.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Mapping
from typing import Any, TypeVar

from torch import nn

from isthmus.errors import BadInput, unknown
from isthmus.plugins import load_plugins

_constructors: dict[str, type[nn.Module]] = {}
FORMER_NAMES = {  # of classes and arguments in runs of the first format
    "Blemish": "SyntheticDefect",
    "Found": "MaskedReconstruction",
    "Neighbours": "Neighbors",
    "Open": "Identity",
    "Shrink": "Downsample",
    "finds": "predicts_mask",
}
M = TypeVar("M", bound=type[nn.Module])


def register(cls: M) -> M:
    """Class decorator: put the class in the catalogue under its own name and keep its constructor arguments."""
    init = cls.__init__
    signature = inspect.signature(init)
    several = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)  # nn.Module's own has nothing else
    named = {p.name for p in list(signature.parameters.values())[1:] if p.kind not in several}

    @functools.wraps(init)
    def remembering(self: nn.Module, *args: Any, **kwargs: Any) -> None:
        bound = signature.bind(self, *args, **kwargs)
        bound.apply_defaults()  # kept too: a run must not change when a default does
        init(self, *args, **kwargs)
        if type(self) is cls:
            arguments = {key: value for key, value in bound.arguments.items() if key in named}
            object.__setattr__(self, "_arguments", arguments)

    cls.__init__ = remembering  # type: ignore[method-assign]
    _constructors[cls.__name__] = cls
    return cls


def exchange(module: nn.Module, name: str, part: nn.Module) -> None:
    """Put another part in the place `name` of a registered module, and into what its config will say."""
    setattr(module, name, part)
    if "_arguments" in module.__dict__:
        module.__dict__["_arguments"][name] = part


def config_of(value: Any) -> Any:
    """The JSON for a registered module (recursively) or a plain value; someone's own module becomes its name."""
    if isinstance(value, nn.Module):
        if "_arguments" not in value.__dict__:
            return {"own": type(value).__name__}
        kept: dict[str, Any] = value.__dict__["_arguments"]
        arguments = {key: config_of(argument) for key, argument in kept.items()}
        return {"name": type(value).__name__, **arguments}
    if isinstance(value, (tuple, list)):
        return [config_of(item) for item in value]
    return value


def completed(config: Any) -> Any:
    """The same config with every argument that it lacks at its present default, as runs from before have them."""
    if isinstance(config, list):
        return [completed(item) for item in config]
    if not isinstance(config, dict) or config.get("name") not in _constructors:
        return config
    parameters = list(inspect.signature(_constructors[config["name"]]).parameters.values())
    defaults = {p.name: config_of(p.default) for p in parameters if p.default is not p.empty}
    return {key: completed(value) for key, value in (config | (defaults | config)).items()}


def build(config: Any, own: Mapping[str, nn.Module] | None = None, place: str = "") -> Any:
    """The module that `config_of` described; `own` holds the modules that are not ours, by argument name.

    Raises BadInput for an unknown name, for arguments that do not fit, or for someone's own module that was not given.
    """
    if isinstance(config, list):
        return tuple(build(item, own, place) for item in config)
    if not isinstance(config, dict):
        return config
    if "own" in config:
        if own and own.get(place) is not None:
            return own[place]
        raise BadInput(f"this run holds its own {place} ({config['own']}): load it with isthmus.load(run, {place}=...)")
    config = {FORMER_NAMES.get(key, key): item for key, item in config.items()}
    name = FORMER_NAMES.get(config.get("name", ""), config.get("name", ""))
    if name not in _constructors:
        load_plugins()
    if name not in _constructors:
        raise unknown("module", str(name), _constructors)
    arguments = {key: build(item, own, key) for key, item in config.items() if key != "name"}
    try:
        return _constructors[name](**arguments)
    except TypeError as error:
        raise BadInput(f"the config of this run asks for a {name} that cannot be made: {error}") from error
