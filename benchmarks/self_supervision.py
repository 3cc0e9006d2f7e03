"""Objectives without labels for a convolutional network: train_features.py trains on them.

dense: a position has the same code in two views of a picture that differ in light, noise, focus, and a small turn,
zoom and shift; every other position of the batch has another (Wang et al. 2021, at every layer). region: the same for
the means of two neighboring halves of a picture (SimCLR). defects: which positions were changed by a pasted outline.
masked: the pixels under squares of gray, and without noise.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

VIEW, CODE, POSITIONS = 96, 64, 16
LUMA = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class Objective:
    """Weights of the losses, and how strongly the views of `dense` and `region` differ."""

    weights: Mapping[str, float]
    light: float = 1.0
    noise: float = 0.06
    turn: float = 0.0  # radians
    zoom: float = 0.0  # of the logarithm
    temperature: float = 0.1


OBJECTIVES = {
    "dense": Objective({"dense": 1}),
    "dense-turned": Objective({"dense": 1}, turn=0.35, zoom=0.25),
    "dense-hard": Objective({"dense": 1}, turn=0.35, zoom=0.25, noise=0.12, light=1.5, temperature=0.07),
    "dense-region": Objective({"dense": 1, "region": 1}, turn=0.35, zoom=0.25),
    "region": Objective({"region": 1}),
    "masked": Objective({"masked": 1}),
    "defects": Objective({"defects": 1}),
}


class Heads(nn.Module):
    """What is dropped after the training: small networks on every layer, and a decoder of pixels."""

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.dense = nn.ModuleList(head(width, CODE) for width in widths)
        self.region = nn.ModuleList(head(width, CODE) for width in widths)
        self.defects = nn.ModuleList(head(width, 1) for width in widths)
        self.up = nn.ModuleList(nn.Conv2d(width, 96, 1) for width in widths)
        self.pixels = nn.Sequential(
            nn.ReLU(), nn.Conv2d(96, 96, 3, 1, 1), nn.ReLU(), nn.Conv2d(96, 48, 1), nn.PixelShuffle(4)
        )

    def decoded(self, layers: Sequence[Tensor]) -> Tensor:
        grid = layers[0].shape[2:]
        pairs = zip(self.up, layers, strict=True)
        joined = [F.interpolate(up(layer), grid, mode="bilinear", align_corners=False) for up, layer in pairs]
        out: Tensor = self.pixels(torch.stack(joined).sum(0))
        return out


def head(width: int, out: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(width, 128, 1), nn.ReLU(), nn.Conv2d(128, out, 1))


def losses(
    objective: Objective, network: nn.Module, heads: Heads, x: Tensor, random: torch.Generator
) -> dict[str, Tensor]:
    """The losses of an objective on a batch of crops larger than VIEW; the network runs in bfloat16."""

    def features(views: Tensor) -> list[Tensor]:
        with torch.autocast(views.device.type, torch.bfloat16):
            return [layer.float() for layer in network(views)]

    found, wanted = {}, objective.weights
    if "dense" in wanted or "region" in wanted:
        first, second, places = two_views(x, objective, random)
        layers = features(torch.cat([first, second]))
        if "dense" in wanted:
            found["dense"] = dense(heads.dense, layers, places, objective.temperature, random)
        if "region" in wanted:
            found["region"] = region(heads.region, layers, objective.temperature)
    if "defects" in wanted:
        y = changed_light(middle(x), objective, random)
        y, mask = with_defects(y, random)
        logits = [head(layer) for head, layer in zip(heads.defects, features(y), strict=True)]
        targets = [F.adaptive_avg_pool2d(mask, logit.shape[2:]) for logit in logits]
        pairs = zip(logits, targets, strict=True)
        found["defects"] = torch.stack([F.binary_cross_entropy_with_logits(*pair) for pair in pairs]).mean()
    if "masked" in wanted:
        y = changed_light(middle(x), objective, random)
        kept = (torch.rand(len(y), 1, VIEW // 8, VIEW // 8, generator=random) > 0.4).float()
        kept = F.interpolate(kept, scale_factor=8.0)
        noise = 0.1 * torch.rand(len(y), 1, 1, 1, generator=random) * torch.randn(y.shape, generator=random)
        damaged = y * kept + (1 - kept) * y.mean((2, 3), keepdim=True) + noise
        found["masked"] = 4 * (heads.decoded(features(damaged)) - y).abs().mean()
    return found


def middle(x: Tensor) -> Tensor:
    edge = (x.shape[2] - VIEW) // 2
    return x[:, :, edge : edge + VIEW, edge : edge + VIEW]


def two_views(x: Tensor, objective: Objective, random: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """The middle of each crop, the same turned, zoomed and shifted, and N×2×3: the second's places in the first."""
    n, share = len(x), VIEW / x.shape[2]
    angle = objective.turn * (2 * torch.rand(n, generator=random) - 1)
    zoom = torch.exp(objective.zoom * (2 * torch.rand(n, generator=random) - 1))
    shift = 0.3 * (2 * torch.rand(n, 2, generator=random) - 1)
    rows = [torch.stack([angle.cos(), -angle.sin()], 1), torch.stack([angle.sin(), angle.cos()], 1)]
    places = torch.cat([torch.stack(rows, 1) * zoom.view(-1, 1, 1), shift.unsqueeze(2)], 2)
    grid = F.affine_grid(places * share, [n, 3, VIEW, VIEW], align_corners=False)
    second = F.grid_sample(x, grid, padding_mode="reflection", align_corners=False)
    return changed_light(middle(x), objective, random), changed_light(second, objective, random), places


