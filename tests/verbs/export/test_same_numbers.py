"""Every recipe as an ONNX file gives the numbers of its model in onnxruntime."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.onnx_models import assert_close, export, items, new, onnx, run, session_of
from torch import Tensor

import isthmus
from isthmus.autoencoder import Autoencoder
from isthmus.errors import BadInput
from isthmus.recipes import RECIPES

pytestmark = pytest.mark.usefixtures("one_thread", "quick")
SHAPES = {"gray": (1, 7, 9), "color": (3, 6, 5), "table": (11,)}
VARIANTS: list[tuple[str, str, dict[str, Any]]] = [
    ("deep", "table", {"loss": "categorical"}),
    ("conv", "gray", {"code": "2x4x5", "down": "pool", "up": "transpose"}),
    ("sparse", "gray", {}),
    ("sparse", "table", {"kind": "topk"}),
    ("sparse", "gray", {"kind": "kl", "net": "conv", "code": "3x4x5"}),
    ("contractive", "table", {}),
    ("contractive", "gray", {"widths": (6,)}),
    ("variational", "color", {"net": "conv", "loss": "bce"}),
    ("quantized", "gray", {"blocks": 1}),
    ("quantized", "color", {"quantizer": "fsq"}),
    ("quantized", "color", {"code": "5"}),
]


@dataclass
class Case:
    recipe: str
    kind: str
    keys: dict[str, Any]
    folder: Path = Path()
    files: dict[str | None, Path] = field(default_factory=dict)

    @functools.cached_property
    def model(self) -> Autoencoder:
        return new(self.recipe, SHAPES[self.kind], **self.keys)

    def session(self, part: str | None) -> Any:
        if part not in self.files:
            self.files[part] = export(self.model, self.folder / f"{part}.onnx", part)
        return session_of(self.files[part])

    @property
    def open(self) -> bool:
        """Whether the code is a grid, and not a row; but a place has a rate of its own where its activity is priced."""
        return len(self.model.code_shape) == 3 and self.keys.get("kind") != "kl"

    @property
    def main(self) -> str:
        """The first output."""
        return "reconstruction" if self.model.spec.outputs is None else "probabilities"

    @property
    def discrete(self) -> bool:
        return self.recipe == "quantized"

    def batches(self) -> list[Tensor]:
        shape = SHAPES[self.kind]
        own = [items(1, shape), items(5, shape)]
        sides = [(8, 12), (5, 6), (1, 1), (2, 17)] if self.open else []
        return own + [items(2, (shape[0], *side)) for side in sides]


CASES = [Case(*variant) for variant in VARIANTS]
CASES += [Case(name, "gray", {}) for name in RECIPES if name not in {case.recipe for case in CASES}]


def label(case: Case) -> str:
    return "-".join([case.recipe, case.kind, *(f"{key}={value}" for key, value in case.keys.items())])


@pytest.fixture(scope="module", params=CASES, ids=label)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    case: Case = request.param
    case.folder = tmp_path_factory.mktemp("onnx")
    return case


@pytest.mark.filterwarnings("ignore:a code of")
def test_a_whole_model_gives_the_same_numbers_in_onnxruntime(case: Case) -> None:
    session = case.session(None)
    for x in case.batches():
        made = run(session, x)
        assert list(made) == [case.main, "code"] + ["mask"] * case.model.predicts_mask
        assert_close(made[case.main], case.model.reconstruct(x))
        assert_close(made["code"], case.model.encode(x))


@pytest.mark.filterwarnings("ignore:a code of")
def test_a_mask_goes_in_where_holes_are_filled_and_comes_out_where_marks_are_found(case: Case) -> None:
    model, x = case.model, items(2, SHAPES[case.kind])
    if model.predicts_mask:
        assert_close(run(case.session(None), x)["mask"], model.restore(x)[:, -1:])
    elif model.corruption is not None and model.corruption.extra:
        mask = (items(2, (1, *x.shape[2:]), seed=6) < 0.3).float()
        made = run(case.session(None), x, mask)["reconstruction"]
        assert_close(made, model.restore(x, mask=mask))
        assert float((made - model.reconstruct(x)).abs().max()) > 1e-3


def test_an_encoder_alone_gives_the_same_codes_and_symbols(case: Case) -> None:
    session = case.session("encoder")
    for x in case.batches():
        made = run(session, x)
        assert list(made) == (["code", "indices"] if case.discrete else ["code"])
        assert_close(made["code"], case.model.encode(x))
        if case.discrete:
            symbols = case.model.symbols(x)
            assert symbols is not None
            assert made["indices"].dtype == torch.int64
            assert torch.equal(made["indices"], symbols)


def test_a_decoder_alone_gives_the_same_pictures(case: Case) -> None:
    if case.model.has_skips:
        with pytest.raises(BadInput, match="also takes skips from the encoder"):
            case.session("decoder")
        return
    session = case.session("decoder")
    for x in case.batches():
        z = case.model.encode(x)
        expected = case.model.decode(z, None if z.shape[1:] == case.model.code_shape else whole_cells(case.model, z))
        made = run(session, z)
        assert list(made) == ["reconstruction"]
        assert_close(made["reconstruction"], expected)


def whole_cells(model: Autoencoder, z: Tensor) -> tuple[int, ...]:
    stride: Any = model.encoder.stride
    return (model.shape[0], *(side * stride for side in z.shape[2:]))


def test_a_file_has_dynamic_axes_and_metadata(case: Case) -> None:
    file, model = onnx.load(case.session(None) and case.files[None]), case.model
    onnx.checker.check_model(file, full_check=True)
    sides = {value.name: dims(value) for value in [*file.graph.input, *file.graph.output]}
    shape, code = list(model.shape), list(model.code_shape)
    if case.open:
        shape[1:], code[1:] = ["height", "width"], ["code_height", "code_width"]
    large = ["large_height", "large_width"] if model.scale > 1 else shape[1:]
    expected = {"input": shape, case.main: [model.spec.outputs or shape[0], *large], "code": code}
    if model.predicts_mask or (model.corruption and model.corruption.extra):
        expected["mask"] = [1, *shape[1:]]
    assert sides == {name: ["batch", *own] for name, own in expected.items()}
    about = {pair.key: pair.value for pair in file.metadata_props}
    assert about["recipe"] == case.recipe
    assert about["isthmus"] == isthmus.__version__
    assert json.loads(about["shape"]) == list(model.shape)


def dims(value: Any) -> list[Any]:
    return [side.dim_param or side.dim_value for side in value.type.tensor_type.shape.dim]
