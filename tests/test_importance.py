"""The importance-weighted bound: several codes of an item, joined to one loss."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from isthmus import Autoencoder, create, evaluate, fit, load
from isthmus.bottlenecks import Variational
from isthmus.errors import BadInput
from isthmus.types import Context, Losses, Noise, Sample

X = (torch.rand(6, 1, 8, 8, generator=torch.Generator().manual_seed(0)) < 0.3).float()


def model_of(samples: int, **keys: Any) -> Autoencoder:
    """The same weights for any number of samples, with a posterior that is far from the true one."""
    shared = {"code": 4, "widths": (20,), "loss": "bce", "beta_warmup": 0.0}
    return create("variational", shape=(1, 8, 8), samples=samples, **shared | keys).eval()


def losses(model: Autoencoder, rows: slice | None = None, step: int = 0) -> Losses:
    x = X if rows is None else X[rows]
    with torch.no_grad():
        return model(Sample.of(x), Context(Noise(0, step, len(X), rows)))


def bound(samples: int) -> Tensor:
    """The mean bound of each item over many steps."""
    model = model_of(samples)
    every = [losses(model, step=step).terms for step in range(400)]
    return torch.stack([terms["reconstruction"] + terms["penalty"] for terms in every]).mean(0)


def test_more_samples_lower_the_negative_bound_of_every_item() -> None:
    one, five, fifty = bound(1), bound(5), bound(50)
    assert (five < one - 0.05).all()
    assert (fifty < five).all()


def test_a_drawn_code_has_the_kl_divergence_as_its_expected_penalty() -> None:
    h = torch.randn(3, 10, generator=torch.Generator().manual_seed(1))
    bottleneck = Variational((10,), (5,))
    drawn = bottleneck(h, Context(Noise(0, 0, 3), draws=40_000))
    assert drawn.z.shape == (120_000, 5)
    assert torch.allclose(drawn.penalty.view(3, -1).mean(1), bottleneck(h, Context()).penalty, rtol=0.02)


def test_the_bound_is_the_log_of_the_mean_weight() -> None:
    bottleneck = Variational((10,), (5,), samples=3)
    loss = torch.tensor([[1.0, 2.0, 4.0], [300.0, 200.0, 250.0]])
    assert torch.allclose(bottleneck.join(loss)[0], -loss[0].neg().exp().mean().log())
    assert torch.allclose(bottleneck.join(loss)[1], 200.0 + torch.tensor(3.0).log())


def test_one_code_of_an_item_is_the_elbo_to_the_bit() -> None:
    model = model_of(1)
    with torch.no_grad():
        y, code = model.predict(Sample.of(X), Context(Noise(0, 0, len(X))))
    terms = losses(model).terms
    assert torch.equal(terms["penalty"], code.stats["kl_nats"])
    assert torch.equal(terms["reconstruction"], model.objective.loss(y, X))


def test_parts_of_a_batch_have_the_losses_of_the_batch() -> None:
    model = model_of(5)
    whole = losses(model).terms
    parts = [losses(model, slice(first, first + 2)).terms for first in (0, 2, 4)]
    for name in whole:
        assert torch.allclose(whole[name], torch.cat([part[name] for part in parts]), atol=1e-4)


@pytest.mark.parametrize("net", ["dense", "conv"])
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_it_trains_in_micro_batches_and_is_the_same_when_loaded(
    net: str, precision: str, digits: np.ndarray, tmp_path: Any
) -> None:
    widths = {"widths": (20,)} if net == "dense" else {}
    model = create("variational", shape=(1, 8, 8), code=4, samples=3, net=net, loss="bce", augment="binarize", **widths)
    run = fit(model, digits, out=tmp_path / "run", epochs=3, micro_batch=7, precision=precision, quiet=True)
    assert run.history[-1]["validation_loss"] < run.history[0]["validation_loss"]
    assert all(weight.isfinite().all() for weight in model.parameters())
    loaded = load(tmp_path / "run")
    assert loaded.bottleneck.samples == 3
    assert torch.equal(loaded.encode(digits), model.encode(digits))


def test_codes_and_reconstructions_are_those_of_the_mean() -> None:
    assert torch.equal(model_of(5).reconstruct(X), model_of(1).reconstruct(X))
    assert torch.equal(model_of(5).encode(X), model_of(1).encode(X))


def test_elbo_nats_is_the_elbo_of_a_model_of_any_samples() -> None:
    five, one = (evaluate(model_of(samples), X.numpy(), split="all") for samples in (5, 1))
    assert five["elbo_nats"] == one["elbo_nats"]
    assert five["nll_nats"] == one["nll_nats"]


def test_a_run_saved_before_there_were_samples_draws_one(digits: np.ndarray, tmp_path: Any) -> None:
    import json

    run = fit(model_of(1), digits, out=tmp_path / "run", epochs=1, quiet=True)
    path = tmp_path / "run" / "config.json"
    config = json.loads(path.read_text())
    text = json.dumps(config).replace(', "samples": 1}', "}", 1)
    assert text != json.dumps(config)
    path.write_text(text)
    assert load(tmp_path / "run").bottleneck.samples == 1
    assert torch.equal(load(tmp_path / "run").encode(digits), run.model.encode(digits))


def test_several_samples_are_refused_with_a_beta() -> None:
    with pytest.raises(BadInput, match="samples=5: a bound of log p"):
        model_of(5, beta=4.0)
    with pytest.raises(BadInput, match="samples is 0"):
        model_of(0)
