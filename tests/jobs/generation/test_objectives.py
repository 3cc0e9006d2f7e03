"""The auxiliary terms of sharper images: their values, and which weights their gradients reach."""

from __future__ import annotations

import math
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from isthmus import Autoencoder, create, export, fit
from isthmus.autoencoder import load_model
from isthmus.errors import BadInput
from isthmus.features import find_features
from isthmus.features.base import OwnFeatures
from isthmus.jobs.generation.objectives import Adversarial, Perceptual, norms, perceptual_distance
from isthmus.objectives import Bernoulli, Gaussian
from isthmus.training import Run
from isthmus.types import Context, Noise, Sample

random = torch.Generator().manual_seed(0)
Y = torch.randn(3, 3, 32, 32, generator=random)
TARGET = torch.rand(3, 3, 32, 32, generator=random)
NOW = Context(progress=0.9)
TRAINING: dict[str, Any] = {
    "epochs": 4,
    "batch_size": 4,
    "device": "cpu",
    "quiet": True,
    "validation": 0.0,
    "test": 0.0,
}


def test_the_distance_of_equal_features_is_0_and_of_opposite_ones_4() -> None:
    layer = torch.randn(2, 5, 3, 3, generator=random)
    assert perceptual_distance((layer,), (layer.clone(),)).tolist() == [0, 0]
    assert perceptual_distance((layer,), (-2 * layer,)).tolist() == pytest.approx([4, 4])
    half = torch.cat([layer[:1], -layer[1:]])
    assert perceptual_distance((layer, layer), (half, layer)).tolist() == pytest.approx([0, 2])


def test_the_perceptual_term_is_in_nats_of_all_values() -> None:
    images = Y.sigmoid()
    network = find_features("auto")
    distance = perceptual_distance(network(images), network(TARGET))
    compare = Perceptual(Gaussian(), weight=0.5)
    assert torch.allclose(compare.extra(Y, TARGET, NOW)["perceptual"], 0.5 * 3072 * distance, rtol=1e-5)
    assert torch.equal(compare.loss(Y, TARGET), Gaussian().loss(Y, TARGET))
    assert compare.extra(Y, images, NOW)["perceptual"].abs().max() < 1e-3


def test_the_perceptual_term_has_a_gradient_at_the_image_and_at_nothing_else() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3, 2), nn.Tanh(), nn.Conv2d(4, 6, 3, 2))
    compare, y = Perceptual(Gaussian(), network), Y.clone().requires_grad_()
    compare.extra(y, TARGET, NOW)["perceptual"].sum().backward()
    assert y.grad is not None
    assert (y.grad.flatten(2).norm(dim=2) > 0).all()
    assert all(weight.grad is None for weight in network.parameters())
    smaller = compare.extra(y.detach() - 0.01 * y.grad / y.grad.norm(), TARGET, NOW)["perceptual"]
    assert smaller.sum() < compare.extra(y, TARGET, NOW)["perceptual"].sum()


def test_gray_images_are_compared_as_color_ones() -> None:
    gray, target = Y[:, :1], TARGET[:, :1]
    ours = Perceptual(Gaussian()).extra(gray, target, NOW)["perceptual"]
    theirs = Perceptual(Gaussian()).extra(gray.expand(-1, 3, -1, -1), target.expand(-1, 3, -1, -1), NOW)["perceptual"]
    assert torch.allclose(3 * ours, theirs, rtol=1e-4)


def test_the_network_of_features_is_no_part_of_the_model() -> None:
    compare = Perceptual(Gaussian(), OwnFeatures(nn.Conv2d(3, 4, 3)))
    compare.extra(Y, TARGET, NOW)
    assert list(compare.state_dict()) == []
    assert list(compare.parameters()) == []


def test_the_discriminator_learns_to_tell_white_from_black() -> None:
    torch.manual_seed(0)
    compare = Adversarial(Gaussian(), 3, begin=0).train()
    optimizer = torch.optim.Adam(compare.discriminator.parameters(), 1e-3)
    black, white = torch.full((4, 3, 16, 16), -4.0), torch.ones(4, 3, 16, 16)
    first = compare.discriminator_loss(black, white).mean()
    for _ in range(40):
        optimizer.zero_grad()
        compare.discriminator_loss(black, white).mean().backward()
        optimizer.step()
    assert first > 1
    assert compare.discriminator_loss(black, white).mean() < 0.1
    assert compare.discriminator(white).mean() > 0.9
    assert compare.discriminator(black.sigmoid()).mean() < -0.9


def test_each_term_has_gradients_at_its_own_weights_alone() -> None:
    compare, y = Adversarial(Gaussian(), 3, weight=0.25).train(), Y.clone().requires_grad_()
    extra = compare.extra(y, TARGET, NOW)
    assert set(extra) == {"adversarial", "discriminator"}
    extra["adversarial"].sum().backward()
    assert all(weight.grad is None for weight in compare.parameters())
    assert y.grad is not None
    y.grad = None
    extra["discriminator"].sum().backward()
    learned = dict(compare.discriminator.named_parameters())
    still = [name for name, weight in learned.items() if weight.grad is None or not weight.grad.any()]
    assert still == [
        list(learned)[-1]
    ]  # of the last bias: as long as no patch is beyond the hinge, real and made cancel
    assert y.grad is None


