"""A tiny model and its training."""

from __future__ import annotations

import torch
from torch import nn

from isthmus.autoencoder import Autoencoder
from isthmus.bottlenecks import Plain
from isthmus.networks import DenseDecoder, DenseEncoder
from isthmus.objectives import Gaussian

X = torch.rand(24, 1, 8, 6, generator=torch.Generator().manual_seed(0))
TRAINING = {"epochs": 1, "batch_size": 8, "device": "cpu", "quiet": True}


def tiny(**words: nn.Module) -> Autoencoder:
    torch.manual_seed(0)
    own = {"encoder": DenseEncoder((1, 8, 6), (7,)), "bottleneck": Plain((7,), (3,)), "objective": Gaussian()}
    return Autoencoder((1, 8, 6), **{**own, "decoder": DenseDecoder((3,), (1, 8, 6)), **words})
