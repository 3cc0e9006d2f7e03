"""Small networks that give feature maps, and their export as users do it."""

from __future__ import annotations

import io
import logging
import warnings
import zipfile
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

ANY = {0: torch.export.Dim.AUTO, 2: torch.export.Dim.AUTO, 3: torch.export.Dim.AUTO}


class Backbone(nn.Module):
    """Two layers of a convolutional network with batch statistics, dropout and the normalization of ImageNet."""

    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        self.register_buffer("mean", torch.full((1, channels, 1, 1), 0.45))
        self.std = torch.full((1, channels, 1, 1), 0.22)  # a constant of the program
        self.first = nn.Sequential(
            nn.Conv2d(channels, 6, 3, 2, 1, bias=False), nn.BatchNorm2d(6), nn.ReLU6(inplace=True)
        )
        self.second = nn.Sequential(nn.Dropout(0.5), nn.Conv2d(6, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.Hardswish())

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        first = self.first((x - self.mean) / self.std)
        return first, self.second(first)


class Transformer(nn.Module):
    """Blocks of attention with positions that are resized to the image, as in DINO; a dict of maps."""

    def __init__(self) -> None:
        super().__init__()
        self.patches, self.positions = nn.Conv2d(3, 16, 8, 8), nn.Parameter(torch.randn(1, 16, 4, 4))
        self.blocks = nn.ModuleList(nn.TransformerEncoderLayer(16, 2, 32, batch_first=True) for _ in range(2))
        self.norm, self.larger = nn.GroupNorm(4, 16), nn.ConvTranspose2d(16, 16, 2, 2)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        rows, columns = x.shape[2] // 8, x.shape[3] // 8
        h = self.patches(x) + F.interpolate(self.positions, size=(rows, columns), mode="bicubic")
        tokens, found = h.flatten(2).transpose(1, 2), {}
        for i, block in enumerate(self.blocks):
            tokens = block(tokens)
            found[f"block{i}"] = tokens.transpose(1, 2).reshape(-1, 16, rows, columns)
        y = F.silu(self.larger(self.norm(found["block1"])) * torch.arange(16, device=x.device).view(1, -1, 1, 1))
        first, second, rest = F.pad(y, (1, 1, 1, 1), mode="reflect").split([4, 4, 8], 1)
        return found | {"last": torch.cat([rest, first * second.sigmoid()], 1)}


class Wrong(nn.Module):
    """A network that cannot be a source of features as it is, such as a classifier."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind, self.layer = kind, nn.Conv2d(5 if kind == "channels" else 3, 4, 3)

    def forward(self, x: Tensor) -> Tensor | list[Tensor]:
        y = self.layer(x)
        if self.kind == "list":
            return [y, y]
        if self.kind == "infinite":
            return y / (y - y)
        return y.mean((2, 3)) if self.kind == "rank" else y


def to_pt2(net: nn.Module, path: Path, size: tuple[int, ...] = (2, 3, 64, 64), fixed: bool = False) -> Path:
    """As docs/features.md has it."""
    program = torch.export.export(net, (torch.rand(size),), dynamic_shapes=None if fixed else (ANY,))
    torch.export.save(program, path)
    return path


def to_onnx(net: nn.Module, path: Path, size: tuple[int, ...] = (2, 3, 64, 64), fixed: bool = False) -> Path:
    pytest.importorskip("onnxscript", reason="needs the extra onnx: pip install 'isthmus[onnx]'")
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        shapes = None if fixed else (ANY,)
        torch.onnx.export(net, (torch.rand(size),), path, dynamo=True, dynamic_shapes=shapes, external_data=False)
    logging.disable(before)
    return path


def rewrite(source: Path, target: Path, changes: dict[str, Callable[[bytes], bytes]], add: dict[str, bytes]) -> Path:
    """A .pt2 archive with some of its files changed and others added, by names without the root folder."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        root = old.namelist()[0].split("/")[0]
        for entry in old.namelist():
            name = entry.split("/", 1)[1]
            if name not in add:
                new.writestr(entry, changes.get(name, bytes)(old.read(entry)))
        for name, content in add.items():
            new.writestr(f"{root}/{name}", content)
    return target
