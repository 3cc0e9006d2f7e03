"""DICOM in and out: one gray picture of 8 to 16 bits, and the data set that it lies in.

The numbers are those that are stored: no rescale slope, no window is applied, and 0..1 is all that the stored bits can
hold. So the window and the rescale of the data set stay true of what is written. Patient data is not touched: what
names a person in the file that is read names them in the file that is written, and nothing is added.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO

import numpy as np

from isthmus.data.deep import Header, scaled
from isthmus.errors import BadInput, Note

INSTEAD = "or save it as 16-bit .png or .tif first"
TIFF = (".tif", ".tiff")
SPACINGS = ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing")  # mm from row to row, and column


def is_dicom(path: Path | str) -> bool:
    """Whether a file that can be read has DICM at byte 128, whatever its name; a DICOMDIR only lists others."""
    try:
        with Path(path).open("rb") as file:
            return starts_as_dicom(file.read(132), path) and Path(path).name != "DICOMDIR"
    except OSError:
        return False


def starts_as_dicom(head: bytes, name: Path | str) -> bool:
    """DICM at byte 128; scanners may begin their files as a TIFF too, which then is one if it is called so."""
    return head[128:132] == b"DICM" and not (head[:2] in (b"II", b"MM") and Path(name).suffix.lower() in TIFF)


def bare(name: Path | str) -> bool:
    """Whether a name has no suffix; the end of one such as 1.2.840.10008 is none."""
    suffix = Path(name).suffix[1:]
    return not suffix or suffix.isdigit()


def dicom_header(path: Path) -> Header:
    """Raises BadInput, as read_dicom does."""
    pydicom = _pydicom(path)
    with _told(path, "a broken DICOM file"):
        found = _checked(pydicom.dcmread(path, stop_before_pixels=True), path)
    return Header(int(found.Rows), int(found.Columns), gray=True, deep=found.BitsStored > 8)


def read_dicom(path: Path, file: BinaryIO | None = None) -> tuple[np.ndarray, Any]:
    """H×W×1 uint8, or uint16 where more than 8 bits are stored, bright being white; and the data set without it.

    Numbers of b bits, from 0 or, where they are signed, from −2^(b−1), become all of 0..255 or 0..65535, from which
    write_dicom makes the same numbers again. Raises BadInput, naming the file, without pydicom, for colour, several
    frames, fewer than 8 or more than 16 bits, or a compression that pydicom does not know by itself.
    """
    pydicom = _pydicom(path)
    with _told(path, "a broken DICOM file"):
        found = _checked(pydicom.dcmread(file or path), path)
        if "PixelData" not in found:
            raise BadInput(f"{path}: this DICOM file holds no picture")
        syntax = found.file_meta.TransferSyntaxUID
        if syntax.is_compressed and not pydicom.pixels.get_decoder(syntax).is_available:
            raise BadInput(
                f"{path}: compressed as {syntax.name}, which pydicom does not read by itself; pip install pylibjpeg "
                f"pylibjpeg-libjpeg, {INSTEAD}"
            )
        bits = int(found.BitsStored)
        stored = found.pixel_array.astype(np.int32) & (2**bits - 1)
        del found.PixelData
        found._pixel_array = None  # a picture may be large, and pydicom would keep it
    pixels = scaled(stored ^ _first_bit(found), 2**bits - 1, 255 if bits == 8 else 65535)
    return pixels.astype(np.uint8 if bits == 8 else np.uint16)[..., None], found


def write_dicom(path: Path, pixels: np.ndarray, data: Any, done: str, shown: Path) -> None:
    """H×W×1 of uint8 or uint16 as the data set that read_dicom gave, uncompressed, explicit little endian.

    It is a new instance, derived, whose derivation says `done` and by what, and where the size is another, with
    spacings, and a first position, that lay the pixels over the same place. Raises BadInput where the data set was big
    endian, of which only the pixels could be turned.
    """
    from pydicom.pixels.utils import set_pixel_data
    from pydicom.uid import ExplicitVRLittleEndian

    if not data.file_meta.TransferSyntaxUID.is_little_endian:
        raise BadInput(f"{shown}: no DICOM is written of a big endian one; .png and .tif are")
    bits, signed = int(data.BitsStored), bool(data.PixelRepresentation)
    numbers = scaled(pixels[..., 0].astype(np.int32), np.iinfo(pixels.dtype).max, 2**bits - 1) ^ _first_bit(data)
    if signed:
        numbers -= (numbers >> (bits - 1)) << bits
    made = copy.deepcopy(data)
    _resize(made, numbers.shape, shown)
    kind = np.dtype(f"<{'i' if signed else 'u'}{data.BitsAllocated // 8}")
    made.ImageType = ["DERIVED", *list(made.get("ImageType") or ["", "PRIMARY"])[1:]]
    made.DerivationDescription = "; ".join(filter(None, [made.get("DerivationDescription"), f"{done} by isthmus"]))
    for name, value in (("SmallestImagePixelValue", numbers.min()), ("LargestImagePixelValue", numbers.max())):
        if name in made:
            made[name].value = int(value)
    with _told(shown, "cannot be written"):
        set_pixel_data(made, numbers.astype(kind), data.PhotometricInterpretation, bits)
        made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        made.save_as(path, enforce_file_format=True)


def _first_bit(data: Any) -> int:
    """What turns stored bits into numbers that begin at 0 and grow with brightness, and back, by exclusive or."""
    bits = int(data.BitsStored)
    flip = 2**bits - 1 if data.PhotometricInterpretation == "MONOCHROME1" else 0  # of which the least is white
    return flip ^ (2 ** (bits - 1) if data.PixelRepresentation else 0)


def _resize(data: Any, size: tuple[int, ...], path: Path) -> None:
    """Other pixels over the same place: what tells where they lie, for numbers of rows and columns that change."""
    from pydicom.valuerep import DSfloat

    down, across = int(data.Rows) / size[0], int(data.Columns) / size[1]
    if (down, across) == (1, 1):
        return
    before = data.get("PixelSpacing")
    for name in SPACINGS:
        if len(found := data.get(name) or []) == 2:
            steps = float(found[0]) * down, float(found[1]) * across
            setattr(data, name, [DSfloat(step, auto_format=True) for step in steps])
    first, axes = data.get("ImagePositionPatient"), data.get("ImageOrientationPatient")
    if before and first and axes:  # the middle of the first pixel: of smaller ones it lies nearer to the corner
        right, below = np.array(axes, float).reshape(2, 3)
        row, column = (float(step) for step in before)
        moved = np.array(first, float) + right * column * (across - 1) / 2 + below * row * (down - 1) / 2
        data.ImagePositionPatient = [DSfloat(float(value), auto_format=True) for value in moved]
    if layers := [element.tag for element in data if element.tag.group in range(0x6000, 0x6100)]:
        for tag in layers:
            del data[tag]
        warnings.warn(f"{path}: its overlays are left out, which lie on the pixels that it had", Note, stacklevel=5)


def _checked(data: Any, path: Path) -> Any:
    """The data set, where it is one gray picture."""
    if not all(name in data for name in ("Rows", "Columns", "BitsStored", "BitsAllocated")):
        raise BadInput(f"{path}: this DICOM file holds no picture")
    if int(data.get("NumberOfFrames") or 1) > 1:
        raise BadInput(f"{path}: a DICOM of {data.NumberOfFrames} frames is not read here; save each as its own file")
    kind = data.get("PhotometricInterpretation", "")
    if kind not in ("MONOCHROME1", "MONOCHROME2"):
        raise BadInput(f"{path}: a DICOM of {kind or 'unknown colours'}; gray is accepted (MONOCHROME1, MONOCHROME2)")
    bits, held = int(data.BitsStored), int(data.BitsAllocated)
    if not 8 <= bits <= 16 or held not in (8, 16) or int(data.get("HighBit", bits - 1)) != bits - 1:
        raise BadInput(f"{path}: a DICOM of {bits} bits in {held}; 8 to 16, the low ones of 8 or 16, are accepted")
    if "PixelRepresentation" not in data:
        data.PixelRepresentation = 0
    return data


@contextmanager
def _told(path: Path, what: str) -> Iterator[None]:
    """Whatever pydicom raises, which is much, as one line."""
    try:
        yield
    except (BadInput, OSError, MemoryError):
        raise
    except Exception as error:
        raise BadInput(f"{path}: {what} ({' '.join(str(error).split())[:160] or type(error).__name__})") from error


def _pydicom(path: Path) -> ModuleType:
    try:
        import pydicom
        import pydicom.pixels
    except ImportError as error:
        raise BadInput(f"{path}: DICOM needs pydicom: pip install 'isthmus[dicom]', {INSTEAD}") from error
    return pydicom
