"""Outlines of masks as polygons along pixel edges, which fill to the same mask again, holes included."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

Point = tuple[int, int]  # x and y of a corner of pixels: the pixel in row i and column j spans x j..j+1 and y i..i+1
Points = list[Point]


def polygons_of(mask: np.ndarray) -> list[list[int]]:
    """H×W -> a polygon x1 y1 x2 y2 … for each 4-connected component of the nonzero pixels.

    A hole is part of the polygon of its component: the outline reaches it over a bridge of no width, passed in both
    directions, so that the even-odd rule of COCO's tools and of `media.rle.part_of_polygons` leaves it empty.
    """
    from scipy import ndimage

    components, count = ndimage.label(np.asarray(mask) != 0)
    polygons = []
    for number, box in enumerate(ndimage.find_objects(components, count), 1):
        rings = sorted(_rings(components[box] == number), key=_doubled_area, reverse=True)
        outline = list(rings[0])
        for hole in rings[1:]:
            outline += [rings[0][0], *hole, hole[0]]
        rows, columns = box
        if len(rings) > 1:
            outline.append(rings[0][0])
        polygons.append([value for x, y in outline for value in (x + columns.start, y + rows.start)])
    return polygons


def _rings(mask: np.ndarray) -> list[Points]:
    """The closed outlines of H×W bool, each with its corners alone; pixels of the mask are to the right."""
    padded = np.pad(mask, 1).astype(np.int8)
    after: defaultdict[Point, Points] = defaultdict(list)
    horizontal = np.diff(padded, axis=0)[:, 1:-1]  # an edge above pixel row i between x and x + 1
    for sign, step in ((1, 1), (-1, -1)):
        for y, x in np.argwhere(horizontal == sign).tolist():
            start = x if step == 1 else x + 1
            after[start, y].append((start + step, y))
    vertical = np.diff(padded, axis=1)[1:-1]
    for sign, step in ((1, -1), (-1, 1)):
        for y, x in np.argwhere(vertical == sign).tolist():
            start = y + 1 if step == -1 else y
            after[x, start].append((x, start + step))
    rings: list[Points] = []
    while after:
        first = here = next(iter(after))
        ring: Points = []
        before: Point | None = None
        while before is None or here != first:
            choices = after[here]
            ahead = choices.pop(_right_turn(before, here, choices))
            if not choices:
                del after[here]
            if before is None or not _straight(before, here, ahead):
                ring.append(here)
            before, here = here, ahead
        if before is not None and len(ring) > 2 and _straight(before, ring[0], ring[1]):
            ring.pop(0)
        rings.append(ring)
    return rings


def _right_turn(before: Point | None, here: Point, choices: Points) -> int:
    """The index of the next edge; of two, where pixels touch at a corner, that which stays at the same pixel."""
    if before is None or len(choices) == 1:
        return 0
    dx, dy = here[0] - before[0], here[1] - before[1]
    return next(i for i, (x, y) in enumerate(choices) if (x - here[0], y - here[1]) == (-dy, dx))


def _straight(a: Point, b: Point, c: Point) -> bool:
    return (a[0] == b[0] == c[0]) or (a[1] == b[1] == c[1])


def _doubled_area(ring: Points) -> int:
    return abs(sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in zip(ring, ring[1:] + ring[:1], strict=True)))
