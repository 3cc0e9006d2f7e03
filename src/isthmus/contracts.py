"""Former name of isthmus.types."""

from isthmus.renamed import former

__getattr__ = former(__name__, "isthmus.types")
