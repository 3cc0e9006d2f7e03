"""Small models of every recipe, and their ONNX files."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from isthmus import create
from isthmus.autoencoder import Autoencoder
from isthmus.recipes import RECIPES

onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")
pytest.importorskip("onnxscript", reason="the extra onnx is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
module = importlib.import_module("isthmus.verbs.export")
export: Callable[..., Path] = module.export
PARTS = (None, "encoder", "decoder")
SMALL = {"code": 4, "widths": (8,), "channels": (4,), "blocks": 0, "codes": 16, "dim": 3, "k": 2, "levels": (5, 4, 3)}


def new(recipe: str, shape: tuple[int, ...], **keys: Any) -> Autoencoder:
    """A tiny model of which no weight is zero or one, for the exporter leaves such out."""
    known = RECIPES[recipe].keys
    small = {key: value for key, value in SMALL.items() if key in known and known[key][0] != ()}
    small = {key: value for key, value in small.items() if uses(recipe, key, keys)}
    if recipe == "quantized":
        small["code"] = "x".join(str(-(-side // 2)) for side in shape[1:])
    model = create(recipe, shape=shape, **small | keys)
    random = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.1 * torch.randn(weight.shape, generator=random))
    return model


def uses(recipe: str, key: str, keys: dict[str, Any]) -> bool:
    """Whether a key has an effect beside these; items are so small that net=auto is dense."""
    found = RECIPES[recipe]
    if key == "code":
        return found.cut is None
    if recipe == "detect" and key == "k":  # which counts neighbors for the score knn alone
        return False
    return found.has_effect(key, {"net": "dense"} | keys)


def session_of(path: Path) -> Any:
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def run(session: Any, given: Tensor, mask: Tensor | None = None) -> dict[str, Tensor]:
    """mask: where the file takes one; none is no hole."""
    names = [value.name for value in session.get_outputs()]
    inputs = [value.name for value in session.get_inputs()]
    mask = torch.zeros_like(given[:, :1]) if mask is None else mask
    found = session.run(names, {name: (mask if name == "mask" else given).numpy() for name in inputs})
    return {name: torch.from_numpy(value) for name, value in zip(names, found, strict=True)}


def items(count: int, shape: tuple[int, ...], seed: int = 5) -> Tensor:
    return torch.rand(count, *shape, generator=torch.Generator().manual_seed(seed))


def assert_close(found: Tensor, expected: Tensor) -> None:
    assert found.dtype == expected.dtype
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)
