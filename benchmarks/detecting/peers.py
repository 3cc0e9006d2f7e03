"""anomalib's PatchCore and PaDiM with the backbone and the layers of ours, and its defaults but for CORESET.

`make bench-peers` puts anomalib into .peers/anomalib.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import peer_packages
from detecting.mobilenet import mobilenet
from detecting.tiles import found_in, of_images, pictures

FOLDER = "anomalib"  # in .peers
BACKBONE, LAYERS = "mobilenetv2_100", ("blocks.2", "blocks.4")  # timm's names of the layers of mobilenet.py
CORESET = 0.01  # of all patches, the smaller share of the paper; the default, .1, takes ten times as long to choose
DIMENSIONS = 100  # of PaDiM: the default for ResNet-18, as there is none for MobileNetV2
BATCH, TIMED = 32, 32  # its default of images that are seen together; images that are timed


class Layers(nn.Module):
    """MobileNetV2 as anomalib's extractors give it: N×3×H×W in [0, 1] -> its maps by name, normalized as always."""

    def __init__(self) -> None:
        super().__init__()
        self.network = mobilenet()

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return dict(zip(LAYERS, self.network.eval()(x), strict=True))


def patchcore(good: list[Tensor]) -> Any:
    from anomalib.models.image.patchcore.torch_model import PatchcoreModel

    model = PatchcoreModel(LAYERS, BACKBONE, pre_trained=False)
    return fitted(model, good, lambda: model.subsample_embedding(CORESET))


def padim(good: list[Tensor]) -> Any:
    from anomalib.models.image.padim.torch_model import PadimModel

    model = PadimModel(BACKBONE, list(LAYERS), pre_trained=False, n_features=DIMENSIONS)
    return fitted(model, good, model.fit)


def fitted(model: Any, good: list[Tensor], fit: Callable[[], None]) -> Any:
    model.feature_extractor = Layers()
    model.train()
    for x in good:
        model(x)
    fit()
    return model.eval()


PEERS = {"anomalib PatchCore, coreset 1 %": patchcore, "anomalib PaDiM": padim}


def has_anomalib() -> bool:
    return peer_packages.has(FOLDER, "anomalib")


def versions() -> dict[str, str]:
    peer_packages.use(FOLDER)
    return {name: version(name) for name in ("anomalib", "timm", "torchvision")}


@torch.inference_mode()
def peer(name: str, top: Path) -> dict[str, Any]:
    """The figures of a peer on a folder that is laid out as MVTec's are."""
    versions()
    import anomalib.models.image.padim.torch_model
    import anomalib.models.image.patchcore.torch_model  # noqa: F401  before the clock starts

    torch.manual_seed(0)
    np.random.seed(0)
    began, used = time.perf_counter(), time.process_time()
    model = PEERS[name](batches(pictures(top / "train" / "good")))
    spent = {"training_seconds": time.perf_counter() - began, "training_cpu_seconds": time.process_time() - used}
    (x,) = batches(pictures(top / "test" / "blowhole")[:TIMED])
    model(x)  # ours has seen images as well, those that it was calibrated on
    spent |= milliseconds(partial(model, x), len(x))

    def find(x: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray]:
        found = [model(batch) for batch in batches(x)]
        scores = torch.cat([one.pred_score.flatten() for one in found])
        return {"own": scores.numpy()}, torch.cat([one.anomaly_map for one in found])[:, 0].numpy()

    scores, kinds, of_pixels = found_in(find, top)
    return of_images(scores["own"], kinds) | of_pixels | spent


def milliseconds(find: Callable[[], Any], count: int) -> dict[str, float]:
    """Of one of `count` images: by the clock, and of the processor, which other work on the machine changes less."""
    began, used = time.perf_counter(), time.process_time()
    find()
    spent = {"milliseconds": time.perf_counter() - began, "cpu_milliseconds": time.process_time() - used}
    return {f"{name}_a_picture": seconds / count * 1000 for name, seconds in spent.items()}


def batches(x: np.ndarray) -> list[Tensor]:
    """Gray images N×H×W as N×3×H×W, in batches."""
    return list(torch.from_numpy(x)[:, None].expand(-1, 3, -1, -1).split(BATCH))
