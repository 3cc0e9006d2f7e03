"""Declared capabilities of models, in model.spec."""

import re
from pathlib import Path

import torch
from torch import nn

from isthmus import create
from isthmus.autoencoder import Autoencoder
from isthmus.bottlenecks import Plain
from isthmus.objectives import objective


def test_the_types_declare_their_capabilities() -> None:
    variational = create("variational", shape=(1, 8, 8), code=4).spec
    assert (variational.prior, variational.likelihood, variational.discrete) == ("normal", True, False)
    quantized = create("quantized", shape=(1, 8, 8), codes=8, dim=2, channels=(4, 8)).spec
    assert (quantized.discrete, quantized.discontinuous, quantized.prior) == (True, True, None)
    topk = create("sparse", shape=(1, 8, 8), code=16, kind="topk", k=3, net="dense").spec
    assert (topk.discontinuous, topk.active_above) == (True, 0.0)
    inpaint = create("inpaint", shape=(3, 32, 32), channels=(8, 12)).spec
    assert (inpaint.mask_channels, inpaint.any_size, inpaint.compresses) == (1, True, False)
    assert inpaint.reach is not None
    upscale = create("upscale", shape=(1, 48, 48), scale=3, width=8, blocks=1).spec
    assert (upscale.scale, upscale.clean_target) == (3, True)


def test_modules_of_ones_own_have_the_defaults() -> None:
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(16, 8))
    decoder = nn.Sequential(nn.Linear(4, 16), nn.Unflatten(1, (1, 4, 4)))
    model = Autoencoder((1, 4, 4), encoder, Plain((8,), (4,)), decoder, objective("mse", "identity"))
    assert (model.spec.reach, model.spec.stride, model.spec.scale, model.spec.code_shape) == (None, 1, 1, (4,))
    assert model.reconstruct(torch.zeros(2, 1, 4, 4), unit=True).shape == (2, 1, 4, 4)


def test_nothing_else_probes_for_a_capability() -> None:
    names = "any_size|discrete|predicts_mask|active_above|likelihood|reach|stride|compresses|prior|extra|scale|clean"
    probe = re.compile(rf'getattr\([^"\n]*"({names})"')
    source = Path(__file__).parents[1] / "src" / "isthmus"
    found = [path.name for path in source.rglob("*.py") if probe.search(path.read_text(encoding="utf-8"))]
    assert found == []
