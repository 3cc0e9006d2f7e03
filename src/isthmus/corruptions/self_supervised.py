"""Training on noisy images without a ground truth: a part of each is the target for another part.

This needs noise that is independent between pixels and has mean 0: then the noise of the target cannot be predicted,
and the network learns the clean value. It does not suit developed photos or scans, because demosaicing, JPEG,
sharpening and downsampling correlate the noise of neighbors, which is then learned as image content; nor blotches and
scratches. The squared error estimates the mean; the absolute error estimates the median, which differs for few photons.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

from isthmus.corruptions.base import Corruption, Range, check_images, noise_of, per_item, span, within
from isthmus.errors import BadInput
from isthmus.registry import register
from isthmus.types import Context, Sample

PAIRS = ((0, 1), (0, 2), (1, 3), (2, 3))  # the neighbors among the four pixels 01/23 of a cell
FAR = 2  # largest distance in pixels of the replacement of a blind spot


@register
class Neighbors(Corruption):
    """Two neighbors of each 2×2 cell: one goes to x̃, the other to the target, all channels together.

    Neighbor2Neighbor (Huang et al. 2021) without its second pass: N×C×H×W -> x̃ and target N×C×⌊H/2⌋×⌊W/2⌋. Every pixel
    of x̃ counts in the loss, but content differs between them too, which costs fine detail. Raises BadInput below 2×2.
    """

    clean = False

    def forward(self, sample: Sample, ctx: Context) -> Sample:
        x = check_images(sample.x, "the corruption neighbors")
        high, wide = (side // 2 for side in x.shape[2:])
        if not high or not wide:
            raise BadInput(f"images of {x.shape[2]}×{x.shape[3]} have no cells of 2×2 to draw neighbors from")
        pairs = torch.tensor([*PAIRS, *(pair[::-1] for pair in PAIRS)], device=x.device)
        chosen = pairs[(noise_of(ctx).uniform(high, wide) * len(pairs)).long()]  # N×h×w×2
        cells = F.pixel_unshuffle(x[..., : 2 * high, : 2 * wide], 2).unflatten(1, (-1, 4))
        indices = chosen[:, None].expand(-1, x.shape[1], -1, -1, -1).movedim(-1, 2)
        first, second = cells.gather(2, indices).unbind(2)
        return sample.replace(x=first, target=second)

    @staticmethod
    def read(text: str) -> None:
        raise BadInput(f"neighbors:{text}: neighbors takes no strength")


@register
class BlindSpot(Corruption):
    """Replace a share `rate` of the pixels by one up to 2 px away; the loss compares x̃ with x there only.

    Noise2Void (Krull et al. 2019): the network cannot see the pixel that it predicts, all channels of it. The image
    keeps its size, but few of its pixels count. rate: a number, or (low, high); condition["mask"], N×1×H×W, is 1 where
    x was replaced, and the weight is mask / rate. Raises BadInput below 4×4.
    """

    clean = False

    def __init__(self, rate: Range = 0.02) -> None:
        super().__init__()
        self.rate = span("rate", rate, 1e-3, 1)

    def forward(self, sample: Sample, ctx: Context) -> Sample:
        x, noise = check_images(sample.x, "the corruption blind-spot"), noise_of(ctx)
        height, width = x.shape[2:]
        if min(height, width) < 2 * FAR:
            raise BadInput(f"images of {height}×{width} are too small for a blind spot: 4×4 or more is accepted")
        # One of the 24 offsets other than zero; at an edge, the opposite one.
        side = 2 * FAR + 1
        step = (noise.uniform(height, width) * (side**2 - 1)).long()
        step = step + (step >= side**2 // 2)
        rows = reflected_index(torch.arange(height, device=x.device)[:, None], step // side - FAR, height)
        columns = reflected_index(torch.arange(width, device=x.device), step % side - FAR, width)
        indices = (rows * width + columns).flatten(1)[:, None].expand(-1, x.shape[1], -1)
        rate = per_item(within(self.rate, noise.uniform()), x)
        mask = (noise.uniform(1, height, width) < rate).to(x.dtype)
        seen = torch.where(mask > 0, x.flatten(2).gather(2, indices).view_as(x), x)
        condition = {**sample.condition, "mask": mask}
        return sample.replace(x=seen, target=x, weight=sample.weight * mask / rate, condition=condition)


def reflected_index(index: torch.Tensor, step: torch.Tensor, length: int) -> torch.Tensor:
    """index + step, or index − step where that is not in 0..length−1."""
    moved = index + step
    return torch.where((moved >= 0) & (moved < length), moved, index - step)
