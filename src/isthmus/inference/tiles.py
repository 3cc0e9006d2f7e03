"""A picture through a net tile by tile: any size in bounded memory, no seam, the result of the whole at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from isthmus.layers import mirrored

TILE = 512  # pixels of a side that are kept of each tile
FEATHER = 16  # pixels over which one tile passes into the next
Write = Callable[[np.ndarray, int, int], None]


def tiled(
    function: Callable[..., Tensor],
    x: np.ndarray,
    *sides: np.ndarray,
    write: Write,
    reach: int | None,
    stride: int = 1,
    scale: int = 1,
    tile: int = TILE,
    each: Callable[[int], None] | None = None,
    range: tuple[float, float] | None = None,
) -> None:
    """Run `function` over overlapping tiles of a picture x, C×H×W, and hand the result over in parts.

    function: takes 1×C×h×w in [0, 1], and as much of each of `sides` (C×H×W too), to 1×C'×(scale h)×(scale w). Tiles
    begin and end at multiples of `stride`; where the picture ends before, its last row and column are repeated, as
    the nets here do by themselves. They overlap by `reach`, which is what one pixel of the result sees to each side,
    so that the result is that of the whole picture; None: it sees all, and there is one tile.
    range: the numbers of x that are 0 and 1 to `function`; None: 0 and all that whole numbers of its type hold.
    write: is called with (part C'×h×w float32, top, left), one part for each place of the result, each once. each: is
    called with the number of tiles that are done.

    Memory is that of a tile of (tile + 2 reach)² pixels and of a strip as wide as the picture and FEATHER high.
    """
    height, width = x.shape[-2:]
    feather = min(FEATHER, tile // 4)
    rows, columns = grid(height, width, tile, reach)
    fade = feather * scale
    ramp = (np.arange(fade, dtype=np.float32) + 0.5) / max(1, fade)
    above = np.empty(0, np.float32)  # the last rows of the tiles above
    done = 0
    for top, bottom in rows:
        beside = np.empty(0, np.float32)  # the last columns of the tile to the left
        for left, right in columns:
            first, tall = _window(top, bottom, height, reach, stride)
            second, wide = _window(left, right, width, reach, stride)
            parts = [
                _part(x, first, tall, second, wide, range),
                *(_part(side, first, tall, second, wide) for side in sides),
            ]
            part = function(*parts)[0].detach().float().cpu().numpy()
            down, across = (top - first) * scale, (left - second) * scale
            part = part[:, down : down + (bottom - top) * scale, across : across + (right - left) * scale]
            if left:
                part[..., :fade] = beside + (part[..., :fade] - beside) * ramp
            if right < width:
                keep = part.shape[-1] - fade
                beside, part = part[..., keep:].copy(), part[..., :keep]
            place = slice(left * scale, left * scale + part.shape[-1])
            if top:
                part[:, :fade] = above[..., place] + (part[:, :fade] - above[..., place]) * ramp[:, None]
            if bottom < height:
                if not above.size:
                    above = np.empty((len(part), fade, width * scale), np.float32)
                keep = part.shape[1] - fade
                above[..., place], part = part[:, keep:], part[:, :keep]
            write(part, top * scale, left * scale)
            done += 1
            if each is not None:
                each(done)


def grid(height: int, width: int, tile: int, reach: int | None) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """[first, end) of the rows and of the columns of all tiles of a picture."""
    feather = min(FEATHER, tile // 4)
    return cuts(height, tile, reach, feather), cuts(width, tile, reach, feather)


def cuts(length: int, tile: int, reach: int | None, feather: int) -> list[tuple[int, int]]:
    """[first, end) of what is kept of each tile along a side: each begins `feather` before the last one ends."""
    if reach is None or length <= tile + 2 * reach:  # an inner tile takes no less
        return [(0, length)]
    count = -(-(length - feather) // (tile - feather))
    each = -(-(length - feather) // count)  # of equal length, but for the last
    return [(i * each, min((i + 1) * each + feather, length)) for i in range(count)]


def _window(first: int, end: int, length: int, reach: int | None, stride: int) -> tuple[int, int]:
    """Where a tile begins, and how long it is, with what is seen around it; it may end behind the picture."""
    if reach is None:
        return 0, length
    begin, end = max(0, first - reach) // stride * stride, min(length, end + reach)
    return begin, -(-(end - begin) // stride) * stride


def _part(
    array: np.ndarray, top: int, tall: int, left: int, wide: int, range: tuple[float, float] | None = None
) -> Tensor:
    """1×C×tall×wide float32, numbers as shares of their range; past the end it is mirrored."""
    low, high = range or (0.0, float(np.iinfo(array.dtype).max) if array.dtype.kind == "u" else 1.0)
    exact: Any = np.float64 if low or (array.dtype.kind in "iu" and array.itemsize > 2) else np.float32
    part: Any = np.array(array[:, top : top + tall, left : left + wide], exact)[None]
    part = ((part - low) / ((high - low) or 1.0) if low else part / (high or 1.0)).astype(np.float32, copy=False)
    return mirrored(torch.from_numpy(part), tall, wide)
