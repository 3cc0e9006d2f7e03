"""imagecodecs as a decoder plugin of pydicom: 12-bit JPEG, lossless JPEG, JPEG-LS and JPEG 2000.

pydicom imports this module by name, like its own plugins, and prescribes the names in it.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from pydicom import uid
from pydicom.pixels.decoders.base import get_decoder

JPEG = (uid.JPEGExtended12Bit, uid.JPEGLossless, uid.JPEGLosslessSV1)
JPEG_LS = (uid.JPEGLSLossless, uid.JPEGLSNearLossless)
JPEG_2000 = (uid.JPEG2000Lossless, uid.JPEG2000, uid.HTJ2KLossless, uid.HTJ2KLosslessRPCL, uid.HTJ2K)
DECODER_DEPENDENCIES = dict.fromkeys((*JPEG, *JPEG_LS, *JPEG_2000), ("imagecodecs",))


def is_available(syntax: str) -> bool:
    return find_spec("imagecodecs") is not None


def _decode_frame(data: bytes, runner: Any) -> bytearray:
    import imagecodecs

    syntax = runner.transfer_syntax
    if syntax in JPEG:
        pixels = imagecodecs.jpeg8_decode(data)
    else:
        pixels = (imagecodecs.jpegls_decode if syntax in JPEG_LS else imagecodecs.jpeg2k_decode)(data)
    runner.set_option("bits_allocated", 8 * pixels.dtype.itemsize)
    runner.set_option("planar_configuration", 0)
    return bytearray(pixels.tobytes())  # mutable, because pydicom may change it in place


def add_decoders() -> None:
    for syntax in DECODER_DEPENDENCIES:
        decoder = get_decoder(syntax)
        if "imagecodecs" not in decoder.available_plugins and is_available(syntax):
            decoder.add_plugin("imagecodecs", (__name__, "_decode_frame"))


def missing(syntax: Any, bits: int) -> bool:
    """Whether pixels of this transfer syntax and number of bits need imagecodecs, and it is not installed."""
    if syntax not in DECODER_DEPENDENCIES or is_available(syntax):
        return False
    return not get_decoder(syntax).is_available or (syntax == uid.JPEGExtended12Bit and bits > 8)
