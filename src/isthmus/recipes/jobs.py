"""The jobs, each named as its verb: what was damaged, and the net that mends it."""

from __future__ import annotations

from collections.abc import Sequence

from isthmus.autoencoder import Autoencoder
from isthmus.bottlenecks import Open
from isthmus.contracts import Shape
from isthmus.corruptions import Corruption, Crop, white_noise
from isthmus.corruptions import corruption as parse_corruption
from isthmus.errors import BadInput
from isthmus.networks import UNetDecoder, UNetEncoder
from isthmus.objectives import objective
from isthmus.recipes.catalogue import recipe
from isthmus.recipes.nets import numbers

PICTURES = ("gray", "colour")
ANY_NOISE = "0-55"  # as strong as a photo of the night


@recipe(
    *PICTURES, epochs=100, batch_size=16, lr=1e-3, schedule="cosine", warmup=0.02, ema=0.999, validation=0.05, test=0.0
)
def denoise(
    shape: Shape,
    code: None = None,
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
    damage = damage_of(sigma, corruption)
    if not damage.clean and loss == "ssim":
        raise BadInput("loss ssim: is no mean of noisy pictures; where none is clean, mse or l1 is accepted")
    loss = loss or ("l1" if damage.clean else "mse")
    return unet(shape, damage, numbers(channels), numbers(blocks, 0), fold, crop, loss)


def damage_of(sigma: str, corruption: str | None) -> Corruption:
    """White noise, or else what `corruption` says. Raises BadInput for both, and for what a denoiser cannot mend."""
    if corruption is None:
        return white_noise(sigma)
    if sigma != ANY_NOISE:
        raise BadInput(f"sigma={sigma} and corruption={corruption}: name one of the two")
    found = parse_corruption(str(corruption))
    if found is None or found.extra or found.scale > 1:
        raise BadInput(f"corruption={corruption}: what leaves a picture of the same size is accepted, without a mask")
    return found


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
    if len(shape) != 3:
        raise BadInput(f"items of shape {shape}: this job is done on pictures")
    blocks = blocks * len(channels) if len(blocks) == 1 else blocks
    encoder = UNetEncoder((shape[0] + getattr(corruption, "extra", 0), *shape[1:]), channels, blocks, fold)
    decoder = UNetDecoder(shape[0], channels[::-1], blocks[-2::-1], fold)
    compare = objective(loss, "identity")
    return Autoencoder(
        shape, encoder, Open(encoder.out_shape), decoder, compare, corruption, Crop(min(crop, *shape[1:]))
    )
