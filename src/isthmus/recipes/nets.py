"""Former name of isthmus.recipes.builders."""

from isthmus.renamed import former

__getattr__ = former(__name__, "isthmus.recipes.builders")
