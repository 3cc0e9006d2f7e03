"""Detectors in feature space as one ONNX file: the program of their features becomes a part of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.backbones import Backbone, to_onnx, to_pt2
from PIL import Image

import isthmus
from isthmus.errors import BadInput

pytestmark = [pytest.mark.jobs, pytest.mark.filterwarnings("ignore")]
onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
X = np.random.default_rng(0).integers(60, 120, (24, 1, 32, 32)).astype(np.uint8)


def trained(folder: Path, features: Path, **keys: Any) -> Any:
    return isthmus.train("detect", X, out=folder / "run", features=features, quiet=True, **keys).model


def backbone() -> Backbone:
    torch.manual_seed(0)
    return Backbone().eval()


def require_same(model: Any, file: Path) -> None:
    session = onnxruntime.InferenceSession(file)
    for count in (1, 3):
        x = torch.rand(count, 1, 32, 32)
        score, found = session.run(["score", "map"], {"input": x.numpy()})
        wanted = model.detect(x, unit=True)
        assert np.allclose(score, wanted.score, atol=1e-4)
        assert np.allclose(found, wanted.map, atol=1e-4)


@pytest.mark.parametrize("suffix", ["pt2", "onnx"])
def test_the_file_holds_the_program_of_the_features(suffix: str, tmp_path: Path) -> None:
    program = (to_pt2 if suffix == "pt2" else to_onnx)(backbone(), tmp_path / f"net.{suffix}")
    model = trained(tmp_path, program, epochs=2)
    program.unlink()
    file = isthmus.export(tmp_path / "run", tmp_path / "model.onnx")
    require_same(model, file)
    written = onnx.load(file)
    onnx.checker.check_model(written, full_check=True)
    assert {one.domain for one in written.opset_import} == {""}


def test_a_program_of_older_operators_on_a_region_of_interest(tmp_path: Path) -> None:
    mask = np.zeros((32, 32), np.uint8)
    mask[8:, 8:] = 255
    Image.fromarray(mask).save(tmp_path / "roi.png")
    newer = onnx.load(to_onnx(backbone(), tmp_path / "newer.onnx"))
    onnx.save(onnx.version_converter.convert_version(newer, 17), tmp_path / "net.onnx")
    model = trained(tmp_path, tmp_path / "net.onnx", kind="nearest-patches", roi=tmp_path / "roi.png")
    file = isthmus.export(model, tmp_path / "model.onnx")
    require_same(model, file)
    assert [one.version for one in onnx.load(file).opset_import] == [18]


def test_a_program_of_one_batch_size_is_refused_in_one_line(tmp_path: Path) -> None:
    model = trained(tmp_path, to_onnx(backbone(), tmp_path / "net.onnx", fixed=True), kind="nearest-patches")
    with pytest.raises(BadInput, match="takes batches of 2 only; features of any batch size can"):
        isthmus.export(model, tmp_path / "model.onnx")
    assert not (tmp_path / "model.onnx").exists()


def test_the_parts_of_a_model_of_features_have_its_numbers(tmp_path: Path) -> None:
    """Both are compared with the model at export; their images have the size of the training, as the grid has one."""
    torch.manual_seed(0)
    model = isthmus.train("detect", X, out=tmp_path / "run", features=backbone(), quiet=True, epochs=1).model
    for part in ("encoder", "decoder"):
        file = isthmus.export(model, tmp_path / f"{part}.onnx", part=part)
        (given,) = onnxruntime.InferenceSession(file).get_inputs()
        assert given.shape[1:] == list(model.shape if part == "encoder" else model.code_shape)
