"""The recipe of segmentation, and its objective."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from isthmus.autoencoder import Autoencoder
from isthmus.bottlenecks import Identity
from isthmus.corruptions import augmentation
from isthmus.networks import ConvDecoder, ConvEncoder
from isthmus.objectives import Objective
from isthmus.recipes import recipe
from isthmus.registry import register
from isthmus.types import Shape


@register
class CrossEntropy(Objective):
    """−log p of each label: y is N×classes×H×W of logits, the target N×1×H×W. ignore: a label without loss."""

    likelihood = True

    def __init__(self, classes: int = 2, ignore: int = 255) -> None:
        super().__init__("identity")
        self.classes = self.channels = classes
        self.ignore = ignore

    def loss(self, y: Tensor, target: Tensor, weight: Tensor | float = 1.0) -> Tensor:
        nats = F.cross_entropy(y.float(), target[:, 0].long(), ignore_index=self.ignore, reduction="none")
        return (nats[:, None] * weight).flatten(1).sum(1)

    def mean(self, y: Tensor) -> Tensor:
        """The labels as shares of the last class, N×1×H×W."""
        return y.argmax(1, keepdim=True) / max(1, self.classes - 1)


@recipe("gray", "color", job="segmenting", epochs=30, lr=3e-3)
def segmenter(
    shape: Shape, code: Shape | None = None, *, classes: int = 2, ignore: int = 255, augment: str = "affine"
) -> Autoencoder:
    """A class for each pixel.

    classes: labels of the ground truth, from 0 on
    ignore: label of pixels without a class
    augment: augmentation of images and labels alike: affine, zoom or none
    """
    encoder = ConvEncoder(shape, (16, 32))
    decoder = ConvDecoder(encoder.out_shape, (classes, *shape[1:]), (32, 16))
    compare = CrossEntropy(classes, ignore)
    return Autoencoder(shape, encoder, Identity(encoder.out_shape), decoder, compare, augment=augmentation(augment))
