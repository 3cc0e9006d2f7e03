"""Plugins: recipes (with their modules) and jobs that other packages register through entry points.

In the package's pyproject.toml:

    [project.entry-points."isthmus.recipes"]
    mine = "my_package.recipes"

    [project.entry-points."isthmus.jobs"]
    mine = "my_package.job:Mine"

An entry of isthmus.recipes names a module whose import registers recipes (isthmus.recipes.recipe) and modules
(isthmus.registry.register); one of isthmus.jobs names a class (isthmus.jobs.base.Job). The built-in jobs register the
modules of their recipes here as well, so recipes/ imports no job.
"""

from __future__ import annotations

import warnings
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from isthmus.errors import Note

_loaded: list[bool] = []
_job_recipes: list[str] = []


def add_job_recipes(module: str) -> None:
    """Register the module of a built-in job whose import registers recipes; it is imported with isthmus.recipes."""
    _job_recipes.append(module)


def load_job_recipes() -> None:
    """Import the recipes of the built-in jobs, once they are registered."""
    import_module("isthmus.jobs").built_in()  # by name, because modules of lower rows call this
    for module in _job_recipes:
        import_module(module)


def load_plugins() -> None:
    """Import the recipes of other packages, once; called when a name is unknown, or all names are listed."""
    if _loaded:
        return
    _loaded.append(True)  # first, because a plugin may look for a recipe while it is imported
    load_entry_points("isthmus.recipes")


@cache
def load_entry_points(group: str) -> tuple[Any, ...]:
    """The objects that the entry points of a group name, imported once; a Note names each that cannot be imported."""
    objects = []
    for entry in entry_points(group=group):
        try:
            objects.append(entry.load())
        except Exception as error:  # any exception of another package's module
            package = entry.dist.name if entry.dist is not None else entry.value
            reason = (str(error).splitlines() or [""])[0]
            kind = group.removeprefix("isthmus.")
            text = f"{package}: its {kind} ({entry.value}) cannot be loaded: {type(error).__name__}: {reason}"
            warnings.warn(text, Note, stacklevel=4)
    return tuple(objects)
