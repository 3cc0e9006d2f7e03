"""Train the small classifiers whose features the Fréchet distances of benchmarks/generation.py are computed on:

    python benchmarks/train_classifier.py [mnist | fashion-mnist] ...

Trained on the official training split with fixed settings; the test split is evaluated once. The weights are kept in
runs/classifiers (about two minutes of one core each); results/generation-classifiers.json has the accuracies.
"""

from __future__ import annotations

import sys
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from common import write
from isthmus.data.builtin import BUILTIN
from isthmus.store import read_tensors, write_tensors
from stored_rows import RUNS

FOLDER = RUNS / "classifiers"
FEATURES, CLASSES = 64, 10
SETS, MIRRORED = ("mnist", "fashion-mnist"), ("fashion-mnist",)
EPOCHS, BATCH, RATE, DECAY = 8, 256, 4e-3, 5e-3
SHIFT = {"mnist": 2, "fashion-mnist": 0}  # pixels; clothes fill their pictures


class Classifier(nn.Module):
    """Gray pictures N×1×28×28 in [0, 1] -> N×10 logits; `features` gives the N×64 numbers before the last ReLU."""

    channels = 1

    def __init__(self, widths: tuple[int, ...] = (16, 32, 64)) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in zip((1, *widths[:-1]), widths, strict=True):
            layers += [nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
            layers += [nn.MaxPool2d(2)]
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.2), nn.Linear(widths[-1] * 9, FEATURES))
        self.last = nn.Linear(FEATURES, CLASSES)

    def features(self, x: Tensor) -> Tensor:
        return self.layers((x - 0.5) * 2)  # type: ignore[no-any-return]

    def forward(self, x: Tensor) -> Tensor:
        return self.last(F.relu(self.features(x)))  # type: ignore[no-any-return]


def trained(data: str) -> tuple[Classifier, float]:
    """The classifier of a data set, from its file or trained now; the processor seconds of its training."""
    path = FOLDER / f"{data}.safetensors"
    if not path.exists():
        began, model = time.process_time(), train(data)
        FOLDER.mkdir(parents=True, exist_ok=True)
        write_tensors(path, model.state_dict(), {"cpu_seconds": round(time.process_time() - began, 1)})
    model = Classifier()
    weights, header = read_tensors(path)
    model.load_state_dict(weights)
    return model.eval().requires_grad_(False), header["cpu_seconds"]


def train(data: str) -> Classifier:
    """AdamW with a rate that rises and falls once, on training pictures: digits shifted, clothes mirrored."""
    torch.manual_seed(0)
    model, random = Classifier(), torch.Generator().manual_seed(0)
    x, labels = split(data, "train")
    steps = len(x) // BATCH
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, EPOCHS * steps)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(x), generator=random)[: steps * BATCH].split(BATCH):
            batch = shifted(x[rows], SHIFT[data], random)
            if data in MIRRORED and torch.rand((), generator=random) < 0.5:
                batch = batch.flip(-1)
            loss = F.cross_entropy(model(batch), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        print(f"{data}: loss {loss.item():.3f}", flush=True)
    return model


def shifted(x: Tensor, most: int, random: torch.Generator) -> Tensor:
    """The batch, moved by up to that many pixels in each direction."""
    down, right = (int(n) for n in torch.randint(2 * most + 1, (2,), generator=random))
    return F.pad(x, [most] * 4)[..., down : down + x.shape[-2], right : right + x.shape[-1]]


def split(data: str, part: str) -> tuple[Tensor, Tensor]:
    """Pictures N×1×28×28 in [0, 1] and labels N."""
    opened = BUILTIN[data]()
    chosen = opened.subset(opened.parts[part])
    assert chosen.labels is not None
    return chosen.floats(), torch.from_numpy(np.asarray(chosen.labels, np.int64))


@torch.no_grad()
def accuracy(model: Classifier, data: str) -> float:
    x, labels = split(data, "test")
    return float(torch.cat([model(part).argmax(1) for part in x.split(1000)]).eq(labels).double().mean())


def main(names: list[str]) -> None:
    rows, began = [], time.perf_counter()
    for name in names or SETS:
        model, seconds = trained(name)
        weights = sum(p.numel() for p in model.parameters())
        rows.append(
            {"data": name, "accuracy": accuracy(model, name), "features": FEATURES, "weights": weights}
            | {"cpu_seconds": seconds}
        )
    write(
        "generation-classifiers",
        f"three 3×3 convolutions with batch norm and pooling, {FEATURES} features; {EPOCHS} epochs of AdamW "
        "on the 60,000 training pictures, seed 0; accuracy on the 10,000 test pictures",
        rows,
        time.perf_counter() - began,
    )


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(sys.argv[1:])
