"""Pretrained backbones of timm, if the user has installed it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from isthmus.errors import BadInput, unknown
from isthmus.features.base import FrozenFeatures, Layers, as_layers, checked
from isthmus.registry import register

STRIDES = (8, 16)  # of the layers that PatchCore and most later detectors compare


@register
class TimmFeatures(FrozenFeatures):
    """The layers `indices` of the timm model `model`, for images in [0, 1]: its own mean and std are applied inside.

    The constructor downloads nothing, because a run holds the weights; `pretrained` does.
    """

    def __init__(self, model: str, indices: Sequence[int]) -> None:
        network = _create(model, pretrained=False, out_indices=tuple(indices))
        config = network.pretrained_cfg
        channels, *self.size = config.get("input_size", (3, 224, 224))
        super().__init__(channels)
        self.model, self.fixed = model, bool(config.get("fixed_input_size", False))
        self.network = network
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(config.get("mean", (0.0,) * channels)).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(config.get("std", (1.0,) * channels)).view(1, -1, 1, 1))
        self.freeze()

    @classmethod
    def pretrained(cls, name: str) -> FrozenFeatures:
        """The layers of strides 8 and 16 (all, if there are none) with timm's weights, downloaded into timm's cache."""
        info = _create(name, pretrained=False).feature_info
        layers = list(zip(info.out_indices, info.reduction(), strict=True))
        indices = tuple([i for i, stride in layers if stride in STRIDES] or [i for i, _ in layers])
        features = cls(name, indices)
        try:
            weights = _create(name, pretrained=True, out_indices=indices).state_dict()
        except BadInput:
            raise
        except Exception as error:  # of the network, of the hub, of a model without weights
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise BadInput(f"timm:{name}: its weights cannot be loaded ({reason})") from error
        features.network.load_state_dict(weights)
        return checked(features, f"timm:{name}")

    def forward(self, x: Tensor) -> Layers:
        if self.fixed and tuple(x.shape[2:]) != tuple(self.size):
            x = F.interpolate(x, tuple(self.size), mode="bilinear", antialias=True)
        return as_layers(self.network((x - self.mean) / self.std), f"timm:{self.model}")


def _create(name: str, **options: Any) -> Any:
    try:
        import timm
    except ImportError as error:
        raise BadInput(f"timm:{name}: needs timm, which needs torchvision: pip install timm torchvision") from error
    if not timm.is_model(name):
        raise unknown("model of timm", name, timm.list_models())
    return timm.create_model(name, features_only=True, **options)
