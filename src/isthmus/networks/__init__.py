"""'encode' and 'decode', in pairs. An encoder states `out_shape`, a decoder takes a code of `code_shape`.

An encoder returns h, or (h, skips); a decoder is called as decode(z), or decode(z, skips) where there are skips.
Anyone's own nn.Module may stand in for either.
"""

from isthmus.networks.conv import ConvDecoder, ConvEncoder
from isthmus.networks.dense import DenseDecoder, DenseEncoder
from isthmus.networks.linear_path import LinearPathDecoder, LinearPathEncoder, Principal
from isthmus.networks.residual import ResidualDecoder, ResidualEncoder
from isthmus.networks.unet import UNetDecoder, UNetEncoder

__all__ = [
    "DenseEncoder",
    "DenseDecoder",
    "ConvEncoder",
    "ConvDecoder",
    "LinearPathEncoder",
    "LinearPathDecoder",
    "Principal",
    "UNetEncoder",
    "UNetDecoder",
    "ResidualEncoder",
    "ResidualDecoder",
]
