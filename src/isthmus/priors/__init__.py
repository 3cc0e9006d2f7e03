"""Priors: distributions over the codes of a trained autoencoder, from which new codes are sampled."""

from isthmus.priors.base import Prior
from isthmus.priors.draws import Draws

__all__ = ["Prior", "Draws"]