def changed_light(x: Tensor, objective: Objective, random: torch.Generator) -> Tensor:
    """Gray for 40 % of the pictures; another contrast, brightness and tint; some blur; some noise."""
    n, each = len(x), (len(x), 1, 1, 1)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=random)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(shape, generator=random)

    gray = (uniform(*each) < 0.4).float()
    luma = (x * torch.tensor(LUMA).view(3, 1, 1)).sum(1, keepdim=True)
    x = torch.lerp(x, luma.expand_as(x), gray.expand_as(x))
    mean = x.mean((1, 2, 3), keepdim=True)
    contrast, brightness = torch.exp(0.25 * objective.light * normal(*each)), 0.08 * objective.light * normal(*each)
    x = mean + (x - mean) * contrast + brightness + 0.06 * (1 - gray) * normal(n, 3, 1, 1)
    blur = (uniform(*each) < 0.25).float() * uniform(*each)
    x = x + blur * (F.avg_pool2d(x, 3, 1, 1, count_include_pad=False) - x)
    sigma = (uniform(*each) < 0.5).float() * objective.noise * uniform(*each)
    return (x + sigma * normal(*x.shape)).clamp(0, 1)


def dense(
    heads: nn.ModuleList, layers: Sequence[Tensor], places: Tensor, temperature: float, random: torch.Generator
) -> Tensor:
    """The mean contrast over layers, at some positions that both views have."""
    found, n = [], len(places)
    for project, layer in zip(heads, layers, strict=True):
        first, second = project(layer).split(n)
        grid = F.affine_grid(places, [n, 1, *second.shape[2:]], align_corners=False)
        same = F.grid_sample(first, grid, align_corners=False)
        inside = (grid.abs() < 1).all(3).flatten(1).float()
        order = (inside + torch.rand(inside.shape, generator=random)).argsort(1, descending=True)[:, :POSITIONS]
        chosen = inside.gather(1, order).flatten() > 0
        codes = [
            view.flatten(2).transpose(1, 2).gather(1, order[..., None].expand(-1, -1, CODE)).flatten(0, 1)[chosen]
            for view in (same, second)
        ]
        found.append(contrast(*codes, temperature))
    return torch.stack(found).mean()


def region(heads: nn.ModuleList, layers: Sequence[Tensor], temperature: float) -> Tensor:
    """The mean contrast over layers of the left half of the first view with the right half of the second."""
    found = []
    for project, layer in zip(heads, layers, strict=True):
        first, second = layer.chunk(2)
        half = layer.shape[3] // 2
        left, right = (view.mean((2, 3), keepdim=True) for view in (first[..., :half], second[..., half:]))
        found.append(contrast(project(left).flatten(1), project(right).flatten(1), temperature))
    return torch.stack(found).mean()


def contrast(a: Tensor, b: Tensor, temperature: float) -> Tensor:
    """InfoNCE: row i of `a` belongs to row i of `b`, among all rows (van den Oord et al. 2018)."""
    similar = F.normalize(a, dim=1) @ F.normalize(b, dim=1).T / temperature
    own = torch.arange(len(a))
    return (F.cross_entropy(similar, own) + F.cross_entropy(similar.T, own)) / 2


def with_defects(x: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """Ellipses and clouds pasted into pictures: of the next picture, another tone, shifted pixels, or one even tone."""
    each = (len(x), 1, 1, 1)
    mask, kind = outlines(len(x), random), torch.randint(4, each, generator=random)
    toned = (
        x * torch.exp(0.4 * torch.randn(each, generator=random)) + 0.15 * torch.randn(each, generator=random)
    ).clamp(0, 1)
    shifted = x.roll((VIEW // 3, VIEW // 2), (2, 3))
    even = (x.mean((2, 3), keepdim=True) + 0.2 * torch.randn(each, generator=random)).clamp(0, 1).expand_as(x)
    pasted = torch.where(kind == 0, x.roll(1, 0), torch.where(kind == 1, toned, torch.where(kind == 2, shifted, even)))
    y = x + mask * (0.4 + 0.6 * torch.rand(each, generator=random)) * (pasted - x)
    return y, mask * ((y - x).abs().mean(1, keepdim=True) > 0.01)


def outlines(n: int, random: torch.Generator) -> Tensor:
    axis = torch.linspace(0, 1, VIEW)
    down, right = torch.meshgrid(axis, axis, indexing="ij")
    y, x, angle, size, slim = (torch.rand(n, 1, 1, generator=random) for _ in range(5))
    along = (right - x) * (math.pi * angle).cos() + (down - y) * (math.pi * angle).sin()
    across = (down - y) * (math.pi * angle).cos() - (right - x) * (math.pi * angle).sin()
    long = torch.exp(2 * size - 3.2)
    ellipse = (along / long) ** 2 + (across / (long * torch.exp(-2 * slim)).clamp(min=0.015)) ** 2 < 1
    clouds = F.interpolate(torch.randn(n, 1, 6, 6, generator=random), (VIEW, VIEW), mode="bicubic")[:, 0] > 0.6
    mask = torch.where(torch.rand(n, 1, 1, generator=random) < 0.6, ellipse, clouds).float().unsqueeze(1)
    return F.avg_pool2d(mask, 3, 1, 1)
