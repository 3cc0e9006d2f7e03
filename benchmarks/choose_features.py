"""Compare self-trained features without a test set: python benchmarks/choose_features.py SOURCE ...

SOURCE is a checkpoint of benchmarks/train_features.py, "random" for weights that were not trained, or any source of
isthmus.features.find_features, to compare with. Each detects synthetic defects by a Gaussian over all its layers
(Defard et al. 2021):

tiles: of 40 normal magnetic tiles, trained on 160 others, none of them of the test. A Gaussian for each position.
textures: of even patches of photos that none was trained on, with other textures or tones pasted. One Gaussian.

Writes results/features-choice.json; the rows of earlier calls stay.
"""

from __future__ import annotations

import argparse
import math
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from common import RESULTS, results, write
from detecting.synthesized import on_tiles
from detecting.tiles import pictures as tile_pictures
from detecting.tiles import split_folders
from isthmus.features import find_features
from isthmus.features.convolutional import ConvolutionalFeatures, folded
from isthmus.metrics import auroc
from train_features import DATA, files, pyramid

Maps = Callable[[Tensor], Tensor]  # features N×K×h×w -> N×h×w, how anomalous each position is
NAME, RIDGE, MAP = "features-choice", 0.1, 64
WINDOW, PATCH, TEXTURES, TEXTURE_GRID, TILE_GRID = 208, 128, 14, 16, 32


def network_of(source: str) -> nn.Module:
    if source != "random" and not source.endswith(".pt"):
        return find_features(source)
    torch.manual_seed(0)
    network = ConvolutionalFeatures(norm=True)
    if source != "random":
        network.load_state_dict(torch.load(source, weights_only=True)["network"])
    return folded(network.eval())


@torch.no_grad()
def layers_of(network: nn.Module, x: Tensor, grid: int, trained: int) -> list[Tensor]:
    """Each layer on one grid, divided by its standard deviation on the first images, which train the Gaussian."""
    batches = []
    for batch in x.split(16):
        layers = network(batch.expand(-1, 3, -1, -1))
        batches.append([resampled(layer.float(), grid) for layer in layers])
    joined = [torch.cat(parts) for parts in zip(*batches, strict=True)]
    return [smoothed(layer / layer[:trained].std()) for layer in joined]


def resampled(layer: Tensor, grid: int) -> Tensor:
    if layer.shape[-1] > grid:
        return F.adaptive_avg_pool2d(layer, grid)
    return F.interpolate(layer, (grid, grid), mode="bilinear", align_corners=False)


def smoothed(layer: Tensor) -> Tensor:
    return F.avg_pool2d(layer, 3, 1, 1, count_include_pad=False)


def gaussian(train: Tensor) -> Maps:
    """The Mahalanobis distance from the mean of all positions."""
    rows = train.permute(0, 2, 3, 1).flatten(0, 2).double()
    mean = rows.mean(0)
    covariance = (rows - mean).T @ (rows - mean) / len(rows)
    ridge = RIDGE * covariance.diagonal().mean() * torch.eye(len(mean))
    inverse, mean = torch.linalg.inv(covariance + ridge).float(), mean.float()

    def maps(features: Tensor) -> Tensor:
        change = features.permute(0, 2, 3, 1) - mean
        return ((change @ inverse) * change).sum(-1).clamp(min=0).sqrt()

    return maps


def gaussian_by_position(train: Tensor) -> Maps:
    """The same from the mean and covariance of each position, by Woodbury: fewer images than features."""
    mean = train.mean(0)
    change = (train - mean).permute(2, 3, 0, 1) / math.sqrt(len(train) - 1)
    ridge = RIDGE * float((train - mean).var())
    small = torch.linalg.inv(ridge * torch.eye(len(train)) + change @ change.transpose(-1, -2))
    root = torch.linalg.cholesky(small).transpose(-1, -2) @ change

    def maps(features: Tensor) -> Tensor:
        apart = (features - mean).permute(2, 3, 1, 0)
        found = apart.square().sum(2) - (root @ apart).square().sum(2)
        return found.clamp(min=0).div(ridge).sqrt().permute(2, 0, 1)

    return maps


