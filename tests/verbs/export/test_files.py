"""The exported file: its units, its metadata, and that it is the only one."""

from __future__ import annotations

import json
import re
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.onnx_models import assert_close, export, items, new, run, session_of

import isthmus
from isthmus import create

pytestmark = pytest.mark.usefixtures("one_thread", "quick")


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
    page = (Path(__file__).parents[3] / "docs" / "export.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    names: dict[str, Any] = {"__name__": "page"}
    exec(compile(block, "export.md", "exec"), names)
    images = names["images"].astype(np.uint8)
    assert_close(torch.from_numpy(names["reconstruction"]), model.reconstruct(images))
    assert_close(torch.from_numpy(names["code"]), model.encode(images))
