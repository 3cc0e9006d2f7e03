"""The catalogue: each known type (later: job) as one short named sentence. A recipe is data, not a class.

A recipe is a function of (shape, code, keys...) that returns an Autoencoder. Registering it puts it into the command
line, the docs' table and the contract test. Its keyword defaults are the model's `--set` keys; the lines of its
docstring after the first say what they mean; `training` are its defaults for fit().
"""

from isthmus.recipes import anomaly, regularized, restoration, types  # noqa: F401 -- importing it fills the catalogue
from isthmus.recipes.registry import RECIPES, Recipe, create, find, recipe

__all__ = ["RECIPES", "Recipe", "create", "find", "recipe"]
