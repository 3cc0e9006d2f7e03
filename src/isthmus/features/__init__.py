"""Frozen feature extractors, from a module, a file, a hub, timm or the package."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from isthmus.errors import BadInput, unknown
from isthmus.features.base import FrozenFeatures, OwnFeatures
from isthmus.features.convolutional import ConvolutionalFeatures
from isthmus.features.exported import FORMATS, ExportedFeatures
from isthmus.features.grid import FeatureGrid
from isthmus.features.hub import from_hub
from isthmus.features.shipped import AUTO, shipped, shipped_names
from isthmus.features.timm_features import TimmFeatures

ACCEPTED = ("auto", "FILE.onnx", "FILE.pt2", "hub:OWNER/NAME", "hub:OWNER/NAME/FILE", "timm:NAME")


def find_features(source: str | Path | nn.Module) -> FrozenFeatures:
    """The frozen feature extractor of a source: images N×C×H×W in [0, 1] -> a tuple of layers N×K×h×w.

    source: a module; the path of an exported program (.pt2, .onnx); hub:OWNER/NAME or hub:OWNER/NAME/FILE for such a
    file on the hub; timm:NAME; the name of features that the package ships, or "auto" for the default ones.

    Raises BadInput for an unknown source, and for one that gives no feature maps.
    """
    if isinstance(source, nn.Module):
        return source if isinstance(source, FrozenFeatures) else OwnFeatures(source)
    text = str(source)
    kind, _, rest = text.partition(":")
    if kind == "hub":
        return from_hub(rest)
    if kind == "timm":
        return TimmFeatures.pretrained(rest)
    path = Path(source)
    if path.suffix.lower().removeprefix(".") in FORMATS:
        return ExportedFeatures.from_file(path)
    if path.suffix.lower() in (".pt", ".pth", ".ckpt", ".safetensors", ".bin", ".pkl"):
        raise BadInput(f"{text}: holds weights without a program; export the module as .pt2 or .onnx")
    if text == "auto" or text.startswith(AUTO):
        return shipped(AUTO if text == "auto" else text)
    if path.exists():
        raise BadInput(f"{text}: is no source of features; a .pt2 or .onnx file is accepted")
    raise unknown("source of features", text, (*ACCEPTED, *shipped_names()))


__all__ = [
    "find_features",
    "FeatureGrid",
    "FrozenFeatures",
    "OwnFeatures",
    "ConvolutionalFeatures",
    "ExportedFeatures",
    "TimmFeatures",
    "shipped",
]
