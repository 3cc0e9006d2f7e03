"""Train the features that the package ships, without labels, and pack them:

    python benchmarks/train_features.py [NAME] [--steps N] [--out RUNS] [--pack]

NAME is a candidate of OBJECTIVES; the default is what ships. benchmarks/choose_features.py compares them. Trained on
photos that the shipped models may learn from, by the name of their set; the last ones are kept for the choice. The
training is seeded, continues from RUNS/NAME.pt, and stops after N steps of the whole schedule.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from common import machine
from isthmus import store
from isthmus.features.convolutional import ConvolutionalFeatures, folded
from isthmus.files import atomic
from isthmus.models import CARD, FOLDER
from isthmus.registry import config_of
from overlap import LEARNED, without
from self_supervision import OBJECTIVES, Heads, losses

DATA = Path(os.environ.get("ISTHMUS_DATA", "data"))
SETS = {"bsd400_color": 361, "photos_cc": 16, "t91": 89}  # the first files by name; the others are for the choice
LICENCE = "BSDS500: research and education; photos_cc: CC0, CC BY and CC BY-SA; T91: none stated"
SCALES = (1.4, 1.0, 0.7, 0.5)
LARGE = 400_000  # pixels; larger pictures are not enlarged
CROP, BATCH, RATE, WARMUP, SAVED = 112, 32, 2e-3, 0.05, 100
SHIPPED, STEPS = "dense-turned", 2400


def files(rest: bool = False) -> list[Path]:
    """The photos to learn from, or those that are kept for the choice."""
    found = []
    for name, count in SETS.items():
        every = sorted(path for path in (DATA / name).glob("*") if path.suffix in (".png", ".jpg", ".bmp"))
        found += without(LEARNED, name, every[count:] if rest else every[:count])
    return found


def pyramid(paths: list[Path], least: int = CROP) -> list[Tensor]:
    """3×H×W of whole numbers: each picture in several sizes, since the scale of a texture is arbitrary."""
    levels = []
    for path in paths:
        with Image.open(path) as file:
            image = file.convert("RGB")
        for scale in SCALES:
            size = (round(image.width * scale), round(image.height * scale))
            if min(size) >= least and (scale <= 1 or image.width * image.height <= LARGE):
                pixels = np.array(image if scale == 1 else image.resize(size, Image.Resampling.LANCZOS))
                levels.append(torch.from_numpy(pixels).permute(2, 0, 1).contiguous())
    return levels


@dataclass
class Crops:
    """Random crops of a list of pictures, mirrored and turned."""

    pictures: list[Tensor]

    def __post_init__(self) -> None:
        sides = torch.tensor(
            [[picture.shape[1] - CROP + 1.0, picture.shape[2] - CROP + 1.0] for picture in self.pictures]
        )
        self.weights = sides.prod(1).sqrt()  # a photo of megapixels holds more, but is one photo

    def draw(self, random: torch.Generator) -> Tensor:
        out = torch.empty(BATCH, 3, CROP, CROP, dtype=torch.uint8)
        for i, k in enumerate(torch.multinomial(self.weights, BATCH, replacement=True, generator=random).tolist()):
            picture = self.pictures[k]
            top, left = (int(torch.randint(side - CROP + 1, (), generator=random)) for side in picture.shape[1:])
            out[i] = picture[:, top : top + CROP, left : left + CROP]
        turned, *mirrored = (torch.rand(3, generator=random) < 0.5).tolist()
        x = out.transpose(2, 3) if turned else out
        return x.flip([axis for axis, flip in zip((2, 3), mirrored, strict=True) if flip]).float() / 255


def rate(step: int, steps: int) -> float:
    """Linear warmup, then a cosine to zero."""
    done = step / steps
    return RATE * min(1.0, done / WARMUP + 0.01) * (1 + math.cos(math.pi * done)) / 2


def train(name: str, steps: int, out: Path) -> tuple[ConvolutionalFeatures, dict[str, Any]]:
    """The network of a candidate, with batch norms, and the record of its training; continues from a checkpoint."""
    objective = OBJECTIVES[name]
    torch.manual_seed(0)
    random = torch.Generator().manual_seed(0)
    network = ConvolutionalFeatures(norm=True)
    heads = Heads(network.widths)
    weights = [*network.parameters(), *heads.parameters()]
    optimizer = torch.optim.AdamW(weights, RATE, weight_decay=0.02)
    state: dict[str, Any] = {"step": 0, "seconds": 0.0, "loss": {}}
    parts = {"network": network, "heads": heads, "optimizer": optimizer}
    checkpoint = out / f"{name}.pt"
    if checkpoint.is_file():
        saved = torch.load(checkpoint, weights_only=True)
        for key, part in parts.items():
            part.load_state_dict(saved[key])  # type: ignore[attr-defined]
        random.set_state(saved["random"])
        state = saved["state"]
    crops = Crops(pyramid(files())) if state["step"] < steps else None
    began = time.process_time() - state["seconds"]
    while crops and state["step"] < steps:
        for group in optimizer.param_groups:
            group["lr"] = rate(state["step"], steps)
        found = losses(objective, network, heads, crops.draw(random), random)
        total = torch.stack([objective.weights[key] * value for key, value in found.items()]).sum()
        optimizer.zero_grad()
        total.backward()
        nn.utils.clip_grad_norm_(weights, 5.0)
        optimizer.step()
        state["step"] += 1
        state["seconds"] = time.process_time() - began
        state["loss"] = {
            key: 0.98 * state["loss"].get(key, value.item()) + 0.02 * value.item() for key, value in found.items()
        }
        if state["step"] % SAVED == 0 or state["step"] == steps:
            print(
                name,
                state["step"],
                round(state["seconds"]),
                {k: round(v, 3) for k, v in state["loss"].items()},
                flush=True,
            )
            with atomic(checkpoint) as path:
                held = {key: part.state_dict() for key, part in parts.items()}  # type: ignore[attr-defined]
                torch.save(held | {"random": random.get_state(), "state": state}, path)
    return network.eval(), state


def pack(name: str, network: ConvolutionalFeatures, state: dict[str, Any]) -> Path:
    """The network as shipped features: config, weights in half precision, card."""
    folder, plain = FOLDER / "features", folded(network)
    weights = {key: value.half() for key, value in plain.state_dict().items()}
    folder.mkdir(parents=True, exist_ok=True)
    store.write_json(folder / store.CONFIG, {"format": store.FORMAT, "model": config_of(plain)})
    store.write_tensors(folder / store.WEIGHTS, weights)
    card = {
        "name": "features",
        "use": "features of images, for the detection of anomalies: layers of strides 4, 8 and 16",
        "recipe": f"self-supervised: {name} (benchmarks/self_supervision.py)",
        "data": ", ".join(f"{name} (the first {count} files)" for name, count in SETS.items()),
        "licence": LICENCE,
        "begun_from": None,
        "weights": sum(value.numel() for value in weights.values()),
        "options": asdict(OBJECTIVES[name]),
        "training": {"crop": CROP, "batch_size": BATCH, "lr": RATE, "schedule": "cosine", "warmup": WARMUP, "seed": 0},
        "steps": state["step"],
        "seconds": round(state["seconds"]),
        "machine": machine(),
        "date": time.strftime("%Y-%m-%d"),
        "figures": {"loss": state["loss"]},
    }
    with atomic(folder / CARD) as path:
        path.write_text(json.dumps(card, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="?", default=SHIPPED, choices=[*OBJECTIVES], metavar="NAME")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--out", type=Path, default=Path("runs/features"))
    parser.add_argument("--pack", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(1)  # the same numbers on any number of cores
    network, state = train(given.name, given.steps, given.out)
    if given.pack:
        print(pack(given.name, network, state), flush=True)


if __name__ == "__main__":
    main()
