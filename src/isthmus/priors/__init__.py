"""Priors: distributions over the codes of a trained autoencoder, from which new codes are sampled."""

from isthmus.priors.base import Prior
from isthmus.priors.draws import Draws
from isthmus.priors.flow import Flow
from isthmus.priors.mixture import Mixture
from isthmus.priors.normal import Normal
from isthmus.priors.transformer import Transformer
from isthmus.types import Shape

__all__ = ["Prior", "Draws", "Normal", "Mixture", "Flow", "Transformer", "PRIORS", "choose"]

PRIORS: dict[str, type[Prior]] = {prior.name: prior for prior in (Normal, Mixture, Flow, Transformer)}
FEW = 2000  # codes below which the network of a flow learns them by heart


def choose(discrete: bool, shape: Shape, count: int) -> str:
    """The name of the prior for `count` codes of a shape; discrete: they are symbols."""
    if discrete:
        return Transformer.name
    return Mixture.name if count < FEW and len(shape) == 1 else Flow.name
