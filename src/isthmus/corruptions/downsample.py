"""Downsampling, for super-resolution."""

from __future__ import annotations

from isthmus.bicubic import enlarge, shrink
from isthmus.corruptions.base import Corruption, check_images, to_bytes
from isthmus.errors import BadInput
from isthmus.registry import register
from isthmus.types import Context, Sample

__all__ = ["Downsample", "shrink", "enlarge"]


@register
class Downsample(Corruption):
    """Bicubic downsampling: N×C×H×W -> x̃ N×C×H/scale×W/scale, rounded to 8 bits.

    scale: 2, 3 or 4. Rows and columns that do not fill a pixel of x̃ are cropped from x and target.
    """

    def __init__(self, scale: int = 2) -> None:
        super().__init__()
        if scale not in (2, 3, 4):
            raise BadInput(f"scale is {scale}: 2, 3 or 4 is accepted")
        self.scale = int(scale)

    def forward(self, sample: Sample, ctx: Context) -> Sample:
        height, width = (side // self.scale * self.scale for side in check_images(sample.x, "downsampling").shape[2:])
        if not height or not width:
            size = "×".join(map(str, sample.x.shape[2:]))
            raise BadInput(f"images of {size} are too small to downsample by {self.scale}")
        x, target = (t[..., :height, :width] for t in (sample.x, sample.target))
        return sample.replace(x=to_bytes(shrink(x, self.scale)), target=target)
