"""Instance maps, H×W int32 with 0 for the background: targets of a training, and back from its predictions."""

from __future__ import annotations

import numpy as np

REACH = 1  # pixels; a border pixel has two objects in its square of 2 · REACH + 1 pixels
CORE, PEAK = 0.2, 0.4  # distance minus border above which pixels are a core, and of its highest pixel
W0, SIGMA = 10.0, 5.0  # of the weights in Ronneberger et al. 2015, σ in pixels
NEGLIGIBLE = 4.0  # in σ: d1 + d2 above which a weight is below exp(−8) · w0


def connected(mask: np.ndarray, diagonal: bool = True) -> np.ndarray:
    """H×W int32: the connected regions of a mask, numbered from 1. diagonal: whether pixels at a corner connect."""
    from scipy.ndimage import label

    return np.asarray(label(mask, np.ones((3, 3), int) if diagonal else None)[0], np.int32)


def touching(instances: np.ndarray) -> int:
    """The number of objects that share an edge or a corner of a pixel with another object."""
    found = np.zeros(int(instances.max(initial=0)) + 1, bool)
    height, width = instances.shape
    for down, right in ((0, 1), (1, 0), (1, 1), (1, -1)):
        left, first = max(0, -right), max(0, right)
        one = instances[: height - down, left : width - first]
        other = instances[down:, first : width - left]
        meet = (one != other) & (one > 0) & (other > 0)
        found[one[meet]] = found[other[meet]] = True
    return int(found.sum())


def border_and_distance(instances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(border, distance), H×W uint8 each: the targets of instance training.

    border: 1 where a pixel and its neighbors belong to two objects, except in the core of an object, which small ones
    keep. distance: to the edge of the object as a share of its largest, 1..255; 0 in the background. The frame of the
    image is no edge, because an object continues there.
    """
    from scipy.ndimage import find_objects, maximum_filter, minimum_filter

    instances = np.asarray(instances, np.int32)
    size, none = 2 * REACH + 1, np.iinfo(np.int32).max
    highest = maximum_filter(instances, size)
    lowest = minimum_filter(np.where(instances > 0, instances, none), size)
    border = ((lowest != highest) & (lowest != none)).astype(np.uint8)
    del highest, lowest
    distance = np.zeros(instances.shape, np.uint8)
    for number, box in enumerate(find_objects(instances), 1):
        if box is None:
            continue
        box = widened(box, 1, instances.shape)
        own = instances[box] == number
        share = to_edge(own)
        share /= share.max()
        border[box][own & (share > 0.5)] = 0
        distance[box][own] = np.maximum(1, np.rint(255 * share[own]))
    return border, distance


def touching_weights(instances: np.ndarray, w0: float = W0, sigma: float = SIGMA) -> np.ndarray:
    """H×W float32: 1 + w0 exp(−(d1 + d2)² / 2σ²), d1 and d2 being the distances to the two nearest objects.

    The weights of Ronneberger et al. 2015, without those of the classes; d1 is 0 inside an object.
    """
    from scipy.ndimage import find_objects

    limit = int(np.ceil(NEGLIGIBLE * sigma))
    nearest, second = np.full((2, *instances.shape), np.inf, np.float32)
    for number, box in enumerate(find_objects(instances), 1):
        if box is None:
            continue
        box = widened(box, limit, instances.shape)
        away = to_edge(instances[box] != number)
        near, next_one = nearest[box], second[box]
        np.minimum(next_one, np.maximum(near, away), out=next_one)
        np.minimum(near, away, out=near)
    nearest += second
    return 1 + np.float32(w0) * np.exp(nearest * nearest / np.float32(-2 * sigma**2))


def objects(
    foreground: np.ndarray,
    border: np.ndarray,
    distance: np.ndarray,
    min_area: int = 0,
    threshold: float = 0.5,
) -> np.ndarray:
    """H×W int32: the objects of predicted maps, numbered from 1, by a watershed from the cores of objects.

    foreground, border: H×W float16 or float32 probabilities; distance: the same, 0..1. threshold: the least probability
    of the foreground. A region with one core, or none, is one object. Objects of fewer pixels than min_area are left
    out.
    """
    from scipy.ndimage import find_objects

    mask, height = foreground >= threshold, distance - border
    cores = connected(mask & (height > CORE), diagonal=False)
    peaked = np.zeros(int(cores.max(initial=0)) + 1, bool)
    peaked[cores[height > PEAK]] = True
    cores *= peaked[cores]
    regions = connected(mask)
    home = np.zeros(len(peaked), np.int32)  # the region of each core
    home[cores[cores > 0]] = regions[cores > 0]
    boxes, counts = find_objects(regions), np.bincount(home)
    regions[mask] += len(peaked)  # so that their numbers are not those of cores, which replace them in place
    for region in np.flatnonzero(counts[1:] > 1) + 1:
        box = boxes[region - 1]
        own = regions[box] == region + len(peaked)
        regions[box][own] = flooded(height[box], cores[box], own)[own]
    return without_small(regions, min_area)


def flooded(height: np.ndarray, cores: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """H×W int32: the cores, grown downhill until they meet, within a mask."""
    from scipy.ndimage import binary_erosion
    from skimage.segmentation import watershed

    inner = binary_erosion(cores > 0)  # needs no flood, whose queue begins with all pixels of all cores
    grown = watershed(-height, cores, mask=mask & ~inner)
    grown[inner] = cores[inner]
    if (grown[mask] == 0).any():  # parts that a corner alone connects, as `connected` does
        grown = watershed(-height, grown, mask=mask, connectivity=2)
    return np.asarray(grown, np.int32)


def without_small(instances: np.ndarray, min_area: int) -> np.ndarray:
    """The objects of at least min_area pixels, numbered from 1 without gaps."""
    kept = np.bincount(instances.ravel()) >= max(1, min_area)
    kept[0] = False
    return np.where(kept, kept.cumsum(), 0).astype(np.int32)[instances]


def widened(box: tuple[slice, ...], by: int, shape: tuple[int, ...]) -> tuple[slice, ...]:
    """A box of pixels, enlarged on all sides within an image of this shape."""
    return tuple(
        slice(max(0, each.start - by), min(size, each.stop + by)) for each, size in zip(box, shape, strict=True)
    )


def to_edge(mask: np.ndarray) -> np.ndarray:
    """H×W float32: the distance of each pixel of a mask to the nearest pixel that is not in it; 1 if there is none."""
    from scipy.ndimage import distance_transform_edt

    if mask.all():
        return np.ones(mask.shape, np.float32)
    # The nearest pixels instead of the distances, which SciPy computes in float64: a third of the memory.
    rows, columns = distance_transform_edt(mask, return_distances=False, return_indices=True)
    rows -= np.arange(mask.shape[0], dtype=np.int32)[:, None]
    columns -= np.arange(mask.shape[1], dtype=np.int32)
    return np.hypot(rows, columns, dtype=np.float32)