def areas(good: Tensor, bad: Tensor, masks: Tensor, share: float) -> tuple[float, float]:
    """AUROC of images, by the mean of the highest `share` of a map, and of pixels of the images with a defect."""

    def highest(maps: Tensor) -> Tensor:
        return maps.flatten(1).topk(math.ceil(share * maps[0].numel()), 1).values.mean(1)

    scores, labels = torch.cat([highest(good), highest(bad)]), np.repeat([False, True], [len(good), len(bad)])
    maps = F.interpolate(bad[:, None], (MAP, MAP), mode="bilinear", align_corners=False)[:, 0]
    shown = F.adaptive_avg_pool2d(masks.float()[:, None], MAP)[:, 0] > 0.5
    return float(auroc(scores.numpy(), labels)), float(auroc(maps.numpy().ravel(), shown.numpy().ravel()))


def tiles() -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
    """200 normal tiles, and kinds of defects with masks, made on the last 40."""
    with tempfile.TemporaryDirectory() as folder:
        split_folders(DATA / "magnetic_tile", Path(folder))
        parts = [tile_pictures(Path(folder) / part / "good") for part in ("train", "validation")]
    good = np.concatenate(parts)[np.random.default_rng(1).permutation(200)]
    made = on_tiles((good[160:] * 255).astype(np.uint8), seed=0).values()
    kinds = [(torch.from_numpy(x[::2].astype(np.float32) / 255)[:, None], torch.from_numpy(m[::2])) for x, m in made]
    return torch.from_numpy(good.astype(np.float32))[:, None], kinds


def on_good_tiles(network: nn.Module) -> list[tuple[float, float]]:
    """The areas of all layers together, then of each layer."""
    good, kinds = tiles()
    layers = layers_of(network, torch.cat([good, *(x for x, _ in kinds)]), TILE_GRID, 160)
    found = []
    for features in (torch.cat(layers, 1), *layers):
        maps = gaussian_by_position(features[:160])(features[160:])
        normal, *bad = maps.split([40, *(len(x) for x, _ in kinds)])
        pairs = [areas(normal, one, mask, 0.01) for one, (_, mask) in zip(bad, kinds, strict=True)]
        found.append((float(np.mean([a for a, _ in pairs])), float(np.mean([b for _, b in pairs]))))
    return found


def textures() -> list[tuple[Tensor, Tensor, Tensor]]:
    """Per texture 20 patches to train on and 20 with defects, all in [0, 1], and the masks of these."""
    random = torch.Generator().manual_seed(0)
    windows = even_windows(pyramid(files(rest=True), least=WINDOW))
    found = []
    for k, window in enumerate(windows):
        train, base = patches(window, 0, random), patches(window, WINDOW - PATCH - 20, random)
        other = torch.cat([patches(windows[(k + j) % len(windows)], 0, random)[:1] for j in range(1, 21)])
        mask, kind = ellipses(20, random), torch.arange(20).view(-1, 1, 1, 1) % 4
        toned = base * torch.exp(0.4 * torch.randn(20, 1, 1, 1, generator=random)) + 0.05
        blurred = F.avg_pool2d(base, 7, 1, 3, count_include_pad=False)
        pasted = torch.where(kind == 0, other, torch.where(kind == 1, toned, base.transpose(2, 3)))
        pasted = torch.where(kind == 2, blurred, pasted).clamp(0, 1)
        found.append((train, torch.lerp(base, pasted, mask), mask[:, 0] > 0.5))
    return found


