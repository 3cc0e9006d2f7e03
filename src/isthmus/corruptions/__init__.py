"""Corruptions, which change the network input x̃, and augmentations, which change x and the target together.

All are batched, replayable modules: corruption(sample, ctx) draws from ctx.noise only. A corruption may add a mask or a
strength to the condition. It leaves the target alone, except where x̃ loses pixels or channels of it, and in
self_supervised.py, which makes a target from noisy images. Real degraded images go through `prepare_input` instead.
"""

from __future__ import annotations

from typing import Any

from isthmus.corruptions.augment import Affine, Binarize, Crop, Zoom
from isthmus.corruptions.base import Compose, Corruption, OneOf, named, numbers, parsed, span, strength
from isthmus.corruptions.camera import CameraNoise
from isthmus.corruptions.downsample import Downsample, enlarge
from isthmus.corruptions.jpeg import CroppedJpeg, Jpeg
from isthmus.corruptions.noise import (
    Clipped,
    GaussianNoise,
    PoissonGaussian,
    PoissonNoise,
    SaltAndPepper,
    Speckle,
)
from isthmus.corruptions.random_masks import Holes, Masking
from isthmus.corruptions.segmentation_augmentation import SegmentationAugmentation
from isthmus.corruptions.self_supervised import BlindSpot, Neighbors
from isthmus.corruptions.synthetic_defects import SyntheticDefect
from isthmus.corruptions.watermark.overlay import Watermark
from isthmus.renamed import former

AUGMENTATIONS: dict[str, type[Any]] = {
    "affine": Affine,
    "zoom": Zoom,
    "crop": Crop,
    "segmentation": SegmentationAugmentation,
    "binarize": Binarize,
}
CORRUPTIONS: dict[str, type[Corruption]] = {
    "gaussian": GaussianNoise,
    "poisson": PoissonNoise,
    "poisson-gaussian": PoissonGaussian,
    "salt-and-pepper": SaltAndPepper,
    "speckle": Speckle,
    "camera": CameraNoise,
    "clipped": Clipped,
    "jpeg": Jpeg,
    "cropped-jpeg": CroppedJpeg,
    "masking": Masking,
    "holes": Holes,
    "watermark": Watermark,
    "blemish": SyntheticDefect,
    "shrink": Downsample,
    "neighbors": Neighbors,
    "blind-spot": BlindSpot,
}
ALIASES = {"neighbours": Neighbors}  # former names, accepted in texts


def augmentation(text: str) -> Any:
    """'affine', 'affine:0.5', 'zoom', 'crop:64', 'segmentation', 'binarize' or 'none' -> an augmentation.

    Raises BadInput for any other text.
    """
    return None if text == "none" else named(text, "augmentation", AUGMENTATIONS, numbers)


def corruption(text: str) -> Corruption | None:
    """'gaussian:0.3', 'masking:0.25+gaussian:0.1', 'gaussian:0-0.2,jpeg' or 'none' -> a corruption.

    '+' applies one after the other, ',' chooses one for each item. Raises BadInput for any other text.
    """
    return None if text == "none" else parsed(text, CORRUPTIONS | ALIASES)


def white_noise(sigma: str | float) -> GaussianNoise:
    """'25' or '0-55' (a random one in this range), of 255 -> Gaussian noise. Raises BadInput for any other text."""
    low, high = span("sigma", strength("sigma", sigma))
    return GaussianNoise((low / 255, high / 255))


__all__ = [
    "Corruption",
    "Compose",
    "OneOf",
    "GaussianNoise",
    "PoissonNoise",
    "PoissonGaussian",
    "SaltAndPepper",
    "Speckle",
    "CameraNoise",
    "Clipped",
    "Jpeg",
    "CroppedJpeg",
    "Masking",
    "Holes",
    "Watermark",
    "SyntheticDefect",
    "Downsample",
    "Neighbors",
    "BlindSpot",
    "enlarge",
    "Affine",
    "Binarize",
    "Crop",
    "Zoom",
    "SegmentationAugmentation",
    "AUGMENTATIONS",
    "CORRUPTIONS",
    "augmentation",
    "corruption",
    "white_noise",
]
__getattr__ = former(
    __name__, __name__, {"Blemish": "SyntheticDefect", "Neighbours": "Neighbors", "Shrink": "Downsample"}
)
