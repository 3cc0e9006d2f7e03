"""Deprecated name of isthmus.media.image_reader."""

from isthmus.renamed import former

__getattr__ = former(__name__, "isthmus.media.image_reader")