def even_windows(levels: Sequence[Tensor]) -> list[Tensor]:
    """The windows with the least variation of brightness and contrast over their 16×16 blocks, and some contrast."""
    found: list[tuple[float, Tensor]] = []
    for picture in levels:
        gray, side = picture.float().mean(0)[None, None] / 255, WINDOW // 16
        mean = F.avg_pool2d(gray, 16)
        contrast = (F.avg_pool2d(gray.square(), 16) - mean.square()).clamp(min=0).sqrt()
        both = torch.cat([mean, contrast], 1)
        over = F.avg_pool2d(both, side, 1)
        spread = (F.avg_pool2d(both.square(), side, 1) - over.square()).clamp(min=0).sqrt().sum(1)
        uneven = (spread / over[:, 1].clamp(min=0.02)).where(over[:, 1] >= 0.03, 9.0)[0]
        top, left = (16 * int(i) for i in np.unravel_index(int(uneven.argmin()), uneven.shape))
        found.append((float(uneven.min()), picture[:, top : top + WINDOW, left : left + WINDOW].float() / 255))
    return [window for _, window in sorted(found, key=lambda pair: pair[0])[: 4 * TEXTURES : 4]]


def patches(window: Tensor, left: int, random: torch.Generator) -> Tensor:
    """20 patches that begin within 20 columns of `left`, some upside down."""
    found = []
    for _ in range(20):
        down, right, flip = (int(torch.randint(most, (), generator=random)) for most in (WINDOW - PATCH + 1, 20, 2))
        patch = window[:, down : down + PATCH, left + right : left + right + PATCH]
        found.append(patch.flip(1) if flip else patch)
    return torch.stack(found)


def ellipses(n: int, random: torch.Generator) -> Tensor:
    axis = torch.arange(PATCH) / PATCH
    y, x, angle, size, slim = (torch.rand(n, 1, 1, 1, generator=random) for _ in range(5))
    down, right = axis.view(-1, 1) - 0.7 * y - 0.15, axis - 0.7 * x - 0.15
    along = right * (math.pi * angle).cos() + down * (math.pi * angle).sin()
    across = down * (math.pi * angle).cos() - right * (math.pi * angle).sin()
    long = torch.exp(1.5 * size - 3)
    return ((along / long).square() + (across / long * torch.exp(1.6 * slim)).square() < 1).float()


def on_textures(network: nn.Module) -> float:
    found = []
    for train, bad, masks in textures():
        features = torch.cat(layers_of(network, torch.cat([train, bad]), TEXTURE_GRID, len(train)), 1)
        maps = gaussian(features[: len(train)])(features[len(train) :])
        found.append(areas(maps, maps, masks, 0.01)[1])
    return float(np.mean(found))


def row(source: str) -> dict[str, Any]:
    network = network_of(source)
    (image, pixel), *layers = on_good_tiles(network)
    each = {"layers_pixel": [round(b, 3) for _, b in layers], "layers_image": [round(a, 3) for a, _ in layers]}
    known = {}
    if source.endswith(".pt"):
        state = torch.load(source, weights_only=True)["state"]
        known = {"steps": state["step"], "training_seconds": round(state["seconds"])}
    figures = {"tiles_image": round(image, 3), "tiles_pixel": round(pixel, 3)}
    return {"features": Path(source).stem, **known, **figures, "textures_pixel": round(on_textures(network), 3), **each}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sources", nargs="+", metavar="SOURCE")
    began, given = time.perf_counter(), parser.parse_args()
    torch.set_num_threads(1)
    rows = [row(source) for source in given.sources]
    before = results(NAME) if (RESULTS / f"{NAME}.json").is_file() else {"rows": []}
    known = {(found["features"], found.get("steps")) for found in rows}
    rows = [found for found in before["rows"] if (found["features"], found.get("steps")) not in known] + rows
    protocol = " ".join((__doc__ or "").split("\n\n")[1:3])
    kept = {key: before[key] for key in ("trials", "looks") if key in before}  # written by hand
    write(NAME, protocol, rows, time.perf_counter() - began, **kept)


if __name__ == "__main__":
    main()
