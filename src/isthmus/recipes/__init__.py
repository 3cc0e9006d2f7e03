"""Recipes: registered functions, one for each type of autoencoder and each network of a job.

A recipe is a function of (shape, code, keys...) that returns an Autoencoder. Registering it adds it to the command
line, to the tables of the docs and to the contract test. Its keyword arguments are the `--set` keys of the model, and
the "key: meaning" lines of its docstring are their help; `training` holds its defaults for fit().
"""

from isthmus.plugins import load_job_recipes
from isthmus.recipes import regularized, types  # noqa: F401 -- importing registers the recipes
from isthmus.recipes.registry import RECIPES, Recipe, create, find, in_words, recipe

load_job_recipes()

__all__ = ["RECIPES", "Recipe", "create", "find", "in_words", "recipe"]
