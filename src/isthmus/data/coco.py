"""Deprecated name of isthmus.media.coco."""

from isthmus.renamed import former

__getattr__ = former(__name__, "isthmus.media.coco")
