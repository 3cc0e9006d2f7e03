"""A crafted .pt2 file: nothing in it is unpickled, evaluated or called by name."""

from __future__ import annotations

import io
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.backbones import Backbone, rewrite
from torch import Tensor

from isthmus.errors import BadInput
from isthmus.features import find_features

WEIGHTS, MODEL, SAMPLE = "data/weights/model_weights_config.json", "models/model.json", "data/sample_inputs/model.pt"


class Payload:
    """A pickle that creates a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.fixture
def harm(tmp_path: Path) -> Path:
    return tmp_path / "harm"


def saved(harm: Path) -> bytes:
    buffer = io.BytesIO()
    torch.save((Payload(harm),), buffer)
    return buffer.getvalue()


def changed(change: Callable[[Any], None]) -> Callable[[bytes], bytes]:
    def rewritten(content: bytes) -> bytes:
        value = json.loads(content)
        change(value)
        return json.dumps(value).encode()

    return rewritten


def load(path: Path, source: Path, name: str = "", change: Any = None, add: dict[str, bytes] | None = None) -> Any:
    return find_features(rewrite(source, path, {name: changed(change)} if change else {}, add or {}))


def test_sample_inputs_are_not_read(net: Backbone, files: dict, images: Tensor, harm: Path, tmp_path: Path) -> None:
    features = load(tmp_path / "a.pt2", files["pt2"], add={SAMPLE: saved(harm)})
    assert torch.allclose(features(images)[1], net(images)[1], atol=1e-5)
    assert not harm.exists()
    torch.load(io.BytesIO(saved(harm)), weights_only=False)  # as torch.export.load does
    assert harm.exists()


def test_pickled_weights(files: dict, harm: Path, tmp_path: Path) -> None:
    def change(config: Any) -> None:
        next(iter(config["config"].values()))["use_pickle"] = True

    with pytest.raises(BadInput, match="is pickled; plain tensors are accepted"):
        load(tmp_path / "a.pt2", files["pt2"], WEIGHTS, change, {"data/weights/weight_0": saved(harm)})
    assert not harm.exists()


@pytest.mark.parametrize("name", ["custom_obj_0", "opaque_obj_0"])
def test_pickled_objects(name: str, files: dict, harm: Path, tmp_path: Path) -> None:
    payload = {"path_name": name, "is_param": False, "use_pickle": True, "tensor_meta": None}
    config = json.dumps({"config": {"std": payload}}).encode()
    add = {"data/constants/model_constants_config.json": config, f"data/constants/{name}": pickle.dumps(Payload(harm))}
    with pytest.raises(BadInput, match="is pickled"):
        load(tmp_path / "a.pt2", files["pt2"], add=add)
    assert not harm.exists()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("data/weights/model.pt", "pickled weights"),
        ("serialized_exported_program.json", "pickled weights"),
        ("data/aotinductor/model/model.so", "compiled code"),
    ],
)
def test_older_archives_and_compiled_code(name: str, says: str, files: dict, harm: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=says):
        load(tmp_path / "a.pt2", files["pt2"], add={name: saved(harm)})
    assert not harm.exists()


def test_sizes_are_not_evaluated(net: Backbone, files: dict, images: Tensor, harm: Path, tmp_path: Path) -> None:
    def change(model: Any) -> None:
        code = f"__import__('pathlib').Path({str(harm)!r}).touch()"
        for meta in model["graph_module"]["graph"]["tensor_values"].values():
            for size in meta["sizes"]:
                if "as_expr" in size:
                    size["as_expr"]["expr_str"] = code
        model["guards_code"] = [code]

    features = load(tmp_path / "a.pt2", files["pt2"], MODEL, change)
    assert torch.allclose(features(images)[0], net(images)[0], atol=1e-5)
    assert not harm.exists()


@pytest.mark.parametrize(
    "target", ["torch.os.system", "torch.ops.aten.from_file.default", "torch.ops.aten.save.default", "math.os.system",
               "torch.ops.aten.add.__call__", "torch.ops.higher_order.cond", "_operator.attrgetter", "#x"],
)  # fmt: skip
def test_only_listed_operations_are_called(target: str, files: dict, tmp_path: Path) -> None:
    def change(model: Any) -> None:
        model["graph_module"]["graph"]["nodes"][0]["target"] = target

    with pytest.raises(BadInput, match=r"which a .pt2 file may not; export it as .onnx"):
        load(tmp_path / "a.pt2", files["pt2"], MODEL, change)


def test_weights_beyond_their_bytes(files: dict, tmp_path: Path) -> None:
    def change(config: Any) -> None:
        config["config"]["first.0.weight"]["tensor_meta"]["sizes"][0]["as_int"] = 10**6

    with pytest.raises(BadInput, match=r"not a program of torch.export.save that can be read"):
        load(tmp_path / "a.pt2", files["pt2"], WEIGHTS, change)


def test_a_graph_that_makes_no_sense(files: dict, tmp_path: Path) -> None:
    def drop(model: Any) -> None:
        model["graph_module"]["graph"]["nodes"].pop(1)

    def rename(model: Any) -> None:
        model["graph_module"]["graph"]["nodes"][0]["inputs"][0]["name"] = "no_such_argument"

    def empty(model: Any) -> None:
        model.clear()

    for change in (drop, rename, empty):
        with pytest.raises(BadInput) as error:
            load(tmp_path / "a.pt2", files["pt2"], MODEL, change)
        assert "\n" not in str(error.value)
