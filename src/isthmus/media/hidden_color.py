"""Color of fully transparent pixels: most editors save black there, which must not bleed into a restoration."""

from __future__ import annotations

import numpy as np

from isthmus.media.image_file import Photo


def fill_hidden(photo: Photo) -> np.ndarray:
    """The pixels H×W×C of a photo, each with alpha 0 replaced by the mean color of the nearest visible pixels.

    The photo's own pixels if none are hidden, or none visible.
    """
    if photo.alpha is None:
        return photo.pixels
    visible = photo.alpha > 0
    if visible.all() or not visible.any():
        return photo.pixels
    return _push_pull(photo.pixels, visible)


def keep_hidden(pixels: np.ndarray, photo: Photo) -> np.ndarray:
    """H×W×C of the size of a photo, with the photo's own pixels where its alpha is 0."""
    if photo.alpha is None or (photo.alpha > 0).all():
        return pixels
    return np.where(photo.alpha[..., None] > 0, pixels, photo.pixels)


def _push_pull(pixels: np.ndarray, known: np.ndarray) -> np.ndarray:
    """H×W×C with each unknown pixel as the mean of the known pixels in its smallest square of 2×2, 4×4, ... with any.

    Squares lie on a grid, so this costs a third more than one pass over the image (Gortler et al. 1996).
    """
    height, width = known.shape
    half_height, half_width = -(-height // 2), -(-width // 2)
    total = np.zeros((half_height, half_width, pixels.shape[-1]), np.float32)
    count = np.zeros((half_height, half_width, 1), np.float32)
    corners = [(slice(top, None, 2), slice(left, None, 2)) for top in (0, 1) for left in (0, 1)]
    for corner in corners:
        part, visible = pixels[corner], known[corner][..., None]
        rows, columns = part.shape[:2]
        total[:rows, :columns] += np.where(visible, part, 0)
        count[:rows, :columns] += visible
    coarse, filled = total / np.maximum(count, 1), count[..., 0] > 0
    if not filled.all():
        coarse = _push_pull(coarse, filled)
    result = pixels.copy()
    for corner in corners:
        part, visible = result[corner], known[corner][..., None]
        rows, columns = part.shape[:2]
        near = coarse[:rows, :columns]
        near = np.rint(near) if pixels.dtype.kind == "u" else near
        result[corner] = np.where(visible, part, near.astype(pixels.dtype))
    return result
