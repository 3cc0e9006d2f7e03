"""The recipe of segmentation: a U-Net from an image to the class of each pixel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from isthmus.autoencoder import Autoencoder
from isthmus.bottlenecks import Identity
from isthmus.corruptions import augmentation
from isthmus.errors import BadInput
from isthmus.jobs.segmentation.objectives import LOSSES, LabelLoss
from isthmus.jobs.segmentation.pixels import check_normalize
from isthmus.networks import UNetDecoder, UNetEncoder
from isthmus.recipes.builders import require_images
from isthmus.recipes.integers import numbers
from isthmus.recipes.registry import recipe
from isthmus.types import Shape

SQUARE = 128  # pixels of a side of the training patches
TRAINING: dict[str, Any] = {
    "epochs": 10,
    "least_steps": 3000,
    "batch_size": 8,
    "lr": 2e-3,
    "schedule": "cosine",
    "warmup": 0.02,
    "weight_decay": 1e-2,
    "clip": 2 * SQUARE**2,  # a loss of about one nat a pixel; twice its gradient is an accident
    "ema": 0.995,
    "validation": 0.1,
    "test": 0.0,
}


@recipe(
    "gray",
    "color",
    job="segmentation",
    cut=SQUARE,
    only={
        "gamma": ("loss", "focal", "focal+dice"),
        "class_weights": ("loss", *(loss for loss in LOSSES if loss != "dice")),
    },
    **TRAINING,
)
def segment(
    shape: Shape,
    code: Shape | None = None,
    *,
    channels: Sequence[int] = (32, 64, 128, 192),
    blocks: Sequence[int] = (1,),
    fold: int = 2,
    residual: bool = True,
    loss: str = "ce+dice",
    class_weights: str = "none",
    gamma: float = 2.0,
    touching: float = 0.0,
    augment: str = "segmentation",
    classes: int = 2,
    background: str = "auto",
    instances: str = "auto",
    soft: bool = False,
    ignore: str = "",
    colors: str = "",
    normalize: str = "auto",
) -> Autoencoder:
    """Segmentation: a class, or an object, for each pixel of images of any size.

    code: none, because the skips of a U-Net bypass any bottleneck
    channels: channels of each stage, each at half the resolution of the one before
    blocks: residual blocks of each stage; one number applies to all stages
    fold: side of the pixel squares folded into channels of the finest stage; 1 for lines one pixel wide, 4 times slower
    residual: blocks add their input to their output; no for those of the U-Net of 2015
    loss: ce, dice, ce+dice, focal or focal+dice
    class_weights: factors of the cross-entropy: none, frequency (by the root of the class frequency), or numbers
    gamma: exponent of the focal loss
    touching: weight of the pixels between touching objects in the cross-entropy: 10 in the U-Net of 2015, 0 for none
    augment: segmentation, segmentation:0.5 for half the strength, affine, zoom or none
    classes: number of classes; a training counts them, and refuses another number
    background: number of the class that is no object, none, or auto (of the value 0, of black, or of that name)
    instances: separate objects: yes, no, auto (yes for masks with a number for each object), or numbers (all are such)
    soft: masks of soft edges or of JPEG: pixels above half are the second of two classes
    ignore: value or color of pixels without a class, such as 255
    colors: for color masks, a file with a name and a color in each line
    normalize: of images: none, image (by percentiles 1 and 99.8 of each), or auto (image for more than 8 bits)
    """
    require_images(shape)
    if code is not None:
        raise BadInput(f"segment: code {'x'.join(map(str, code))}: its network has no code; none is accepted")
    check_normalize(normalize)
    weights = () if class_weights == "none" else tuple(_weight(each) for each in class_weights.split(","))
    if background not in ("auto", "none") and not background.isdecimal():
        raise BadInput(f"segment: background={background}: auto, none or the number of a class is accepted")
    empty = None if background == "none" else 0 if background == "auto" else int(background)
    compare = LabelLoss(classes, loss, weights, gamma, instances == "yes", empty)
    widths, counts = numbers(channels), numbers(blocks, 0)
    counts = counts * len(widths) if len(counts) == 1 else counts
    encoder = UNetEncoder(shape, widths, counts, fold, bias=True, plain=not residual)
    decoder = UNetDecoder(
        compare.channels, widths[::-1], counts[-2::-1], fold, bias=True, residual=False, plain=not residual
    )
    model = Autoencoder(shape, encoder, Identity(encoder.out_shape), decoder, compare, None, augmentation(augment))
    # The loss is a sum over the pixels of a patch: at the rate for 128 pixels, patches of 256 learn nothing.
    model.about["training"] = {"lr": TRAINING["lr"] * min(1.0, SQUARE / max(shape[1:])) ** 2}
    return model


def _weight(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        accepted = "none, frequency or a number for each class, such as 1,5"
        raise BadInput(f"segment: class_weights {text!r}: {accepted} is accepted") from None
