"""Trainings of the parts: the recipe `segment`, and other networks on the same patches in the same processor time."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

import isthmus
import peer_packages
import stored_rows
from isthmus.corruptions import augmentation
from isthmus.jobs.segmentation.instances import connected
from isthmus.jobs.segmentation.objectives import dice_loss
from isthmus.jobs.segmentation.training_data import open_pairs
from isthmus.metrics.segmentation import IGNORE
from isthmus.types import Context, Noise
from stored_rows import RUNS

TRAINED = RUNS / "segmentation"
SQUARE, BATCH = 128, 8  # of the patches, as in the recipe
TOUCHING = 10.0  # the weight of the pixels between touching objects in Ronneberger et al. 2015
PRECISION = "bf16-mixed"  # of all trainings: about 1.7 times as fast as float32 on processors with AVX512-BF16
ALIKE: dict[str, Any] = {"precision": PRECISION, "quiet": True, "seed": 0}
MULTIPLE = 32  # of pixels: the sides that five stages take


def trained(name: str, images: Path, masks: Path, **keys: Any) -> Path:
    """A run of the recipe `segment`; one that an earlier start has finished is kept."""
    return finished(name, lambda out: isthmus.train("segment", images, masks=masks, out=out, **ALIKE | keys))


def finished(name: str, train: Callable[[Path], Any]) -> Path:
    """The run TRAINED / name, filled by `train` unless an earlier start has finished it."""
    return stored_rows.finished(TRAINED / name, train)


def seconds_of(name: str) -> float:
    """The processor time of the training of a run."""
    return stored_rows.seconds_of(TRAINED / name)


class UNet2015(nn.Module):
    """The network of Ronneberger et al. 2015 at a quarter of its width (1.9 M weights), with padded convolutions."""

    def __init__(self, channels: int, classes: int, widths: Sequence[int] = (16, 32, 64, 128, 256)) -> None:
        super().__init__()
        self.downs = nn.ModuleList(map(_pair, (channels, *widths[:-1]), widths))
        self.ups = nn.ModuleList(
            nn.ConvTranspose2d(wide, narrow, 2, 2) for wide, narrow in zip(widths[:0:-1], widths[-2::-1], strict=True)
        )
        self.joins = nn.ModuleList(map(_pair, widths[:0:-1], widths[-2::-1]))
        self.last = nn.Conv2d(widths[0], classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        skips: list[Tensor] = []
        for down in self.downs:
            x = down(F.max_pool2d(x, 2) if skips else x)
            skips.append(x)
        skips.pop()
        for up, join in zip(self.ups, self.joins, strict=True):
            x = join(torch.cat([skips.pop(), up(x)], 1))
        return self.last(x)  # type: ignore[no-any-return]


def _pair(before: int, after: int) -> nn.Sequential:
    convolutions = nn.Conv2d(before, after, 3, padding=1), nn.Conv2d(after, after, 3, padding=1)
    for each in convolutions:
        nn.init.kaiming_normal_(each.weight, nonlinearity="relu")
    return nn.Sequential(convolutions[0], nn.ReLU(), convolutions[1], nn.ReLU())


Predict = Callable[[np.ndarray], np.ndarray]


def fitted(
    make: Callable[[int, int], nn.Module],
    images: Path,
    masks: Path,
    seconds: float,
    lr: float,
    square: int = SQUARE,
    batch: int = BATCH,
) -> Predict:
    """Train a network for so many seconds of processor time; return image H×W(×C) uint8 -> probabilities K×H×W.

    make: (channels, classes) -> network. The patches, their augmentation, the size of batches, AdamW, the cosine
    schedule and the sum of cross-entropy and Dice are those of `segment`; objects are separated as in 2015, by weights
    of the pixels between them, and the pixels where they touch are background.
    """
    torch.manual_seed(0)
    began, step = time.process_time(), 0
    data = open_pairs(images, masks, {"keys": {"touching": TOUCHING}}, square)
    classes = len(data.source["labels"]["classes"]["values"])
    net, augment, random = make(data.shape[0], classes), augmentation("segmentation"), np.random.default_rng(0)
    optimizer = torch.optim.AdamW(net.parameters(), lr, weight_decay=1e-2)
    while (done := (time.process_time() - began) / seconds) < 1:
        for group in optimizer.param_groups:
            group["lr"] = lr * min(1, done / 0.02 + 0.01) * (1 + math.cos(math.pi * done)) / 2
        sample = data.sample(np.sort(random.integers(len(data), size=batch))).in_units()
        sample = augment(sample, Context(Noise(0, step, batch), done))
        labels = sample.target[:, 0].long()
        if sample.target.shape[1] > 1:
            labels = labels.where((sample.target[:, 1] == 0) | (labels == IGNORE), 0)
        with torch.autocast("cpu", torch.bfloat16, enabled=PRECISION == "bf16-mixed"):
            logs = F.log_softmax(net(sample.x).float(), 1)
        known = labels != IGNORE
        labels = labels.where(known, 0)
        weight = sample.weight[:, 0] if isinstance(sample.weight, Tensor) else 1.0
        nats = -logs.gather(1, labels[:, None])[:, 0] * known * weight
        loss = (nats.flatten(1).sum(1) + dice_loss(logs.exp(), labels, known)).mean() / square**2
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        step += 1
    net.eval()
    return lambda image: _probabilities(net, image, data.shape[0])


@torch.inference_mode()
def _probabilities(net: nn.Module, image: np.ndarray, channels: int) -> np.ndarray:
    planes = image.reshape(*image.shape[:2], -1)[..., :channels].transpose(2, 0, 1).astype(np.float32) / 255
    height, width = planes.shape[1:]
    down, across = -height % MULTIPLE, -width % MULTIPLE
    x = torch.from_numpy(np.pad(planes, ((0, 0), (0, down), (0, across)), mode="reflect"))
    return net(x[None]).softmax(1)[0, :, :height, :width].numpy()  # type: ignore[no-any-return]


def regions(probability: np.ndarray) -> np.ndarray:
    """H×W int32: the connected regions of the foreground, of probabilities 2×H×W."""
    return connected(probability[1] >= 0.5)


def smp_unet(channels: int, classes: int) -> nn.Module:
    """segmentation_models.pytorch's Unet, ResNet-18 without downloaded weights. ImportError without its packages."""
    peer_packages.use("segmentation")
    import segmentation_models_pytorch as smp

    return smp.Unet("resnet18", encoder_weights=None, in_channels=channels, classes=classes)


def has_smp() -> bool:
    return peer_packages.has("segmentation", "segmentation_models_pytorch")


def rgb(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB"))
