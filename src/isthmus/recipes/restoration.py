"""The jobs, each named as its verb: what was damaged, and the net that mends it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from isthmus.autoencoder import Autoencoder
from isthmus.bottlenecks import Identity
from isthmus.corruptions import Corruption, Crop, Downsample, Holes, Paired, Watermark, white_noise
from isthmus.corruptions.base import strength
from isthmus.errors import BadInput
from isthmus.networks import ResidualDecoder, ResidualEncoder, UNetDecoder, UNetEncoder
from isthmus.objectives import Laplace, MaskedReconstruction, Objective, objective
from isthmus.recipes.corruption_check import corruption_for
from isthmus.recipes.integers import numbers
from isthmus.recipes.registry import recipe
from isthmus.types import Shape

PICTURES = ("gray", "colour")
ANY_SHARE = "0.3-0.9"  # of pixels that are hidden
ANY_NOISE = "0-55"  # as strong as a photo of the night
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


@recipe(*PICTURES, job="restoration", cut=SQUARE, **TRAINING)
def denoise(
    shape: Shape,
    code: Shape | None = None,
    *,
    sigma: str = ANY_NOISE,
    corruption: str | None = None,
    channels: Sequence[int] = (48, 96, 192),
    blocks: Sequence[int] = (1,),
    fold: int = 2,
    crop: int = 64,
    loss: str | None = None,
) -> Autoencoder:
    """A noisy picture becomes a clean one, whatever the strength of the noise.

    code: none: the skips of a U-Net go past any bottleneck
    sigma: of the white noise it learns from, of 255: 25, or 0-55 for any in between
    corruption: instead of white noise, such as poisson:20-500 or jpeg:10-90; neighbours where no picture is clean
    channels: of each stage, each half as fine as the one before
    blocks: residual blocks of each stage; one number is meant for all of them
    fold: pixels to each side of one place of the finest stage; 2 is four times as fast as 1
    crop: side of the squares that are learned from
    loss: l1, mse or ssim; by default l1, or mse where no picture is clean
    """
    pictures_only(shape)
    no_code("denoise", code)
    damage = damage_of(sigma, corruption, (shape[0], *(min(crop, side) for side in shape[1:])))
    clean = damage.clean or isinstance(damage, Paired)
    if not clean and loss == "ssim":
        raise BadInput("loss ssim: is no mean of noisy pictures; where none is clean, mse or l1 is accepted")
    loss = loss or ("l1" if clean else "mse")
    return unet(shape, damage, numbers(channels), numbers(blocks, 0), fold, crop, objective(loss, "identity"))


@recipe(*PICTURES, job="restoration", cut=SQUARE, **TRAINING | {"lr": 1e-3, "clip": 100})
def inpaint(
    shape: Shape,
    code: Shape | None = None,
    *,
    kinds: str = "pixels,lines,text,boxes",
    share: str = ANY_SHARE,
    channels: Sequence[int] = (48, 96, 144, 144),
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
    no_code("inpaint", code)
    if share != ANY_SHARE and "pixels" not in kinds:
        raise BadInput(f"inpaint: share={share}: has no effect with kinds={kinds}, only with kinds=pixels among them")
    return unet(
        shape,
        Holes(kinds, strength("share", share)),
        numbers(channels),
        numbers(blocks, 0),
        fold,
        crop,
        objective(loss, "identity"),
    )


@recipe(*PICTURES, job="restoration", cut=256, **TRAINING | {"batch_size": 8, "lr": 1e-3, "clip": 1000})
def unwatermark(
    shape: Shape,
    code: Shape | None = None,
    *,
    overlay: str = "",
    opacity: str = "0.2-0.9",
    unmarked: float = 0.33,
    objects: float = 0.4,
    ease: float = 0.5,
    channels: Sequence[int] = (64, 96, 128, 160),
    blocks: Sequence[int] = (1,),
    fold: int = 4,
    crop: int = 160,
    loss: str = "l1",
) -> Autoencoder:
    """A picture with a logo or words over it becomes the one below; what is not covered stays as it is.

    code: none: the skips of a U-Net go past any bottleneck
    overlay: what is laid over: a picture with transparency, or a folder of them; empty for words and shapes alone
    opacity: of it: 0.5, or 0.2-0.9 for any in between
    unmarked: share of the pictures that have no mark, so that it learns to leave them as they are
    objects: share of the pictures with opaque things drawn in that look like marks and belong there
    ease: share of the training over which marks become faint and large; 0 where it begins with a model that finds them
    channels: of each stage, each half as fine as the one before
    blocks: residual blocks of each stage; one number is meant for all of them
    fold: pixels to each side of one place of the finest stage; 4, because a mark is found from afar
    crop: side of the squares that are learned from
    loss: l1 or mse; of the picture under the mark, beside the cross-entropy of where it is
    """
    no_code("unwatermark", code)
    if loss == "ssim":
        raise BadInput("loss ssim: compares windows, so it cannot count what is covered alone; mse and l1 can")
    mark = Watermark(
        overlay or None, strength("opacity", opacity), tell=True, ease=ease, unmarked=unmarked, objects=objects
    )
    # An error of a seventh costs as much as not to know whether a pixel is covered: so both are learned at once.
    picture_by = Laplace(0.2, "identity") if loss == "l1" else objective(loss, "identity")
    return unet(shape, mark, numbers(channels), numbers(blocks, 0), fold, crop, MaskedReconstruction(picture_by))


@recipe(*PICTURES, job="restoration", cut=SQUARE, **TRAINING | {"clip": 600})
def upscale(
    shape: Shape,
    code: Shape | None = None,
    *,
    scale: int = 2,
    width: int = 48,
    blocks: int = 8,
    crop: int = 32,
    loss: str = "l1",
) -> Autoencoder:
    """A picture gets more pixels: scale times as many to each side.

    code: none: nothing is to be left out
    scale: 2, 3 or 4
    width: channels of every layer
    blocks: residual blocks
    crop: side of the small squares that are learned from
    loss: l1, mse or ssim
    """
    pictures_only(shape)
    no_code("upscale", code)
    encoder = ResidualEncoder(shape, width, blocks)
    decoder = ResidualDecoder(shape[0], width, scale)
    crops = Crop(min(crop * scale, *shape[1:]))
    return Autoencoder(
        shape, encoder, Identity(encoder.out_shape), decoder, objective(loss, "identity"), Downsample(scale), crops
    )


def unet(
    shape: Shape,
    corruption: Corruption,
    channels: tuple[int, ...],
    blocks: tuple[int, ...],
    fold: int,
    crop: int,
    compare: Objective,
    norm: bool = False,
) -> Autoencoder:
    """A U-Net from what `corruption` leaves to the picture. Raises BadInput for items that are no pictures."""
    pictures_only(shape)
    blocks = blocks * len(channels) if len(blocks) == 1 else blocks
    predicts_mask = corruption.tell  # where, too; for which a dark picture must not say less
    size = (shape[0] + corruption.extra, *shape[1:])
    encoder = UNetEncoder(size, channels, blocks, fold, bias=predicts_mask, norm=norm)
    decoder = UNetDecoder(
        shape[0] + predicts_mask,
        channels[::-1],
        blocks[-2::-1],
        fold,
        bias=predicts_mask,
        predicts_mask=predicts_mask,
        norm=norm,
    )
    return Autoencoder(
        shape, encoder, Identity(encoder.out_shape), decoder, compare, corruption, Crop(min(crop, *shape[1:]))
    )


def damage_of(sigma: str, corruption: str | None, shape: Shape) -> Corruption:
    """White noise, or else what `corruption` says. Raises BadInput for both, and for what a denoiser cannot mend."""
    if corruption is None:
        return white_noise(sigma)
    if sigma != ANY_NOISE:
        raise BadInput(f"sigma={sigma} and corruption={corruption}: name one of the two")
    found = corruption_for(str(corruption), shape, any_size=True)
    if found is None:
        raise BadInput(f"corruption={corruption}: leaves nothing to learn; gaussian:0.1 or jpeg:10-90 is accepted")
    return found


def pictures_only(shape: Shape) -> None:
    if len(shape) != 3:
        raise BadInput(f"items of shape {shape}: this job is done on pictures")


def no_code(recipe: str, code: Shape | None) -> None:
    """BadInput for a code that was asked for: such a net has none."""
    if code is not None:
        raise BadInput(f"{recipe}: code {'x'.join(map(str, code))}: its net goes past any code; none is accepted")
