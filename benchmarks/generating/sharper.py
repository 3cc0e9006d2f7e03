"""Sharper images: the KL autoencoder with a perceptual term and with a patch discriminator, in equal processor time."""

from __future__ import annotations

import math
import time
from functools import cache, partial
from itertools import product
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import isthmus
from generating.models import TRAINED, finished
from generating.sets import PHOTOS, patches
from isthmus.autoencoder import Autoencoder, load_model
from isthmus.features import find_features
from isthmus.metrics import ssim
from isthmus.metrics.generation import frechet_distance
from isthmus.store import read_tensors, write_tensors
from isthmus.types import Context, Noise, Sample
from stored_rows import Part, Row

HELD = 40  # photos of the training patches that are held back; the test patches play no part
SECONDS, BATCH, RATE = {4: 75}, 32, 1e-3  # of processor time, by the factor
TERMS: dict[str, dict[str, float]] = {
    "plain": {},
    "perceptual 0.1": {"perceptual": 0.1},
    "adversarial 0.2": {"adversarial": 0.2},
}
JUDGE_EPOCHS, JUDGE_RATE = 3, 4e-3


def split() -> tuple[np.ndarray, np.ndarray]:
    """N×3×32×32 of the photos to train on, and of the photos held back."""
    every = patches("train")
    held = np.arange(len(every)) % PHOTOS >= PHOTOS - HELD
    return every[~held], every[held]


class PhotoClassifier(nn.Module):
    """From which photo a patch was cut: N×3×32×32 in [0, 1] -> logits; `features` are N×64.

    A judge that shares neither weights nor objective with the features of the perceptual term.
    """

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in ((3, 32), (32, 48), (48, 64)):
            layers += [nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
            layers += [nn.AvgPool2d(2)]
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(64 * 16, 64))
        self.last = nn.Linear(64, PHOTOS - HELD)

    def features(self, x: Tensor) -> Tensor:
        return self.layers(4 * x - 2)  # type: ignore[no-any-return]

    def forward(self, x: Tensor) -> Tensor:
        return self.last(F.relu(self.features(x)))  # type: ignore[no-any-return]


@cache
def judge() -> PhotoClassifier:
    """The classifier, trained once and kept in runs."""
    path, model = TRAINED / "photo-classifier.safetensors", PhotoClassifier()
    if not path.exists():
        TRAINED.mkdir(parents=True, exist_ok=True)
        write_tensors(path, train_judge().state_dict())
    model.load_state_dict(read_tensors(path)[0])
    return model.eval()


def judged() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Patches and photos to train the judge on, and 2000 others of the same photos."""
    x = torch.from_numpy(split()[0])
    labels = torch.arange(len(x)) % (PHOTOS - HELD)  # patches go through the photos in turn
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    return x[order[2000:]], labels[order[2000:]], x[order[:2000]], labels[order[:2000]]


@torch.enable_grad()
def train_judge() -> PhotoClassifier:
    x, labels, _, _ = judged()
    random = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    model, steps = PhotoClassifier(), len(x) // 128
    optimizer = torch.optim.AdamW(model.parameters(), JUDGE_RATE, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, JUDGE_RATE, total_steps=JUDGE_EPOCHS * steps)
    for _ in range(JUDGE_EPOCHS):
        for rows in torch.randperm(len(x), generator=random).split(128)[:steps]:
            batch = x[rows].float() / 255
            batch = batch.flip(3) if torch.rand((), generator=random) < 0.5 else batch
            loss = F.cross_entropy(model(batch), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return model


@torch.no_grad()
def accuracy() -> float:
    """Of the judge, on patches that it was not trained on."""
    _, _, x, labels = judged()
    return float((judge()(x.float() / 255).argmax(1) == labels).float().mean())


@torch.no_grad()
def seen(x: Tensor) -> dict[str, Tensor]:
    """Features of images by the judge, and those of the last layer that the package ships, averaged over positions."""
    model, shipped = judge(), find_features("auto")
    parts = x.split(500)
    return {
        "judge": torch.cat([model.features(part) for part in parts]),
        "shipped": torch.cat([shipped(part)[-1].mean((2, 3)) for part in parts]),
    }


def created(factor: int, terms: str) -> Autoencoder:
    return isthmus.create("generate", shape=(3, 32, 32), kind="kl", factor=factor, **TERMS[terms])  # type: ignore[arg-type]


@cache
def step_seconds(factor: int) -> dict[str, float]:
    """Processor seconds of a training step with each of TERMS, all in turn: the least of 10."""
    models = {terms: created(factor, terms).train() for terms in TERMS}
    batch = torch.from_numpy(split()[0][:BATCH]).float() / 255
    least = dict.fromkeys(models, float("inf"))
    for _ in range(10):
        for terms, model in models.items():
            began = time.process_time()
            model(Sample.of(batch), Context(Noise(0, 0, BATCH), 0.99)).total.backward()
            least[terms] = min(least[terms], time.process_time() - began)
    return least


def trained(factor: int, terms: str) -> tuple[Autoencoder, int]:
    """The autoencoder, trained for SECONDS, and the number of its steps."""
    x = split()[0]
    epoch = math.ceil(len(x) / BATCH)

    def train(out: Any) -> None:
        options: dict[str, Any] = {"schedule": "cosine", "warmup": 0.02, "batch_size": BATCH, "lr": RATE}
        options |= {"epochs": int(SECONDS[factor] / step_seconds(factor)[terms]) / epoch}
        options |= {"validation": 0.0, "test": 0.0, "device": "cpu", "quiet": True}
        isthmus.fit(created(factor, terms), x, out=out, **options)

    model = load_model(finished(f"sharper-{factor}-{terms.replace(' ', '-')}", train))
    return model, round(epoch * model.about["training"]["epochs"])


def row(factor: int, terms: str) -> Row:
    model, steps = trained(factor, terms)
    real = torch.from_numpy(split()[1]).float() / 255
    made = model.reconstruct(real, unit=True)
    error = (made - real).square().flatten(1).mean(1)
    truth, ours = seen(real), seen(made)
    return {
        "steps": steps,
        "psnr": float(-10 * error.log10().mean()),
        "ssim": float(torch.cat([ssim(a, b) for a, b in zip(made.split(500), real.split(500), strict=True)]).mean()),
        **{f"frechet_{name}": frechet_distance(truth[name], ours[name]) for name in truth},
    }


def floor() -> Row:
    """The distances between two halves of the held-back patches."""
    real = seen(torch.from_numpy(split()[1]).float() / 255)
    return {f"frechet_{name}": frechet_distance(x[::2], x[1::2]) for name, x in real.items()}


def sharper() -> None:
    part = Part("generation", "sharper")
    part.row(floor, images="halves of the held-back patches")
    for factor, terms in product(SECONDS, TERMS):
        part.row(partial(row, factor, terms), images="reconstructions", factor=factor, terms=terms)
    part.end(
        f"The recipe generate, kind=kl, on 32×32 patches of {PHOTOS - HELD} photos of bsd400_color, of processor time "
        f"{', '.join(f'{seconds} s at factor {factor}' for factor, seconds in SECONDS.items())}, by the steps that fit "
        f"into it; reconstructions of {len(split()[1]):,} patches of {HELD} other photos. frechet_judge: on the "
        f"features of a classifier of photos, trained on patches of the former (accuracy {accuracy():.3f} on others of "
        "its patches); frechet_shipped: on the features that the perceptual term itself uses. No test image is used."
    )
