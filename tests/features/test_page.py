"""The code of docs/features.md, as printed."""

from __future__ import annotations

import io
import re
import warnings
from contextlib import redirect_stdout
from pathlib import Path

import pytest
import torch
from torch import nn

from isthmus.features import find_features

PAGE = Path(__file__).parents[2] / "docs" / "features.md"


def test_the_export_of_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxscript", reason="needs the extra onnx: pip install 'isthmus[onnx]'")
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    backbone = nn.Sequential(nn.Conv2d(3, 4, 3, 2), nn.ReLU())
    names = {"backbone": backbone}
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        exec(compile(code, PAGE.name, "exec"), names)
    x = torch.rand(3, 3, 50, 70)
    with torch.no_grad():
        expected = names["net"](x)
        for file in ("backbone.pt2", "backbone.onnx"):
            assert torch.allclose(find_features(file)(x)[0], expected, atol=1e-5)
