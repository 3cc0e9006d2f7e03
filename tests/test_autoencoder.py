"""Autoencoders of unregistered modules, and the arrays that a model takes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from helpers.tiny_models import TRAINING, X, tiny
from torch import Tensor, nn

from isthmus import create, fit, load
from isthmus.autoencoder import Autoencoder
from isthmus.bottlenecks import Plain
from isthmus.errors import BadInput
from isthmus.types import Code

pytestmark = pytest.mark.usefixtures("one_thread")


class OwnEncoder(nn.Module):
    def __init__(self, width: int = 7) -> None:
        super().__init__()
        self.layer = nn.Linear(48, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x.flatten(1)).tanh()


class OwnBottleneck(nn.Module):
    def forward(self, h: Tensor) -> Tensor:
        return h[:, :3]


class OwnPricedBottleneck(nn.Module):
    def forward(self, h: Tensor) -> Code:
        return Code(h, h.square().sum(1), {"size": h.detach().abs().mean()})


class OwnDecoder(nn.Module):
    def __init__(self, width: int = 3) -> None:
        super().__init__()
        self.layer = nn.Linear(width, 48)

    def forward(self, z: Tensor) -> Tensor:
        return self.layer(z).view(-1, 1, 8, 6)


class Down(nn.Module):
    """The first half of a tiny U-Net: the picture itself goes across."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(1, 4, 4, stride=2, padding=1)

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        return self.layer(x).relu(), [x]


