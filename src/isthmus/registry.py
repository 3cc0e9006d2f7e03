"""Registry of module classes: write a module to a JSON config and build it again.

`@register` records the arguments a module was built with (as smp does, no config class); `config_of` turns a
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
from isthmus.plugins import load_job_recipes, load_plugins

_constructors: dict[str, type[nn.Module]] = {}
FORMER_NAMES = {  # of classes and arguments in runs of the first format
    "Blemish": "SyntheticDefect",
    "Found": "MaskedReconstruction",
    "Neighbours": "Neighbors",
    "Open": "Identity",
    "Shrink": "Downsample",
    "finds": "predicts_mask",
}
REMOVED = ("Paired",)  # modules of the first format that did nothing
M = TypeVar("M", bound=type[nn.Module])


def register(cls: M) -> M:
    """Class decorator: register the class under its own name and keep its constructor arguments."""
    init = cls.__init__
    signature = inspect.signature(init)
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)  # nn.Module's own has nothing else
    named = {p.name for p in list(signature.parameters.values())[1:] if p.kind not in variadic}

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


def replace_child(module: nn.Module, name: str, part: nn.Module) -> None:
    """Replace the submodule `name` of a registered module, also in its config."""
    setattr(module, name, part)
    if "_arguments" in module.__dict__:
        module.__dict__["_arguments"][name] = part


def config_of(value: Any) -> Any:
    """The JSON for a registered module (recursively) or a plain value; an unregistered module becomes its name."""
    if isinstance(value, nn.Module):
        if "_arguments" not in value.__dict__:
            return {"own": type(value).__name__}
        kept: dict[str, Any] = value.__dict__["_arguments"]
        arguments = {key: config_of(argument) for key, argument in kept.items()}
        return {"name": type(value).__name__, **arguments}
    if isinstance(value, (tuple, list)):
        return [config_of(item) for item in value]
    return value


def with_defaults(config: Any) -> Any:
    """The same config with every missing argument at its present default: old runs saved fewer arguments."""
    config = renamed(config)
    if isinstance(config, list):
        return [with_defaults(item) for item in config]
    if not isinstance(config, dict) or config.get("name") not in _constructors:
        return config
    parameters = list(inspect.signature(_constructors[config["name"]]).parameters.values())
    defaults = {p.name: config_of(p.default) for p in parameters if p.default is not p.empty}
    return {key: with_defaults(value) for key, value in (config | (defaults | config)).items()}


def renamed(config: Any) -> Any:
    """The config of one module with the present names; None for a module that is gone."""
    if not isinstance(config, dict) or "name" not in config:
        return config
    config = {FORMER_NAMES.get(key, key): value for key, value in config.items()}
    name = FORMER_NAMES.get(config["name"], config["name"])
    return None if name in REMOVED else {**config, "name": name}


def build(config: Any, own: Mapping[str, nn.Module] | None = None, argument: str = "") -> Any:
    """The module that `config_of` described; `own` holds the unregistered modules, by argument name.

    Raises BadInput for an unknown name, for arguments that do not fit, or for an unregistered module missing in `own`.
    """
    config = renamed(config)
    if isinstance(config, list):
        return tuple(build(item, own, argument) for item in config)
    if not isinstance(config, dict):
        return config
    if "own" in config:
        if own and own.get(argument) is not None:
            return own[argument]
        raise BadInput(
            f"the {argument} of this run is of an unregistered class ({config['own']}): "
            f"load it with isthmus.load(run, {argument}=...)"
        )
    name = config.get("name", "")
    if name not in _constructors:
        load_job_recipes()
        load_plugins()
    if name not in _constructors:
        raise unknown("module", str(name), _constructors)
    arguments = {key: build(item, own, key) for key, item in config.items() if key != "name"}
    try:
        return _constructors[name](**arguments)
    except TypeError as error:
        raise BadInput(f"the config of this run describes a {name} that cannot be built: {error}") from error