@pytest.mark.parametrize("inner", [Gaussian(), Gaussian(0.05), Bernoulli()])
def test_the_adversarial_gradient_is_that_of_the_score_in_proportion_to_the_reconstruction(inner: Any) -> None:
    compare, y = Adversarial(inner, 3, weight=0.25).train(), Y.clone().requires_grad_()
    (ours,) = torch.autograd.grad(compare.generator_loss(y, TARGET).sum(), y)
    (rebuilt,) = torch.autograd.grad(inner.loss(y, TARGET).sum(), y)
    (score,) = torch.autograd.grad(-compare.discriminator(y.sigmoid()).flatten(1).mean(1).sum(), y)
    assert torch.allclose(norms(ours), 0.25 * norms(rebuilt), rtol=1e-4)
    assert torch.allclose(nn.functional.cosine_similarity(ours.flatten(1), score.flatten(1)), torch.ones(3), atol=1e-4)
    assert torch.allclose(
        compare.generator_loss(y, TARGET), -compare.discriminator(y.sigmoid()).flatten(1).mean(1), atol=1e-5
    )


def test_the_discriminator_begins_after_a_share_of_the_training_and_has_no_part_in_validation() -> None:
    compare, y = Adversarial(Gaussian(), 3, begin=0.5).train(), Y.clone().requires_grad_()
    early = compare.extra(y, TARGET, Context(progress=0.4))
    assert {name: term.tolist() for name, term in early.items()} == {"adversarial": [0] * 3, "discriminator": [0] * 3}
    early["discriminator"].sum().backward()
    assert all(weight.grad is not None for weight in compare.discriminator.parameters())  # zeros, for processes
    assert compare.eval().extra(y, TARGET, NOW) == {}


def test_terms_are_recorded_and_no_part_of_the_loss_that_compares_models() -> None:
    model = sharp(perceptual=0.1, adversarial=0.2).train()
    losses = model(Sample.of(TARGET), Context(Noise(0, 0, 3), 0.9))
    assert list(losses.terms) == ["reconstruction", "penalty", "perceptual", "adversarial", "discriminator"]
    own = (losses.terms["reconstruction"] + losses.terms["penalty"]).mean()
    assert losses.compared.item() == pytest.approx(own.item())
    assert losses.total.item() == pytest.approx(sum(term.mean().item() for term in losses.terms.values()))
    assert losses.stats["loss_per_value"].item() == pytest.approx(own.item() / 3072)


def sharp(**keys: Any) -> Autoencoder:
    return create("generate", shape=(3, 32, 32), channels=(8, 16), seed=1, **keys)


@pytest.fixture(scope="module")
def images() -> Tensor:
    smooth = nn.functional.interpolate(torch.rand(16, 3, 4, 4, generator=random), 32, mode="bilinear")
    return (255 * smooth).round().to(torch.uint8)


def without_time(run: Run) -> list[dict[str, Any]]:
    return [{key: value for key, value in row.items() if key != "seconds"} for row in run.history]


def test_a_run_with_both_terms_is_saved_and_resumed_to_the_bit(images: Tensor, tmp_path: Path) -> None:
    keys = {"perceptual": 0.1, "adversarial": 0.2}
    undisturbed, stopped, out = fit(sharp(**keys), images, **TRAINING), sharp(**keys), tmp_path / "run"
    done: list[int] = []

    def interrupt(training: Any) -> None:
        done.append(1)
        if len(done) == 10:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        fit(stopped, images, out=out, callbacks={"step": interrupt}, **TRAINING)
    resumed = fit(sharp(**keys), images, out=out, resume=True, **TRAINING)
    assert without_time(resumed) == without_time(undisturbed)
    assert resumed.history[-1]["perceptual"] > 0
    assert resumed.history[0]["discriminator"] == 0
    assert resumed.history[-1]["discriminator"] > 0
    weights = undisturbed.model.state_dict()
    assert [name for name, weight in resumed.model.state_dict().items() if not torch.equal(weight, weights[name])] == []
    loaded = load_model(out)
    assert torch.equal(loaded.reconstruct(images), undisturbed.model.reconstruct(images))
    assert not any("found" in name or "source" in name for name in weights)


def test_the_terms_change_neither_the_initialization_nor_the_decoder(images: Tensor) -> None:
    plain, both = sharp(), sharp(perceptual=0.1, adversarial=0.2)
    assert torch.equal(plain.reconstruct(images), both.reconstruct(images))
    others = [name for name in both.state_dict() if not name.startswith("objective.discriminator.")]
    assert [name.replace("objective.inner.inner.", "objective.") for name in others] == list(plain.state_dict())


@pytest.mark.parametrize("keys", [{"perceptual": 0.1}, {"adversarial": 0.1}])
def test_the_last_weights_are_kept_not_those_of_the_lowest_validation_error(keys: dict[str, float]) -> None:
    assert sharp(**keys).about["training"]["validation"] == 0
    assert "validation" not in sharp().about["training"]


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"features": "nowhere.onnx"}, "features=nowhere.onnx: has no effect with perceptual=0"),
        ({"perceptual": 1.0, "features": "vgg"}, "unknown source of features 'vgg'"),
        ({"perceptual": -1.0}, "perceptual is -1.0: 0 or more is accepted"),
        ({"adversarial": -1.0}, "adversarial is -1.0: 0 or more is accepted"),
    ],
)
def test_wrong_weights_and_sources_are_refused_in_one_line(keys: dict[str, Any], says: str) -> None:
    with pytest.raises(BadInput, match=says) as error:
        sharp(**keys)
    assert "\n" not in str(error.value)


def test_an_exported_decoder_holds_no_discriminator(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxscript")
    count = {}
    for name, model in (("plain", sharp()), ("both", sharp(perceptual=0.1, adversarial=0.2))):
        file = export(model, tmp_path / f"{name}.onnx", part="decoder")
        count[name] = sum(math.prod(weights.dims) for weights in onnx.load(file).graph.initializer)
    assert count["plain"] == count["both"]