class Up(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.up, self.last = nn.ConvTranspose2d(2, 4, 4, stride=2, padding=1), nn.Conv2d(5, 1, 3, padding=1)

    def forward(self, z: Tensor, skips: list[Tensor]) -> Tensor:
        return self.last(torch.cat([self.up(z), skips[0]], 1))


@pytest.mark.parametrize(
    "words",
    [
        {"encoder": OwnEncoder()},
        {"bottleneck": OwnBottleneck()},
        {"decoder": OwnDecoder()},
        {"encoder": OwnEncoder(), "bottleneck": OwnBottleneck(), "decoder": OwnDecoder()},
        {"encoder": OwnEncoder(3), "bottleneck": OwnPricedBottleneck(), "decoder": OwnDecoder()},
    ],
    ids=lambda words: "-".join(words),
)
def test_own_modules_train_save_and_load(words: dict[str, nn.Module], tmp_path: Path) -> None:
    model = tiny(**words)
    before = model.reconstruct(X)
    run = fit(model, X, out=tmp_path / "run", **TRAINING)
    assert not torch.equal(model.reconstruct(X), before)
    assert model.code_shape == (3,)
    assert torch.equal(model.decode(model.encode(X)), model.reconstruct(X))

    place = next(iter(words))
    with pytest.raises(BadInput, match=rf"load it with isthmus.load\(run, {place}=...\)") as error:
        load(tmp_path / "run")
    assert "\n" not in str(error.value)
    fresh = {
        place: type(word)() if place != "encoder" else OwnEncoder(word.layer.out_features)
        for place, word in words.items()
    }
    loaded = load(tmp_path / "run", **fresh)
    assert torch.equal(loaded.reconstruct(X), run.model.reconstruct(X))
    assert ("size" in run.history[0]) == isinstance(model.bottleneck, OwnPricedBottleneck)


def test_own_modules_resume(tmp_path: Path) -> None:
    def new() -> Autoencoder:
        torch.manual_seed(3)
        return tiny(encoder=OwnEncoder())

    fit(new(), X, out=tmp_path / "run", **TRAINING)
    whole = fit(new(), X, **TRAINING | {"epochs": 2})
    longer = fit(new(), X, out=tmp_path / "run", resume=True, **TRAINING | {"epochs": 2})
    assert torch.equal(longer.model.reconstruct(X), whole.model.reconstruct(X))


def test_an_own_module_of_another_size_is_refused(tmp_path: Path) -> None:
    fit(tiny(encoder=OwnEncoder()), X, out=tmp_path / "run", **TRAINING)
    with pytest.raises(BadInput, match=r"encoder\.layer\.weight is \(7, 48\), but .* \(9, 48\)"):
        load(tmp_path / "run", encoder=OwnEncoder(9))


def test_a_net_with_skips_trains_saves_and_loads(tmp_path: Path) -> None:
    def unet() -> dict[str, nn.Module]:
        return {"encoder": Down(), "bottleneck": Plain((4, 4, 3), (2, 4, 3)), "decoder": Up()}

    model = tiny(**unet())
    fit(model, X, out=tmp_path / "run", **{**TRAINING, "epochs": 3})
    assert model.reconstruct(X).shape == X.shape
    assert model.encode(X).shape == (24, 2, 4, 3)
    own = unet()
    loaded = load(tmp_path / "run", encoder=own["encoder"], decoder=own["decoder"])
    assert torch.equal(loaded.reconstruct(X), model.reconstruct(X))


def test_decoding_alone_where_the_decoder_needs_skips_is_refused_in_one_line() -> None:
    model = tiny(encoder=Down(), bottleneck=Plain((4, 4, 3), (2, 4, 3)), decoder=Up())
    with pytest.raises(BadInput):
        model.decode(model.encode(X))


def test_arrays_of_every_make_are_taken() -> None:
    model = tiny()
    expected = model.reconstruct(X)
    as_bytes = (X * 255).round().to(torch.uint8)
    assert torch.equal(model.reconstruct(X.numpy()), expected)
    assert torch.equal(model.reconstruct(X.double().numpy()), expected)
    assert torch.equal(model.reconstruct(X.flatten(1)), expected)
    assert torch.equal(model.reconstruct(X[:1].flatten()), model.reconstruct(X[:1]))
    assert torch.equal(model.reconstruct(X[:, 0]), expected)
    assert torch.allclose(model.reconstruct(X[3]), expected[3:4], atol=1e-6)
    assert torch.equal(model.reconstruct(as_bytes), model.reconstruct(as_bytes.float() / 255))
    assert model.reconstruct(X[:0]).shape[0] == 0


def test_integers_are_scaled_by_the_range_of_the_training_data() -> None:
    data = (X * 16).round().to(torch.uint8).numpy()
    data.flat[0] = 16
    model = tiny()
    run = fit(model, data, **TRAINING)
    low, high = run.data.range
    assert torch.equal(model.reconstruct(data), model.reconstruct(torch.from_numpy((data - low) / (high - low))))


@pytest.mark.parametrize("shape", [(2, 1, 9, 6), (2, 3, 8, 6), (2, 47), (1, 2, 1, 8, 6)])
def test_items_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(BadInput, match="takes 1×8×6"):
        tiny().encode(torch.zeros(shape))


@pytest.mark.parametrize("shape", [(2, 4), (3,), (2, 3, 1)])
def test_codes_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(BadInput, match="N×3 is accepted"):
        tiny().decode(torch.zeros(shape))


def test_a_convolutional_model_with_a_grid_takes_pictures_of_any_size() -> None:
    model = create("conv", shape=(1, 8, 8), code="2x4x4", channels=(8,))
    for height, width in ((8, 8), (13, 7), (1, 1), (20, 31)):
        x = torch.rand(2, 1, height, width)
        rebuilt = model.reconstruct(x)
        assert rebuilt.shape == x.shape
        assert torch.equal(model.decode(model.encode(x), size=(1, height, width)), rebuilt)


def test_a_convolutional_model_with_a_row_of_numbers_takes_its_own_size_only() -> None:
    model = create("conv", shape=(1, 8, 8), code=5, channels=(8,))
    with pytest.raises(BadInput, match="takes 1×8×8"):
        model.reconstruct(torch.rand(2, 1, 16, 16))


def test_large_batches_equal_small_batches() -> None:
    model, x = tiny(), torch.rand(600, 1, 8, 6)
    assert torch.allclose(model.reconstruct(x)[500:], model.reconstruct(x[500:]), atol=1e-6)


def test_samples_follow_from_their_seed() -> None:
    model = tiny()
    assert model.sample(5).shape == (5, 1, 8, 6)
    assert torch.equal(model.sample(5, seed=1), model.sample(5, seed=1))
    assert not torch.equal(model.sample(5, seed=1), model.sample(5, seed=2))


def test_only_a_discrete_code_has_symbols() -> None:
    model = create("quantized", shape=(1, 8, 8), codes=8, dim=3, channels=(8, 8))
    symbols = model.symbols(torch.rand(3, 1, 8, 8))
    assert symbols is not None
    assert symbols.shape == (3, 2, 2)
    assert tiny().symbols(X) is None


def test_the_code_of_a_quantised_model_is_made_of_its_vectors_to_the_bit() -> None:
    for keys in ({"quantizer": "vq", "codes": 8, "dim": 3}, {"quantizer": "fsq"}):
        model = create("quantized", shape=(1, 8, 8), channels=(8, 8), **keys)
        x = torch.rand(3, 1, 8, 8)
        assert torch.equal(model.encode(x), model.bottleneck.vectors(model.symbols(x)))
