"""Recipes of the restoration job, each named after its verb: a corruption and a network that removes it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from isthmus.autoencoder import Autoencoder
from isthmus.bottlenecks import Identity
from isthmus.corruptions import Corruption, Crop, Downsample, Holes, Watermark, white_noise
from isthmus.corruptions.base import strength
from isthmus.errors import BadInput
from isthmus.networks import ResidualDecoder, ResidualEncoder
from isthmus.objectives import Laplace, MaskedReconstruction, objective
from isthmus.recipes.builders import require_images, unet
from isthmus.recipes.corruption_check import corruption_for
from isthmus.recipes.integers import numbers
from isthmus.recipes.registry import recipe
from isthmus.types import Shape

PICTURES = ("gray", "color")
ANY_SHARE = "0.3-0.9"  # share of hidden pixels
ANY_NOISE = "0-55"  # 55 of 255 is about the noise of a night photo
SQUARE = 160  # pixels of a side of stored training images: several crops each, with little to read
# Gradients are clipped: without normalization a single unusual batch may move the weights far.
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
    corruption: str = "",
    channels: Sequence[int] = (48, 96, 192),
    blocks: Sequence[int] = (1,),
    fold: int = 2,
    crop: int = 64,
    loss: str | None = None,
) -> Autoencoder:
    """Blind denoising of images: removes noise of any strength.

    code: none, because the skips of a U-Net bypass any bottleneck
    sigma: standard deviation of the white training noise, of 255: 25, or a range such as 0-55
    corruption: instead of white noise: such as jpeg:10-90, neighbors for noisy images only, none for pairs (truth)
    channels: channels of each stage, each at half the resolution of the one before
    blocks: residual blocks of each stage; one number applies to all stages
    fold: side of the pixel squares folded into channels of the finest stage; 2 is four times as fast as 1
    crop: side in pixels of the training crops
    loss: l1, mse or ssim; by default l1, or mse when learning from noisy images alone
    """
    require_images(shape)
    refuse_code("denoise", code)
    damage = noise_or(sigma, corruption, (shape[0], *(min(crop, side) for side in shape[1:])))
    clean = damage is None or damage.clean
    if not clean and loss == "ssim":
        raise BadInput("loss ssim: needs clean images; mse and l1 are accepted for noisy images alone")
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
    """Image inpainting: fills holes whose mask is known.

    code: none, because the skips of a U-Net bypass any bottleneck
    kinds: kinds of training holes: pixels, lines, text, boxes
    share: with kinds=pixels, share of hidden pixels: 0.5, or a range such as 0.3-0.9
    channels: channels of each stage, each at half the resolution of the one before
    blocks: residual blocks of each stage; one number applies to all stages
    fold: side of the pixel squares folded into channels of the finest stage; 2 is four times as fast as 1
    crop: side in pixels of the training crops
    loss: l1, mse or ssim, inside the holes
    """
    refuse_code("inpaint", code)
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
    """Watermark removal: finds logos and text over an image and reconstructs the covered pixels alone.

    code: none, because the skips of a U-Net bypass any bottleneck
    overlay: watermark image with transparency, or a folder of them; empty for random text and shapes
    opacity: opacity of training watermarks: 0.5, or a range such as 0.2-0.9
    unmarked: share of training images without a watermark, which teach the network to leave images unchanged
    objects: share of training images with opaque objects that resemble watermarks and must be kept
    ease: share of the training over which watermarks become fainter and larger; 0 to start from a trained model
    channels: channels of each stage, each at half the resolution of the one before
    blocks: residual blocks of each stage; one number applies to all stages
    fold: side of the pixel squares folded into channels of the finest stage; 4, because watermarks need context
    crop: side in pixels of the training crops
    loss: l1 or mse of the covered image, in addition to the cross-entropy of the predicted mask
    """
    refuse_code("unwatermark", code)
    if loss == "ssim":
        raise BadInput("loss ssim: compares windows, so it cannot weight single pixels; mse and l1 are accepted")
    mark = Watermark(
        overlay or None, strength("opacity", opacity), tell=True, ease=ease, unmarked=unmarked, objects=objects
    )
    # An error of 1/7 costs as much as an undecided mask pixel, so that both terms are learned at the same time.
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
    """Super-resolution: enlarges images by an integer factor.

    code: none, because no information is to be dropped
    scale: factor of enlargement: 2, 3 or 4
    width: channels of each layer
    blocks: number of residual blocks
    crop: side in pixels of the low-resolution training crops
    loss: l1, mse or ssim
    """
    require_images(shape)
    refuse_code("upscale", code)
    encoder = ResidualEncoder(shape, width, blocks)
    decoder = ResidualDecoder(shape[0], width, scale)
    crops = Crop(min(crop * scale, *shape[1:]))
    return Autoencoder(
        shape, encoder, Identity(encoder.out_shape), decoder, objective(loss, "identity"), Downsample(scale), crops
    )


def noise_or(sigma: str, corruption: str, shape: Shape) -> Corruption | None:
    """White noise, or the named corruption. Raises BadInput for both at once."""
    if not corruption:
        return white_noise(sigma)
    if sigma != ANY_NOISE:
        raise BadInput(f"sigma={sigma} and corruption={corruption}: name one of the two")
    return corruption_for(corruption, shape, any_size=True)


def refuse_code(recipe: str, code: Shape | None) -> None:
    """Raise BadInput for a code: a network with skips has none."""
    if code is not None:
        raise BadInput(f"{recipe}: code {'x'.join(map(str, code))}: its network has no code; none is accepted")
