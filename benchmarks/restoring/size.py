"""Small pictures enlarged ×2, ×3 and ×4, scored on the luma as super-resolution is."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from isthmus import metrics
from isthmus.bicubic import enlarge, shrink
from isthmus.inference.image import restore_array as in_tiles
from restoring.comparison import Comparison, Net, files, in_bytes, means, read
from restoring.published import ENLARGED


class Planes(NamedTuple):
    """The luma of one picture, 1×1×H×W: as it is, and small; `saved` is small as out of a color file of 8 bits."""

    exact: Tensor
    small: Tensor
    saved: Tensor
    color: bool  # then black is 16/255 and white 235/255


def planes(path: Path, scale: int) -> Planes:
    picture = torch.from_numpy(read(path))[None]
    high, wide = (side - side % scale for side in picture.shape[-2:])
    picture = picture[..., :high, :wide]
    exact = in_bytes(metrics.luma(picture))
    return Planes(
        exact, shrink(exact, scale), metrics.luma(in_bytes(shrink(picture, scale))), color=picture.shape[1] == 3
    )


def by_model(net: Net, plane: Tensor, color: bool) -> Tensor:
    """A model learned from pictures whose black is 0 and white 1."""
    low, span = (16 / 255, 219 / 255) if color else (0.0, 1.0)
    light = ((plane - low) / span)[0].permute(1, 2, 0).float().numpy()
    large, _ = in_tiles(net.model, light, best=net.best)
    return low + span * torch.from_numpy(large).double().permute(2, 0, 1)[None]


def bicubic(scale: int, plane: Tensor, color: bool) -> Tensor:
    return enlarge(plane, scale)


def bilinear(scale: int, plane: Tensor, color: bool) -> Tensor:
    return F.interpolate(plane, scale_factor=scale, mode="bilinear")


def score(
    method: Callable[[Tensor, bool], Tensor], pictures: list[Planes], scale: int, paths: list[Path]
) -> dict[str, float]:
    def figures(name: str) -> list[float]:
        return [float(metrics.psnr_y(method(getattr(p, name), p.color).clamp(0, 1), p.exact, scale)) for p in pictures]

    return means("psnr_y", paths, figures("small")) | means("psnr_y_saved", paths, figures("saved"))


def upscale(comparison: Comparison) -> None:
    began = time.perf_counter()
    for place, scale in enumerate((2, 3, 4)):
        models = comparison.models(f"upscale-{scale}")
        methods: dict[str, Any] = {"bicubic": partial(bicubic, scale), "bilinear": partial(bilinear, scale)}
        methods |= {label: partial(by_model, net) for label, net in models.items() if net.model.scale == scale}
        for folder, published in ENLARGED.items():
            paths = comparison.few(files(folder))
            pictures = [planes(path, scale) for path in paths]
            for label, method in methods.items():
                row = comparison.add(label, set=folder, scale=scale, **score(method, pictures, scale, paths))
                if label == "bicubic":
                    comparison.check(row["psnr_y"], published[label][place], f"{folder} ×{scale}, bicubic")
            for model, figures in published.items():
                comparison.add(f"{model} (published)", set=folder, scale=scale, psnr_y=figures[place])
    comparison.end(
        "PSNR on BT.601 Y in [16, 235], rounded to 8 bits, border of `scale` pixels cropped, mean over pictures; "
        "small by MATLAB-like antialiased bicubic, of the luma and not rounded, as the published ones; psnr_y_saved: "
        "small as a color file of 8 bits, as people have it; Set14's gray picture is its own Y; _apart: without the "
        "pictures that training sets show a part of (benchmarks/overlap.py)",
        time.perf_counter() - began,
    )
