"""Models and files that export refuses."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.onnx_models import export, module, new
from torch import Tensor, nn

from isthmus.autoencoder import Autoencoder
from isthmus.bottlenecks import VQ, Plain
from isthmus.errors import BadInput, IsthmusError, Note
from isthmus.registry import register
from isthmus.types import Code, Context

pytestmark = pytest.mark.usefixtures("one_thread", "quick")


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
