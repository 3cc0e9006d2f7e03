"""Check on a blank item that a corruption suits a network, before a training begins."""

from __future__ import annotations

import torch

from isthmus.corruptions import Corruption
from isthmus.corruptions import corruption as parse_corruption
from isthmus.errors import BadInput
from isthmus.types import Context, Noise, Sample, Shape


def corruption_for(text: str, shape: Shape, any_size: bool = False) -> Corruption | None:
    """Parse a corruption for a network that maps items of `shape` to items of the same shape.

    any_size: the network accepts any height and width, so a corruption may change the size of x̃ and target. Raises
    BadInput for a corruption that appends a mask, changes the size, or cannot be applied to such items.
    """
    parsed = parse_corruption(text)
    if parsed is None:
        return None
    if parsed.extra:
        raise BadInput(
            f"corruption={text}: appends a mask, for the recipe inpaint alone; masking hides pixels without one"
        )
    if parsed.scale > 1:
        raise BadInput(f"corruption={text}: makes images smaller, for the recipe upscale alone")
    try:
        with torch.no_grad():
            sample = parsed(Sample.of(torch.zeros(1, *shape)), Context(Noise(0, 0, 1)))
    except BadInput as error:
        raise BadInput(f"corruption={text}: {error}") from None
    if sample.x.shape != (1, *shape) and not any_size:
        sizes = ("×".join(map(str, side)) for side in (shape, sample.x.shape[1:]))
        raise BadInput("corruption={}: turns {} into {}; the recipe denoise accepts any size".format(text, *sizes))
    return parsed
