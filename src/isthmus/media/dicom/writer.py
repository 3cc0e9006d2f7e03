"""Writing of DICOM: one or more images in a derived copy of their source's data set."""

from __future__ import annotations

import copy
import struct
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from isthmus.errors import BadInput, Note
from isthmus.media.dicom.reader import flip_mask, one_line_errors
from isthmus.media.high_bit_depth import scaled

SPACINGS = ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing")  # mm between rows, and columns
ORIENTATION = "ImageOrientationPatient"


def write_dicom(path: Path, pixels: np.ndarray, data: Any, done: str, name: Path) -> None:
    """Write H×W×C of uint8 or uint16 in the data set of read_dicom; see `dicom_writer`."""
    with dicom_writer(path, data, [done], name, 1) as put:
        put(pixels)


@contextmanager
def dicom_writer(
    path: Path, data: Any, done: Sequence[str], name: Path, count: int
) -> Iterator[Callable[[np.ndarray], None]]:
    """Yield a function that writes `count` images, one at a time, in a data set derived from `data`.

    Uncompressed, explicit little endian; color as RGB. The file is a new, derived instance, whose derivation
    description names isthmus and `done` (read at the first image); after resizing, spacings and positions are adapted
    so that it covers the same area. `name` is the path in messages. Raises BadInput for a big endian data set, of
    which only the pixels could be converted.
    """
    from pydicom.uid import ExplicitVRLittleEndian

    if not data.file_meta.TransferSyntaxUID.is_little_endian:
        raise BadInput(f"{name}: no DICOM is written of a big endian one; .png and .tif are")
    written = 0
    with path.open("wb") as file:

        def put(pixels: np.ndarray) -> None:
            nonlocal written
            numbers = numbers_of(pixels, data)
            if not written:
                made = _derived(data, numbers, " and ".join(done), name, count)
                made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
                with one_line_errors(name, "cannot be written"):
                    made.save_as(file, enforce_file_format=True)
                length = count * numbers.nbytes
                if length > 2**32 - 2:
                    raise BadInput(f"{name}: {length} bytes of pixels are more than a DICOM holds; .tif holds them")
                wide = numbers.dtype.itemsize > 1
                file.write(struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OW" if wide else b"OB", 0, length + length % 2))
            file.write(numbers.tobytes())
            written += numbers.nbytes

        yield put
        file.write(bytes(written % 2))


def numbers_of(pixels: np.ndarray, data: Any) -> np.ndarray:
    """H×W×C of uint8 or uint16 as values that the data set stores, H×W if gray."""
    if pixels.shape[-1] > 1:
        return pixels.astype(pixels.dtype.newbyteorder("<"))
    bits, signed = int(data.BitsStored), bool(data.PixelRepresentation)
    numbers = scaled(pixels[..., 0].astype(np.int32), np.iinfo(pixels.dtype).max, 2**bits - 1) ^ flip_mask(data)
    if signed:
        numbers -= (numbers >> (bits - 1)) << bits
    return numbers.astype(np.dtype(f"<{'i' if signed else 'u'}{data.BitsAllocated // 8}"))


def _derived(data: Any, numbers: np.ndarray, done: str, path: Path, count: int) -> Any:
    """The data set of the result, without its pixels."""
    from pydicom.uid import generate_uid

    made = copy.deepcopy(data)
    fit_to(made, numbers.shape, path)
    made.Rows, made.Columns = numbers.shape[:2]
    made.ImageType = ["DERIVED", *list(made.get("ImageType") or ["", "PRIMARY"])[1:]]
    made.DerivationDescription = "; ".join(filter(None, [made.get("DerivationDescription"), f"{done} by isthmus"]))
    for name, value in (("SmallestImagePixelValue", numbers.min()), ("LargestImagePixelValue", numbers.max())):
        if name in made and count == 1:
            made[name].value = int(value)
        elif name in made:
            del made[name]
    if numbers.ndim == 3:
        made.SamplesPerPixel, made.PhotometricInterpretation, made.PlanarConfiguration = 3, "RGB", 0
        bits = 8 * numbers.dtype.itemsize
        made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = bits, bits, bits - 1, 0
        for tag in [element.tag for element in made if "PaletteColorLookupTable" in element.keyword]:
            del made[tag]
    if "NumberOfFrames" in made or count > 1:
        made.NumberOfFrames = count
    if len(made.get("PerFrameFunctionalGroupsSequence") or []) > count:
        made.PerFrameFunctionalGroupsSequence = made.PerFrameFunctionalGroupsSequence[:count]
    for tag in [element.tag for element in made if element.tag.group >= 0x7FE0]:  # pixels, padding and signatures
        del made[tag]
    made.SOPInstanceUID = made.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    return made


def fit_to(data: Any, size: tuple[int, ...], path: Path) -> None:
    """Adapt pixel spacings and positions of a data set to a new (rows, columns) over the same area.

    A data set of several images has them in functional groups, shared or per frame.
    """
    from pydicom.valuerep import DSfloat

    down, across = int(data.Rows) / size[0], int(data.Columns) / size[1]
    if (down, across) == (1, 1):
        return
    groups = [
        *(data.get("SharedFunctionalGroupsSequence") or []),
        *(data.get("PerFrameFunctionalGroupsSequence") or []),
    ]

    def parts(name: str) -> list[Any]:
        return [data, *(group.get(name)[0] for group in groups if group.get(name))]

    steps = next((part.PixelSpacing for part in parts("PixelMeasuresSequence") if part.get("PixelSpacing")), None)
    row, column = (float(step) for step in steps) if steps else (0.0, 0.0)
    for part in parts("PixelMeasuresSequence"):
        for name in SPACINGS:
            if len(spacing := part.get(name) or []) == 2:
                new = float(spacing[0]) * down, float(spacing[1]) * across
                setattr(part, name, [DSfloat(step, auto_format=True) for step in new])
    turns = [part.ImageOrientationPatient for part in parts("PlaneOrientationSequence") if part.get(ORIENTATION)]
    for number, part in enumerate(parts("PlanePositionSequence")):
        first = part.get("ImagePositionPatient")
        if steps and first and turns:  # the center of the first pixel: smaller pixels have it nearer to the corner
            axes = turns[number - 1] if len(turns) > 1 and 0 < number <= len(turns) else turns[0]
            right, below = np.array(axes, float).reshape(2, 3)
            moved = np.array(first, float) + right * column * (across - 1) / 2 + below * row * (down - 1) / 2
            part.ImagePositionPatient = [DSfloat(float(value), auto_format=True) for value in moved]
    if layers := [element.tag for element in data if element.tag.group in range(0x6000, 0x6100)]:
        for tag in layers:
            del data[tag]
        warnings.warn(f"{path}: its overlays are left out, which fit only the old size", Note, stacklevel=5)
