"""The luma of RGB, and conversion of Pillow images in CIELAB or CMYK to RGB."""

from __future__ import annotations

import io
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

LUMA = (0.299, 0.587, 0.114)  # the weights of R, G and B in Y: BT.601, full range, as in JPEG


def from_lab(image: Image) -> Image:
    from PIL import ImageCms

    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    transform = ImageCms.buildTransform(lab, srgb, "LAB", "RGB")
    converted = ImageCms.applyTransform(image, transform)
    assert converted is not None, "only None when done in place"
    return converted


def from_cmyk(image: Image) -> Image:
    """RGB by the embedded ICC profile; without one, or with a broken one, the inks are subtracted from white."""
    from PIL import ImageCms

    profile = image.info.get("icc_profile")
    if isinstance(profile, bytes) and profile[16:20] == b"CMYK":
        with suppress(ImageCms.PyCMSError, OSError):
            own, srgb = ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB")
            intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
            converted = ImageCms.profileToProfile(image, own, srgb, intent, "RGB")
            assert converted is not None, "only None when done in place"
            return converted
    return image.convert("RGB")
