"""Learning from noisy images alone: a part of each is the target for another part.

This asks that the noise of one pixel says nothing of the next one's, and is 0 on the mean: then the net cannot
foretell the noise of the target, and what is left to learn is the clean value. So it does not suit what a camera or a
scanner has developed: demosaicing, JPEG, sharpening and shrinking spread the noise over neighbours, and it is then
learned as if it were picture. Nor blotches and scratches. The squared error finds the mean; the absolute one the
median, which for few photons lies elsewhere.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

from isthmus.corruptions.base import Corruption, Range, an_item, drawn, pictures, span, within
from isthmus.errors import BadInput
from isthmus.registry import register
from isthmus.types import Context, Sample

PAIRS = ((0, 1), (0, 2), (1, 3), (2, 3))  # the neighbours among the four pixels 01/23 of a cell
FAR = 2  # pixels up to which a stand-in is looked for


@register
class Neighbors(Corruption):
    """Of each cell of 2×2 two neighbours: one goes to x̃, the other to the target, all channels together.

    Neighbor2Neighbor (Huang et al. 2021) without its second pass: N×C×H×W -> x̃ and target N×C×⌊H/2⌋×⌊W/2⌋. Every pixel
    of x̃ teaches; but the two differ by the picture itself too, which fine detail pays for. Raises BadInput below 2×2.
    """

    clean = False

    def forward(self, sample: Sample, ctx: Context) -> Sample:
        x = pictures(sample.x, "learning from neighbours")
        high, wide = (side // 2 for side in x.shape[2:])
        if not high or not wide:
            raise BadInput(f"pictures of {x.shape[2]}×{x.shape[3]} have no cells of 2×2 to draw neighbours from")
        pairs = torch.tensor([*PAIRS, *(pair[::-1] for pair in PAIRS)], device=x.device)
        chosen = pairs[(drawn(ctx).uniform(high, wide) * len(pairs)).long()]  # N×h×w×2
        cells = F.pixel_unshuffle(x[..., : 2 * high, : 2 * wide], 2).unflatten(1, (-1, 4))
        places = chosen[:, None].expand(-1, x.shape[1], -1, -1, -1).movedim(-1, 2)
        first, second = cells.gather(2, places).unbind(2)
        return sample.replace(x=first, target=second)

    @staticmethod
    def read(text: str) -> None:
        raise BadInput(f"neighbours:{text}: neighbours alone is accepted, it has no strength")


@register
class BlindSpot(Corruption):
    """A share `rate` of the pixels is each replaced by one up to 2 px away; there alone x̃ is compared with x.

    Noise2Void (Krull et al. 2019): the net cannot see the pixel that it has to tell, all channels of it. The picture
    keeps its size, but few of its pixels teach. rate: a number, or (low, high); condition["mask"], N×1×H×W, is 1 where
    x was replaced, and the weight is mask / rate. Raises BadInput below 4×4.
    """

    clean = False

    def __init__(self, rate: Range = 0.02) -> None:
        super().__init__()
        self.rate = span("rate", rate, 1e-3, 1)

    def forward(self, sample: Sample, ctx: Context) -> Sample:
        x, noise = pictures(sample.x, "learning by a blind spot"), drawn(ctx)
        height, width = x.shape[2:]
        if min(height, width) < 2 * FAR:
            raise BadInput(f"pictures of {height}×{width} are too small for a blind spot: 4×4 or more is accepted")
        # One of the 24 steps that lead elsewhere; at an edge, the same step the other way.
        side = 2 * FAR + 1
        step = (noise.uniform(height, width) * (side**2 - 1)).long()
        step = step + (step >= side**2 // 2)
        rows = inside(torch.arange(height, device=x.device)[:, None], step // side - FAR, height)
        columns = inside(torch.arange(width, device=x.device), step % side - FAR, width)
        places = (rows * width + columns).flatten(1)[:, None].expand(-1, x.shape[1], -1)
        rate = an_item(within(self.rate, noise.uniform()), x)
        mask = (noise.uniform(1, height, width) < rate).to(x.dtype)
        seen = torch.where(mask > 0, x.flatten(2).gather(2, places).view_as(x), x)
        condition = {**sample.condition, "mask": mask}
        return sample.replace(x=seen, target=x, weight=sample.weight * mask / rate, condition=condition)


def inside(place: torch.Tensor, step: torch.Tensor, length: int) -> torch.Tensor:
    """place + step, or place − step where that is not in 0..length−1."""
    there = place + step
    return torch.where((there >= 0) & (there < length), there, place - step)
