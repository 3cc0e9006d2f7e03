"""Reading of label maps: the values of an image file as stored, not as brightness."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from isthmus.errors import BadInput
from isthmus.media.file_content import decoding, head_of
from isthmus.media.high_bit_depth import upright
from isthmus.media.image_reader import is_tiff, open_image, read_layers
from isthmus.media.npy_images import PARSING

PICKLES = "_seg.npy"  # of Cellpose
NOT_READ = {
    **dict.fromkeys((".nii", ".nii.gz", ".mha", ".nrrd", ".mgz"), "volumes are not read"),
    ".dcm": "label maps in DICOM are not read",
    PICKLES: "is a pickle, which can run code; save the masks of Cellpose as PNG or TIFF",
}


@dataclass(frozen=True)
class LabelImage:
    """values: H×W integers as stored (of a palette its indices), or H×W×3 uint8 colors, upright.

    palette: r g b r g b … of the indices, or None. alpha: whether the file has an alpha channel, which is not in
    `values`.
    """

    values: np.ndarray
    palette: list[int] | None = None
    alpha: bool = False

    @property
    def deep(self) -> bool:
        """Whether a value takes more than 8 bits."""
        return self.values.dtype.itemsize > 1


def refuse_format(path: Path | str) -> None:
    """Raise BadInput for a format of label maps that is not read."""
    for ending, reason in NOT_READ.items():
        if str(path).lower().endswith(ending):
            raise BadInput(f"{path}: {reason}; accepted are label maps as .png, .tif, .bmp, .gif and .npy")


def read_label_image(path: Path | str) -> LabelImage:
    """The values of a label map. Raises BadInput, naming the file, for a file of another kind, and for floats."""
    path = Path(path)
    refuse_format(path)
    image = LabelImage(_npy(path)) if path.suffix.lower() == ".npy" else _indexed(path) or _direct(path)
    if image.values.dtype.kind not in "ui":
        raise BadInput(f"{path}: a mask of {image.values.dtype} numbers; integers are accepted")
    return image


def read_labels(path: Path | str) -> np.ndarray:
    """1×H×W int32: the values of a label map as stored; of a palette its indices.

    Raises BadInput, naming the file, for colors and for values that are no integers.
    """
    values = read_label_image(path).values
    if values.ndim > 2:
        raise BadInput(f"{path}: is no label map; one channel of integers, or a palette, is accepted")
    return values.astype(np.int32)[None]


def _indexed(path: Path) -> LabelImage | None:
    """An image of a palette, or of one bit outside of a TIFF; None for others."""
    with decoding(path):
        if is_tiff(path):
            with suppress(OSError), open_image(path) as image:
                if image.mode == "P":
                    return _with_palette(image)
            return None
        with suppress(OSError), open_image(path) as image:
            if image.mode == "P":
                return _with_palette(image)
            if image.mode == "1":
                return LabelImage(upright(np.asarray(image), image.getexif().get(0x0112, 1)).astype(np.uint8))
    return None


def _with_palette(image: Any) -> LabelImage:
    palette = [int(value) for value in image.getpalette("RGB") or []]
    indices = upright(np.asarray(image), image.getexif().get(0x0112, 1))
    return LabelImage(np.ascontiguousarray(indices), palette, "transparency" in image.info)


def _direct(path: Path) -> LabelImage:
    """One channel, or three. PNGs of 2 and 4 bits are undone to their stored values."""
    layers = read_layers(path)
    values = layers.color
    with decoding(path):
        head = head_of(path)
    if head[:8] == b"\x89PNG\r\n\x1a\n" and head[25] == 0 and head[24] in (2, 4):
        values = values // (255 // (2 ** head[24] - 1))
    if values.shape[-1] == 1:
        return LabelImage(values[..., 0], alpha=layers.alpha is not None)
    if values.dtype != np.uint8:
        raise BadInput(f"{path}: a mask of colors in {values.dtype}; 8 bits a channel are accepted")
    return LabelImage(values, alpha=layers.alpha is not None)


def _npy(path: Path) -> np.ndarray:
    try:
        with PARSING:
            array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        pickled = "pickle" in str(error)
        reason = "holds Python objects (a pickle)" if pickled else "truncated or broken numpy file"
        raise BadInput(f"{path}: {reason}; accepted is an array H×W of integers") from error
    if array.ndim == 3 and 1 in (array.shape[0], array.shape[-1]):
        array = array[0] if array.shape[0] == 1 else array[..., 0]
    colors = array.ndim == 3 and array.shape[-1] == 3 and array.dtype == np.uint8
    if (array.ndim != 2 and not colors) or 0 in array.shape:
        raise BadInput(f"{path}: an array of {'×'.join(map(str, array.shape))}; accepted is H×W of integers")
    return np.array(array, dtype=np.uint8 if array.dtype == bool else array.dtype.newbyteorder("="))
