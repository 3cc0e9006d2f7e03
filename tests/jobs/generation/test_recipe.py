"""The recipe generate: its kinds by shape, its codes, images of any size, and refusals in one line."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from isthmus import Autoencoder, create, fit
from isthmus.autoencoder import load_model
from isthmus.bottlenecks import VQ, Plain, Variational
from isthmus.errors import BadInput
from isthmus.types import Context, Sample

QUICK: dict[str, Any] = {"epochs": 1, "batch_size": 8, "device": "cpu", "quiet": True, "validation": 0.0}


@pytest.mark.parametrize(
    ("shape", "keys", "kind", "code"),
    [
        ((1, 28, 28), {}, Plain, (16,)),
        ((1, 28, 28), {"code": "7x7"}, VQ, (16, 7, 7)),
        ((1, 28, 28), {"code": "4x7x7"}, Variational, (4, 7, 7)),
        ((3, 64, 64), {"kind": "plain"}, Plain, (64,)),
        ((3, 28, 28), {}, Variational, (4, 7, 7)),
        ((1, 64, 64), {}, Variational, (4, 16, 16)),
        ((3, 64, 64), {}, Variational, (4, 16, 16)),
        ((3, 60, 52), {"factor": 8}, Variational, (4, 8, 7)),
        ((3, 64, 64), {"factor": 8, "code": 6}, Variational, (6, 8, 8)),
        ((3, 64, 64), {"code": "8x8"}, Variational, (4, 8, 8)),
        ((3, 64, 64), {"code": "2x32x32"}, Variational, (2, 32, 32)),
        ((3, 64, 64), {"kind": "quantized", "factor": 8}, VQ, (16, 8, 8)),
        ((3, 64, 64), {"kind": "variational"}, Variational, (64,)),
        ((1, 28, 28), {"kind": "kl"}, Variational, (4, 7, 7)),
    ],
)
def test_the_kind_and_the_code_follow_from_the_shape(
    shape: tuple[int, ...], keys: dict[str, Any], kind: type, code: tuple[int, ...]
) -> None:
    model = create("generate", shape=shape, **keys)
    assert type(model.bottleneck) is kind
    assert model.code_shape == code
    assert model.about["job"] == "generation"


@pytest.mark.parametrize("shape", [(3, 64, 64), (3, 60, 52)])
def test_a_kl_autoencoder_trains_on_images_of_any_size(shape: tuple[int, ...], tmp_path: Any) -> None:
    x = torch.rand(16, *shape, generator=torch.Generator().manual_seed(0))
    model = create("generate", shape=shape, channels=(8, 16))
    before = error(model, x)
    run = fit(model, x, out=tmp_path / "run", **QUICK | {"epochs": 8})
    assert error(run.model, x) < before
    assert run.history[-1]["kl_nats"] > 0
    loaded = load_model(tmp_path / "run")
    assert torch.equal(loaded.decode(loaded.encode(x)), run.model.reconstruct(x))


def error(model: Autoencoder, x: torch.Tensor) -> float:
    return float((model.reconstruct(x, unit=True) - x).square().mean())


def test_the_pull_of_a_kl_autoencoder_is_weak() -> None:
    model = create("generate", shape=(3, 64, 64), channels=(8, 16)).eval()
    x = torch.rand(2, 3, 64, 64)
    _, code = model.predict(Sample.of(x), Context())
    assert torch.allclose(code.penalty, 1e-6 * code.stats["kl_nats"], rtol=1e-3)


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"kind": "gan"}, "unknown kind of autoencoder 'gan'"),
        ({"kind": "quantised"}, "did you mean 'quantized'"),
        ({"prior": "flows"}, "unknown prior 'flows': did you mean 'flow'"),
        ({"prior": "transformer"}, "prior=transformer: kind=kl takes normal, mixture, flow"),
        ({"prior": "flow", "kind": "quantized"}, "prior=flow: kind=quantized takes transformer"),
        ({"factor": 3}, "factor=3: 2, 4, 8, 16 are accepted"),
        ({"factor": 8, "code": "4x8x8"}, "factor=8 and code=4x8x8: give only one of them"),
        ({"kind": "variational", "factor": 8}, "has no effect with kind=variational, only with kind=kl, quantized"),
        ({"codes": 64}, "codes=64: has no effect with kind=kl, only with kind=quantized"),
        ({"code": "4x9x9"}, "code 4x9x9"),
    ],
)
def test_wrong_names_and_keys_without_effect_are_refused_in_one_line(keys: dict[str, Any], says: str) -> None:
    with pytest.raises(BadInput, match=says) as error:
        create("generate", shape=(3, 64, 64), **keys)
    assert "\n" not in str(error.value)
