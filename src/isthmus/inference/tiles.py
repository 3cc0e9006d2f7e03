"""Tiled inference: images of any size in bounded memory, with the result of a single pass and no seams."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from isthmus.layers import mirrored
from isthmus.media.bit_depth import to_shares

TILE = 512  # side in pixels of the part of a tile that is kept
FEATHER = 16  # pixels over which neighboring tiles are blended
Write = Callable[[np.ndarray, int, int], None]


def apply_tiled(
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
    """Run `function` on overlapping tiles of an image x, C×H×W, and pass the result to `write` in parts.

    function: maps 1×C×h×w in [0, 1], and the same tile of each of `sides` (C×H×W), to 1×C'×(scale h)×(scale w). Tiles
    begin and end at multiples of `stride`; beyond the image they are filled by reflection, as the networks do
    themselves. They overlap by `reach`, the radius of the receptive field, so that the result equals that of one
    pass; None: the receptive field is unlimited, and there is one tile.
    range: the values of x that are 0 and 1 to `function`; None: 0 and the maximum of the integer dtype, or 1.
    write: called with (part C'×h×w float32, top, left); the parts cover the result once. each: called with the number
    of finished tiles.

    Memory: one tile of (tile + 2 reach)² pixels, and a strip of FEATHER rows of the image.
    """
    height, width = x.shape[-2:]
    feather = min(FEATHER, tile // 4)
    rows, columns = grid(height, width, tile, reach)
    fade = feather * scale
    ramp = (np.arange(fade, dtype=np.float32) + 0.5) / max(1, fade)
    upper_edge = np.empty(0, np.float32)  # the last rows of the tiles above
    count = 0
    for top, bottom in rows:
        left_edge = np.empty(0, np.float32)  # the last columns of the tile to the left
        for left, right in columns:
            first, tile_height = _span(top, bottom, height, reach, stride)
            second, tile_width = _span(left, right, width, reach, stride)
            parts = [
                _tile(x, first, tile_height, second, tile_width, range),
                *(_tile(side, first, tile_height, second, tile_width) for side in sides),
            ]
            part = function(*parts)[0].detach().float().cpu().numpy()
            down, across = (top - first) * scale, (left - second) * scale
            part = part[:, down : down + (bottom - top) * scale, across : across + (right - left) * scale]
            if left:
                part[..., :fade] = left_edge + (part[..., :fade] - left_edge) * ramp
            if right < width:
                keep = part.shape[-1] - fade
                left_edge, part = part[..., keep:].copy(), part[..., :keep]
            place = slice(left * scale, left * scale + part.shape[-1])
            if top:
                part[:, :fade] = upper_edge[..., place] + (part[:, :fade] - upper_edge[..., place]) * ramp[:, None]
            if bottom < height:
                if not upper_edge.size:
                    upper_edge = np.empty((len(part), fade, width * scale), np.float32)
                keep = part.shape[1] - fade
                upper_edge[..., place], part = part[:, keep:], part[:, :keep]
            write(part, top * scale, left * scale)
            count += 1
            if each is not None:
                each(count)


def grid(height: int, width: int, tile: int, reach: int | None) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """[first, end) of the rows, and of the columns, of all tiles of an image."""
    feather = min(FEATHER, tile // 4)
    return tile_bounds(height, tile, reach, feather), tile_bounds(width, tile, reach, feather)


def tile_bounds(length: int, tile: int, reach: int | None, feather: int) -> list[tuple[int, int]]:
    """[first, end) of the kept part of each tile along one axis; neighbors overlap by `feather`."""
    if reach is None or length <= tile + 2 * reach:  # an inner tile would be no smaller
        return [(0, length)]
    count = -(-(length - feather) // (tile - feather))
    each = -(-(length - feather) // count)  # of equal length, but for the last
    return [(i * each, min((i + 1) * each + feather, length)) for i in range(count)]


def _span(first: int, end: int, length: int, reach: int | None, stride: int) -> tuple[int, int]:
    """First pixel and length of a tile including its receptive field; it may end beyond the image."""
    if reach is None:
        return 0, length
    begin, end = max(0, first - reach) // stride * stride, min(length, end + reach)
    return begin, -(-(end - begin) // stride) * stride


def _tile(
    array: np.ndarray, top: int, tile_height: int, left: int, tile_width: int, range: tuple[float, float] | None = None
) -> Tensor:
    """A tile as 1×C×tile_height×tile_width float32, scaled by its range and reflected beyond the image."""
    part = to_shares(array[None, :, top : top + tile_height, left : left + tile_width], range)
    return mirrored(torch.from_numpy(part), tile_height, tile_width)
