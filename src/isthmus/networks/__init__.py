"""Encoders and decoders, in pairs. An encoder declares `out_shape`, a decoder `code_shape`.

An encoder returns h or (h, skips); the decoder is called as decode(z), or as decode(z, skips) if there are skips.
Any nn.Module with this interface can replace them.
"""

from isthmus.networks.conv import ConvDecoder, ConvEncoder
from isthmus.networks.dense import DenseDecoder, DenseEncoder
from isthmus.networks.linear_path import LinearPathDecoder, LinearPathEncoder, Principal
from isthmus.networks.residual import ResidualDecoder, ResidualEncoder
from isthmus.networks.transformer import TransformerDecoder, TransformerEncoder
from isthmus.networks.unchanged import Unchanged
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
    "Unchanged",
    "TransformerEncoder",
    "TransformerDecoder",
    "ResidualEncoder",
    "ResidualDecoder",
]
