"""Frozen feature extractors: images in [0, 1] in, a tuple of layers out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from isthmus.errors import BadInput
from isthmus.registry import register

Layers = tuple[Tensor, ...]
PROBE = 64  # height and width of the image that a new source is tried on


class FrozenFeatures(nn.Module):
    """Base class: N×C×H×W of float32 in [0, 1] -> a tuple of layers N×K×h×w.

    `channels` (3 or 1) is the C of the input. The weights get no gradients and the module stays in eval mode, because
    batch statistics and dropout would make features depend on the batch. Gradients reach the input, as a perceptual
    loss needs, except through onnxruntime.
    """

    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        if channels not in (1, 3):
            raise BadInput(f"features of images with {channels} channels: 1 or 3 are accepted")
        self.channels = channels

    def train(self, mode: bool = True) -> FrozenFeatures:
        return super().train(False)

    def freeze(self) -> None:
        """To be called at the end of a constructor."""
        self.requires_grad_(False)
        self.eval()


@register
class OwnFeatures(FrozenFeatures):
    """Any module that returns feature maps: a tensor, or a tuple, list or dict of tensors. It is frozen in place.

    A run stores an unregistered module by its class name: isthmus.load(run, features=module) loads it.
    """

    def __init__(self, features: nn.Module) -> None:
        channels: Any = getattr(features, "channels", 3)
        super().__init__(channels if isinstance(channels, int) else 3)  # ConvEncoder.channels is a tuple, for one
        self.features = features
        self.freeze()

    def forward(self, x: Tensor) -> Layers:
        return as_layers(self.features(x), type(self.features).__name__)


def as_layers(output: Any, name: str) -> Layers:
    """The output of a module as a tuple of layers; BadInput naming the shapes if one is not N×K×h×w."""
    if isinstance(output, Mapping):
        output = tuple(output.values())
    layers = tuple(output) if isinstance(output, (tuple, list)) else (output,)
    if not layers or any(not isinstance(layer, Tensor) or layer.ndim != 4 for layer in layers):
        shapes = ", ".join(_shape(layer) for layer in layers) or "nothing"
        raise BadInput(f"{name}: gives {shapes}; feature maps N×K×h×w are accepted")
    return layers


def checked(features: FrozenFeatures, name: str) -> FrozenFeatures:
    """The same features, tried on a black image; BadInput if they fail, or are not finite maps."""
    with torch.no_grad():
        layers = features(torch.zeros(1, features.channels, PROBE, PROBE))
    if not all(layer.isfinite().all() for layer in layers):
        raise BadInput(f"{name}: gives NaN or infinite values for a black image")
    return features


def _shape(output: Any) -> str:
    if not isinstance(output, Tensor):
        return f"a value of type {type(output).__name__}"
    return f"a tensor of shape {'×'.join(map(str, output.shape))}" if output.ndim else "a number"
