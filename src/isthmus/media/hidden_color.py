"""The color of pixels that alpha hides: most editors save black there, which nobody is to see after a restoration."""

from __future__ import annotations

import numpy as np

from isthmus.media.image_file import Photo


def filled(photo: Photo) -> np.ndarray:
    """The pixels H×W×C of a photo, where alpha is 0 in the color of the nearest visible ones, averaged.

    The photo's own pixels where nothing is hidden, or nothing visible.
    """
    if photo.alpha is None:
        return photo.pixels
    visible = photo.alpha > 0
    if visible.all() or not visible.any():
        return photo.pixels
    return _push_pull(photo.pixels, visible)


def kept_hidden(pixels: np.ndarray, photo: Photo) -> np.ndarray:
    """H×W×C in the size of a photo, with the photo's own pixels where its alpha is 0: nobody sees a change there."""
    if photo.alpha is None or (photo.alpha > 0).all():
        return pixels
    return np.where(photo.alpha[..., None] > 0, pixels, photo.pixels)


def _push_pull(pixels: np.ndarray, known: np.ndarray) -> np.ndarray:
    """H×W×C with each unknown pixel as the mean of the known ones in the smallest square of 2×2, 4×4, ... that has any.

    Squares lie on a grid, so this takes a third more than one pass over the picture (Gortler et al. 1996).
    """
    height, width = known.shape
    high, wide = -(-height // 2), -(-width // 2)
    total = np.zeros((high, wide, pixels.shape[-1]), np.float32)
    count = np.zeros((high, wide, 1), np.float32)
    corners = [(slice(top, None, 2), slice(left, None, 2)) for top in (0, 1) for left in (0, 1)]
    for corner in corners:
        part, seen = pixels[corner], known[corner][..., None]
        rows, columns = part.shape[:2]
        total[:rows, :columns] += np.where(seen, part, 0)
        count[:rows, :columns] += seen
    coarse, some = total / np.maximum(count, 1), count[..., 0] > 0
    if not some.all():
        coarse = _push_pull(coarse, some)
    result = pixels.copy()
    for corner in corners:
        part, seen = result[corner], known[corner][..., None]
        rows, columns = part.shape[:2]
        near = coarse[:rows, :columns]
        near = np.rint(near) if pixels.dtype.kind == "u" else near
        result[corner] = np.where(seen, part, near.astype(pixels.dtype))
    return result
