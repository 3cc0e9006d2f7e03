"""Every recipe as an ONNX file, compared with its model in onnxruntime."""

from __future__ import annotations

import functools
import gc
import importlib
import json
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import isthmus
from isthmus import create
from isthmus.autoencoder import Autoencoder
from isthmus.bottlenecks import VQ, Plain
from isthmus.errors import BadInput, IsthmusError, Note
from isthmus.recipes import RECIPES
from isthmus.registry import register
from isthmus.types import Code, Context

onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")
pytest.importorskip("onnxscript", reason="the extra onnx is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
module = importlib.import_module("isthmus.verbs.export")
export: Callable[..., Path] = module.export
pytestmark = pytest.mark.usefixtures("one_thread", "quick")

PARTS = (None, "encoder", "decoder")
SHAPES = {"gray": (1, 7, 9), "color": (3, 6, 5), "table": (11,)}
SMALL = {"code": 4, "widths": (8,), "channels": (4,), "blocks": 0, "codes": 16, "dim": 3, "k": 2, "levels": (5, 4, 3)}
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


@pytest.fixture(scope="module")
def quick() -> Iterator[None]:
    """Half of the time of a small net is none of its own: the exporter reads the source of its 500 operators anew each
    time, and Python looks again and again for what it may throw away of all that torch has imported.
    """
    with pytest.MonkeyPatch.context() as patch:
        try:
            registry = importlib.import_module("torch.onnx._internal.exporter._registration").ONNXRegistry
            patch.setattr(registry, "from_torchlib", staticmethod(functools.cache(registry.from_torchlib)))
        except (ImportError, AttributeError):
            pass  # another torch: it works as well, but longer
        gc.disable()
        yield
        gc.enable()


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
        assert list(made) == ["reconstruction", "code"] + ["mask"] * case.model.predicts_mask
        assert_close(made["reconstruction"], case.model.reconstruct(x))
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
    expected = {"input": shape, "reconstruction": [shape[0], *large], "code": code}
    if model.predicts_mask or (model.corruption and model.corruption.extra):
        expected["mask"] = [1, *shape[1:]]
    assert sides == {name: ["batch", *own] for name, own in expected.items()}
    about = {pair.key: pair.value for pair in file.metadata_props}
    assert about["recipe"] == case.recipe
    assert about["isthmus"] == isthmus.__version__
    assert json.loads(about["shape"]) == list(model.shape)


def dims(value: Any) -> list[Any]:
    return [side.dim_param or side.dim_value for side in value.type.tensor_type.shape.dim]


# -- what the file is --


def test_nothing_is_printed_or_warned_of_and_one_file_is_written(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert export(new("linear", (11,)), tmp_path / "deep" / "down.onnx") == tmp_path / "deep" / "down.onnx"
    assert capfd.readouterr() == ("", "")
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["down.onnx"]


def test_a_run_folder_becomes_a_file_that_knows_its_range_and_no_folder(tmp_path: Path) -> None:
    model = new("undercomplete", (1, 8, 8)).train()
    model.about["input"] = {"shape": [1, 8, 8], "range": [0.0, 16.0], "gray": True}
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    path = export(model.save(tmp_path / "run"), tmp_path / "it.onnx")
    x = items(3, (1, 8, 8))
    assert_close(run(session_of(path), x)["reconstruction"], model.reconstruct(x))
    about = session_of(path).get_modelmeta().custom_metadata_map
    assert json.loads(about["range"]) == [0.0, 16.0]
    assert about["dtype"] == "int64"  # 0..16 is no share of 255, as uint8 is read
    content = path.read_bytes()
    for folder in (str(tmp_path), str(Path(torch.__file__).parent), str(Path(isthmus.__file__).parent)):
        assert folder.encode() not in content
    export(model, path, force=True)
    assert model.training
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


def test_the_input_is_in_0_to_1_for_any_data_range(tmp_path: Path) -> None:
    """A model trained on floats from -1 to 1 takes them as they are; the file takes what they become, in [0, 1]."""
    model = new("undercomplete", (6,))
    model.about["input"] = {"shape": [6], "range": [-1.0, 1.0], "float": True}
    x = items(4, (6,))
    made = run(session_of(export(model, tmp_path / "it.onnx")), x)
    assert_close(made["reconstruction"], model.reconstruct(2 * x - 1))


@pytest.mark.parametrize("part", [None, "encoder", "decoder"])
def test_columns_with_ranges_of_their_own_go_in_and_come_out_in_their_units(tmp_path: Path, part: str | None) -> None:
    model = new("undercomplete", (3,), code=2)
    model.about["input"] = {"shape": [3], "range": [[0, 1e4, 0.01], [1, 2e4, 0.02]], "float": True}
    low, high = (torch.tensor(bound) for bound in model.about["input"]["range"])
    x = items(4, (3,))
    own = low + x * (high - low)
    assert_close(model.encode(own), model.encode(x, unit=True))
    made = run(session_of(export(model, tmp_path / "it.onnx", part)), model.encode(own) if part == "decoder" else own)
    if "code" in made:
        assert_close(made["code"], model.encode(own))
    if "reconstruction" in made:
        assert_close((made["reconstruction"] - low) / (high - low), model.reconstruct(own))


def test_the_verb_is_a_function_of_the_package(tmp_path: Path) -> None:
    verb: Any = sys.modules["isthmus.verbs.export"]
    assert verb(new("linear", (5,)), tmp_path / "it.onnx", part="encoder").is_file()


def test_of_the_k_largest_there_may_be_as_few_as_a_small_picture_has(tmp_path: Path) -> None:
    model = create("sparse", shape=(1, 6, 6), kind="topk", k=9, net="conv", code="2x3x3")
    session = session_of(export(model, tmp_path / "it.onnx", "encoder"))
    for sides in ((6, 6), (1, 1), (9, 4)):
        x = items(2, (1, *sides))
        assert_close(run(session, x)["code"], model.encode(x))


def test_a_codebook_that_holds_a_vector_twice_is_no_fault_of_the_file(tmp_path: Path) -> None:
    model = new("quantized", (1, 6, 6), code="3x3", codes=4)
    strip: Any = model.bottleneck
    strip.codebook[2:] = strip.codebook[:2] + 1e-7
    session = session_of(export(model, tmp_path / "it.onnx", "encoder"))
    x = items(5, (1, 6, 6))
    assert_close(run(session, x)["code"], model.encode(x))


def test_the_example_of_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    model = new("undercomplete", (3, 64, 64))
    model.about["input"] = {"shape": [3, 64, 64], "range": [0.0, 255.0]}
    export(model, "faces.onnx")
    page = (Path(__file__).parents[2] / "docs" / "export.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    names: dict[str, Any] = {"__name__": "page"}
    exec(compile(block, "export.md", "exec"), names)
    images = names["images"].astype(np.uint8)
    assert_close(torch.from_numpy(names["reconstruction"]), model.reconstruct(images))
    assert_close(torch.from_numpy(names["code"]), model.encode(images))


# -- what is refused --


@register
class Drifting(Plain):
    """Says something else each time: what the exporter saw is no longer so when it is compared."""

    calls = 0

    def forward(self, h: Tensor, ctx: Context) -> Code:
        self.calls += 1
        code = super().forward(h, ctx)
        return Code(code.z + 0.01 * self.calls, code.penalty)


@register
class DriftingBook(VQ):
    """The same of symbols."""

    calls = 0

    def forward(self, h: Tensor, ctx: Context) -> Code:
        self.calls += 1
        return super().forward(h + 0.5 * self.calls, ctx)


@register
class Asking(Plain):
    """Asks a question about numbers, which a graph cannot."""

    def forward(self, h: Tensor, ctx: Context) -> Code:
        code = super().forward(h, ctx)
        return code if code.z.sum() > 0 else Code(2 * code.z, code.penalty)


def with_bottleneck(strip: nn.Module, recipe: str = "undercomplete", **keys: Any) -> Autoencoder:
    model = new(recipe, (11,) if recipe == "undercomplete" else (1, 6, 6), **keys)
    model.bottleneck = strip
    kept: Any = model.__dict__["_arguments"]
    kept["bottleneck"] = strip
    return model


@pytest.mark.parametrize("part", [None, "encoder"])
def test_a_file_that_would_not_equal_the_model_is_not_left(tmp_path: Path, part: str | None) -> None:
    with pytest.raises(IsthmusError, match=r"code differs by 0\.0\d+ from the model's"):
        export(with_bottleneck(Drifting((11,), (4,))), tmp_path / "it.onnx", part)
    assert list(tmp_path.iterdir()) == []


def test_symbols_that_would_not_be_the_models_are_found_too(tmp_path: Path) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = with_bottleneck(DriftingBook((4, 3, 3), (3, 3, 3), codes=16), "quantized", code="3x3")
    with pytest.raises(IsthmusError, match=r"(code|indices) differs by \S+ from the model's"):
        export(model, tmp_path / "it.onnx", "encoder")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_refused_leaves_the_one_that_was_there(tmp_path: Path) -> None:
    (tmp_path / "it.onnx").write_text("mine")
    with pytest.raises(IsthmusError):
        export(with_bottleneck(Drifting((11,), (4,))), tmp_path / "it.onnx", force=True)
    assert (tmp_path / "it.onnx").read_text() == "mine"


def test_numbers_that_are_none_are_not_taken_for_equal(tmp_path: Path) -> None:
    model = new("linear", (11,))
    with torch.no_grad():
        next(model.decoder.parameters()).fill_(torch.nan)
    with pytest.raises(IsthmusError, match="reconstruction differs by nan"):
        export(model, tmp_path / "it.onnx")
    assert list(tmp_path.iterdir()) == []


def test_operations_that_onnx_lacks_are_refused_in_one_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(IsthmusError, match="cannot be converted to ONNX") as told:
        export(with_bottleneck(Asking((11,), (4,))), tmp_path / "it.onnx")
    assert "\n" not in str(told.value)
    assert capfd.readouterr() == ("", "")
    assert list(tmp_path.iterdir()) == []


def test_someones_own_modules_are_refused_as_model_and_as_run(tmp_path: Path) -> None:
    model = with_bottleneck(nn.Linear(11, 4))
    for whose in (model, model.save(tmp_path / "run")):
        with pytest.raises(BadInput, match=r"bottleneck of this run is unregistered \(Linear\)"):
            export(whose, tmp_path / "it.onnx")
    assert not (tmp_path / "it.onnx").exists()


def test_an_invalid_out_is_refused_before_the_work(tmp_path: Path) -> None:
    model, out = new("linear", (5,)), tmp_path / "it.onnx"
    with pytest.raises(BadInput, match="did you mean 'encoder'"):
        export(model, out, "encode")
    with pytest.raises(BadInput, match=r"ends in \.onnx is accepted"):
        export(model, tmp_path / "it.pb")
    with pytest.raises(BadInput, match="no such run folder"):
        export(tmp_path / "nothing", out)
    export(model, out)
    first = out.read_bytes()
    with pytest.raises(BadInput, match="exists already"):
        export(model, out, "decoder")
    assert out.read_bytes() == first
    assert export(model, out, "decoder", force=True).read_bytes() != first


def test_weights_that_do_not_fit_into_one_file_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = new("undercomplete", (50,))
    monkeypatch.setattr(module, "LIMIT", 1000)
    with pytest.raises(BadInput, match="a single ONNX file holds less than 2 GB"):
        export(model, tmp_path / "it.onnx")
    monkeypatch.setattr(module, "LIMIT", 4 * (50 * 4 + 50))  # of the decoder alone
    assert export(model, tmp_path / "it.onnx", "decoder").is_file()


def test_without_the_extra_one_line_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = new("linear", (5,))
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.warns(Note, match="not compared with the model") as notes:
        assert export(model, tmp_path / "it.onnx").is_file()
    assert notes[0].filename == __file__
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(BadInput, match=r"pip install 'isthmus\[onnx\]'"):
        export(model, tmp_path / "other.onnx")
    assert not (tmp_path / "other.onnx").exists()


def test_a_share_of_a_code_that_jumps_is_spared_and_no_more() -> None:
    expected = torch.zeros(1, 200)
    made = expected.clone()
    made[0, :2] = 5
    assert module._difference(made, expected, 0.01) == 0
    assert module._difference(made, expected, 0.0) == 5
    made[0, 2] = 5
    assert module._difference(made, expected, 0.01) == 5
    assert module._difference(torch.full((1, 200), 1000.0), torch.full((1, 200), 1000.05), 0.0) < 1e-4
    assert module._difference(made[:, :100], expected, 0.01) == np.inf
