"""The jobs, each named as its verb: what was damaged, and the net that mends it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from isthmus.autoencoder import Autoencoder
from isthmus.bottlenecks import Open
from isthmus.contracts import Shape
from isthmus.corruptions import Corruption, Crop, GaussianNoise, Holes, Shrink
from isthmus.errors import BadInput
from isthmus.networks import ResidualDecoder, ResidualEncoder, UNetDecoder, UNetEncoder
from isthmus.objectives import objective
from isthmus.recipes.catalogue import recipe
from isthmus.recipes.nets import numbers

PICTURES = ("gray", "colour")
SQUARE = 160  # pixels of a side that pictures come in: several crops, and little to read for each
# A net without norm may leap far from where it was after a single strange batch: the gradient is bounded.
TRAINING: dict[str, Any] = {
    "epochs": 100,
    "batch_size": 16,
    "lr": 2e-3,
    "schedule": "cosine",
    "warmup": 0.02,
    "clip": 300,
    "ema": 0.999,
    "validation": 0.05,
    "test": 0.0,
}


@recipe(*PICTURES, cut=SQUARE, **TRAINING)
def denoise(
    shape: Shape,
    code: None = None,
    *,
    sigma: str = "0-55",
    channels: Sequence[int] = (48, 96, 192),
    blocks: Sequence[int] = (1,),
    fold: int = 2,
    crop: int = 64,
    loss: str = "l1",
) -> Autoencoder:
    """A noisy picture becomes a clean one, whatever the strength of the noise.

    code: none: the skips of a U-Net go past any bottleneck
    sigma: of the noise it learns from, of 255: 25, or 0-55 for any in between
    channels: of each stage, each half as fine as the one before
    blocks: residual blocks of each stage; one number is meant for all of them
    fold: pixels to each side of one place of the finest stage; 2 is four times as fast as 1
    crop: side of the squares that are learned from
    loss: l1, mse or ssim
    """
    low, _, high = str(sigma).partition("-")
    noise = GaussianNoise((float(low) / 255, float(high or low) / 255))
    return unet(shape, noise, numbers(channels), numbers(blocks, 0), fold, crop, loss)


@recipe(*PICTURES, cut=SQUARE, **TRAINING)
def inpaint(
    shape: Shape,
    code: None = None,
    *,
    kinds: str = "pixels,lines,text,boxes",
    share: str = "0.3-0.9",
    channels: Sequence[int] = (48, 96, 192, 192),
    blocks: Sequence[int] = (1,),
    fold: int = 2,
    crop: int = 64,
    loss: str = "l1",
) -> Autoencoder:
    """A picture with holes, which are known, becomes a whole one.

    code: none: the skips of a U-Net go past any bottleneck
    kinds: of hole that it learns from: pixels, lines, text, boxes
    share: of the pixels that are hidden where they are hidden one by one: 0.5, or 0.3-0.9 for any in between
    channels: of each stage, each half as fine as the one before
    blocks: residual blocks of each stage; one number is meant for all of them
    fold: pixels to each side of one place of the finest stage; 2 is four times as fast as 1
    crop: side of the squares that are learned from
    loss: l1, mse or ssim; of what is in the holes
    """
    low, _, high = str(share).partition("-")
    holes = Holes(kinds, (float(low), float(high or low)))
    return unet(shape, holes, numbers(channels), numbers(blocks, 0), fold, crop, loss)


@recipe(*PICTURES, cut=SQUARE, **TRAINING | {"clip": 600})
def upscale(
    shape: Shape,
    code: None = None,
    *,
    scale: int = 2,
    channels: int = 48,
    blocks: int = 8,
    crop: int = 32,
    loss: str = "l1",
) -> Autoencoder:
    """A picture gets more pixels: scale times as many to each side.

    code: none: nothing is to be left out
    scale: 2, 3 or 4
    channels: of every layer
    blocks: residual blocks
    crop: side of the small squares that are learned from
    loss: l1, mse or ssim
    """
    pictures_only(shape)
    encoder = ResidualEncoder(shape, channels, blocks)
    decoder = ResidualDecoder(shape[0], channels, scale)
    crops = Crop(min(crop * scale, *shape[1:]))
    return Autoencoder(
        shape, encoder, Open(encoder.out_shape), decoder, objective(loss, "identity"), Shrink(scale), crops
    )


def unet(
    shape: Shape,
    corruption: Corruption,
    channels: tuple[int, ...],
    blocks: tuple[int, ...],
    fold: int,
    crop: int,
    loss: str,
) -> Autoencoder:
    """A U-Net from what `corruption` leaves to the picture. Raises BadInput for items that are no pictures."""
    pictures_only(shape)
    blocks = blocks * len(channels) if len(blocks) == 1 else blocks
    encoder = UNetEncoder((shape[0] + getattr(corruption, "extra", 0), *shape[1:]), channels, blocks, fold)
    decoder = UNetDecoder(shape[0], channels[::-1], blocks[-2::-1], fold)
    compare = objective(loss, "identity")
    return Autoencoder(
        shape, encoder, Open(encoder.out_shape), decoder, compare, corruption, Crop(min(crop, *shape[1:]))
    )


def pictures_only(shape: Shape) -> None:
    if len(shape) != 3:
        raise BadInput(f"items of shape {shape}: this job is done on pictures")
