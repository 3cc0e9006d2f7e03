"""Recipes, and the modules they are made of, that other packages bring: entry points of the group isthmus.recipes.

In the package's pyproject.toml:

    [project.entry-points."isthmus.recipes"]
    mine = "my_package.recipes"

The entry names a module whose import registers recipes (isthmus.recipes.recipe) and modules
(isthmus.registry.register).
"""

from __future__ import annotations

import warnings
from importlib.metadata import entry_points

from isthmus.errors import Note

GROUP = "isthmus.recipes"
_loaded: list[bool] = []


def load_plugins() -> None:
    """Import what other packages bring, once; called when a name is not known, or all are listed.

    A package that cannot be imported is named in a Note, and the others are there all the same.
    """
    if _loaded:
        return
    _loaded.append(True)  # first, because a plugin may look for a recipe while it is imported
    for entry in entry_points(group=GROUP):
        try:
            entry.load()
        except Exception as error:  # whatever somebody else's module does
            package = entry.dist.name if entry.dist is not None else entry.value
            reason = (str(error).splitlines() or [""])[0]
            told = f"{package}: its recipes ({entry.value}) cannot be loaded: {type(error).__name__}: {reason}"
            warnings.warn(told, Note, stacklevel=3)
