"""Bottlenecks, one file per type: bottleneck(h, ctx) -> Code(z, penalty, stats, symbols)."""

from isthmus.bottlenecks.base import Bottleneck
from isthmus.bottlenecks.contractive import Contractive
from isthmus.bottlenecks.noisy import Noisy
from isthmus.bottlenecks.plain import Identity, Plain
from isthmus.bottlenecks.quantized import FSQ, VQ
from isthmus.bottlenecks.sparse import L1, RateKL, TopK
from isthmus.bottlenecks.variational import Variational
from isthmus.renamed import former

__all__ = [
    "Bottleneck",
    "Plain",
    "Identity",
    "Noisy",
    "L1",
    "RateKL",
    "TopK",
    "Contractive",
    "Variational",
    "VQ",
    "FSQ",
]
__getattr__ = former(__name__, __name__, {"Open": "Identity"})
