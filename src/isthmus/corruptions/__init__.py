"""'corrupt': what the encoder is allowed to see; one file a family. And 'augment': x and the target changed together.

All are batched modules, replayable: corruption(sample, ctx) draws from ctx.noise alone. A corruption changes x, and may
put what it did into the condition; of the target it changes at most what x̃ can no longer be compared with, but for
those of alone.py, which make a target of noisy pictures. Using a model on real damage never applies it: that is
`given(x)`.
"""

from __future__ import annotations

from typing import Any

from isthmus.corruptions.augment import Affine, Crop, Zoom
from isthmus.corruptions.base import Compose, Corruption, OneOf, named, parsed, span, strength
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
from isthmus.corruptions.self_supervised import BlindSpot, Neighbors
from isthmus.corruptions.synthetic_defects import SyntheticDefect
from isthmus.corruptions.watermark.overlay import Watermark
from isthmus.renamed import former

AUGMENTATIONS: dict[str, type[Any]] = {"affine": Affine, "zoom": Zoom, "crop": Crop}
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
    "neighbours": Neighbors,
    "blind-spot": BlindSpot,
}


def augmentation(text: str) -> Any:
    """'affine', 'affine:0.5', 'zoom', 'crop:64' or 'none' -> an augmentation. Raises BadInput for anything else."""
    return None if text == "none" else named(text, "augmentation", AUGMENTATIONS)


def corruption(text: str) -> Corruption | None:
    """'gaussian:0.3', 'masking:0.25+gaussian:0.1', 'gaussian:0-0.2,jpeg' or 'none' -> a corruption.

    '+' is one after the other, ',' one of them for each item. Raises BadInput for anything else.
    """
    return None if text == "none" else parsed(text, CORRUPTIONS)


def white_noise(sigma: str | float) -> GaussianNoise:
    """'25', or '0-55' for any in between, of 255 -> noise of that strength. Raises BadInput for anything else."""
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
    "Crop",
    "Zoom",
    "AUGMENTATIONS",
    "CORRUPTIONS",
    "augmentation",
    "corruption",
    "white_noise",
]
__getattr__ = former(
    __name__, __name__, {"Blemish": "SyntheticDefect", "Neighbours": "Neighbors", "Shrink": "Downsample"}
)
