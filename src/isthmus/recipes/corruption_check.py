"""Whether a corruption suits a net: found out on one blank item, before a training begins."""

from __future__ import annotations

import torch

from isthmus.corruptions import Corruption
from isthmus.corruptions import corruption as parse_corruption
from isthmus.errors import BadInput
from isthmus.types import Context, Noise, Sample, Shape


def corruption_for(text: str, shape: Shape, any_size: bool = False) -> Corruption | None:
    """The corruption of that text for a net that maps items of `shape` to items of the same shape.

    any_size: the net takes pictures of any height and width, so x̃ and target may both have another size. Raises
    BadInput for a corruption that appends a mask, changes the size, or cannot damage such items.
    """
    found = parse_corruption(text)
    if found is None:
        return None
    if found.extra:
        raise BadInput(f"corruption={text}: appends a mask, which the recipe inpaint takes; masking hides pixels here")
    if found.scale > 1:
        raise BadInput(f"corruption={text}: makes pictures smaller, as the recipe upscale takes them")
    try:
        with torch.no_grad():
            sample = found(Sample.of(torch.zeros(1, *shape)), Context(Noise(0, 0, 1)))
    except BadInput as error:
        raise BadInput(f"corruption={text}: {error}") from None
    if sample.x.shape != (1, *shape) and not any_size:
        sizes = ("×".join(map(str, side)) for side in (shape, sample.x.shape[1:]))
        raise BadInput("corruption={}: makes {} into {}; the recipe denoise takes any size".format(text, *sizes))
    return found
