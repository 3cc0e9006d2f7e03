"""recipes: the registered recipes and their keys as rows, for the command line and the documentation."""

from __future__ import annotations

from typing import Any

from isthmus.plugins import load_plugins
from isthmus.recipes import RECIPES, find
from isthmus.recipes.registry import ALIASES
from isthmus.training import TRAINING, settle


def list_recipes() -> list[dict[str, Any]]:
    """One row per recipe: name, alias, accepted data, summary."""
    load_plugins()
    other = {target: alias for alias, target in ALIASES.items()}
    return [
        {
            "recipe": name,
            "alias": other.get(name, ""),
            "takes": ", ".join(recipe.inputs),
            "what it is": recipe.summary,
        }
        for name, recipe in RECIPES.items()
    ]


def list_keys(name: str) -> list[dict[str, Any]]:
    """One row per key of a recipe and of its training: default and meaning. Raises BadInput for an unknown name."""
    recipe = find(name)
    keys = [(key, default, meaning) for key, (default, meaning) in recipe.keys.items()]
    training = settle(recipe.training, {})
    keys += [(key, training[key], meaning) for key, (_, meaning) in TRAINING.items()]
    return [{"key": key, "default": as_text(default), "meaning": meaning} for key, default, meaning in keys]


def as_text(value: Any) -> str:
    """A default as typed on the command line."""
    if isinstance(value, (tuple, list)):
        return ",".join(map(str, value))
    return "none" if value is None else str(value)
