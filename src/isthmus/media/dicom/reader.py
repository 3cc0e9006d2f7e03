"""Reading of DICOM: one or more gray or color images of 8 to 16 bits, with their data set.

Values are the stored ones: no rescale slope and no window is applied, and 0..1 is the full range of the stored bits.
So the window and the rescale of the data set remain valid for the written file. Patient data is not touched: the
written file identifies a person as the source does, and nothing is added.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO

import numpy as np

from isthmus.errors import BadInput
from isthmus.media.file_content import Header, lacks_preamble
from isthmus.media.high_bit_depth import scaled

ALTERNATIVE = "or save it as 16-bit .png or .tif first"
GRAYS = ("MONOCHROME1", "MONOCHROME2")
COLORS = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT", "PALETTE COLOR")  # all are converted to RGB


def dicom_header(path: Path) -> Header:
    """Size, channels and depth. Raises BadInput, as read_dicom does."""
    data = read_dataset(path)
    gray, bits = data.PhotometricInterpretation in GRAYS, int(data.BitsStored)
    if data.PhotometricInterpretation == "PALETTE COLOR":
        bits = int(data.RedPaletteColorLookupTableDescriptor[2])
    return Header(int(data.Rows), int(data.Columns), gray, bits > 8, 0, frames_of(data) > 1, stated=8 < bits < 16)


def read_dataset(path: Path) -> Any:
    """The data set of a file without its pixels. Raises BadInput, as read_dicom does."""
    pydicom = _pydicom(path)
    with one_line_errors(path, "a broken DICOM file"):
        return _checked(pydicom.dcmread(path, stop_before_pixels=True, force=True), path)


def frames_of(data: Any) -> int:
    return int(data.get("NumberOfFrames") or 1)


def read_dicom(path: Path, file: BinaryIO | None = None) -> tuple[np.ndarray, Any]:
    """The first image H×W×C, and the data set without pixels; see `pictures_of`. Raises BadInput, naming the file."""
    data, pictures = pictures_of(path, file)
    with one_line_errors(path, "a broken DICOM file"):
        first = next(pictures)
        del data.PixelData
    return first, data


def pictures_of(path: Path, file: BinaryIO | None = None) -> tuple[Any, Iterator[np.ndarray]]:
    """The data set, and each of its images, H×W×C: uint8, or uint16 if more than 8 bits are stored.

    C is 1, bright being white, or 3. Values of b bits, from 0 or, if they are signed, from −2^(b−1), are scaled to
    0..255 or 0..65535; `numbers_of` scales them back exactly.

    Raises BadInput, naming the file, without pydicom, for fewer than 8 or more than 16 bits, for an unknown color
    space, and for a compression that needs imagecodecs if that is missing.
    """
    pydicom = _pydicom(path)
    from isthmus.media.dicom import codecs

    with one_line_errors(path, "a broken DICOM file"):
        head = _checked(pydicom.dcmread(file or path, stop_before_pixels=True, force=True), path)
        # The pixels of a film, if its data set is not deflated, stay in the file until a frame is read.
        defer = None if file or head.file_meta.TransferSyntaxUID.is_deflated else 2**20
        if file:
            file.seek(0)
        data = _checked(pydicom.dcmread(file or path, force=True, defer_size=defer), path)
        if "PixelData" not in data:
            raise BadInput(f"{path}: this DICOM file holds no picture")
        syntax, bits = data.file_meta.TransferSyntaxUID, int(data.BitsStored)
        codecs.add_decoders()
        if codecs.missing(syntax, bits):
            raise BadInput(
                f"{path}: compressed as {syntax.name}, which needs imagecodecs: "
                f"pip install 'isthmus[dicom]', {ALTERNATIVE}"
            )
        if syntax.is_compressed and not pydicom.pixels.decoders.base.get_decoder(syntax).is_available:
            raise BadInput(f"{path}: compressed as {syntax.name or syntax}, which is not read here; {ALTERNATIVE}")
    in_memory = frames_of(data) == 1 or defer is None or lacks_preamble(path)
    return data, _pictures(path, data, data if in_memory else path, bits)


def _pictures(path: Path, data: Any, source: Any, bits: int) -> Iterator[np.ndarray]:
    from pydicom.pixels.processing import apply_color_lut
    from pydicom.pixels.utils import iter_pixels

    from isthmus.media.dicom import codecs

    with one_line_errors(path, "a broken DICOM file"):
        # pydicom corrects the values of gray JPEG 2000 in place, but the arrays of Pillow are read-only.
        gray = data.SamplesPerPixel == 1 and data.file_meta.TransferSyntaxUID in codecs.JPEG_2000
        plugin = "imagecodecs" if gray and codecs.is_available(data.file_meta.TransferSyntaxUID) else ""
        for stored in iter_pixels(source, decoding_plugin=plugin):
            if data.PhotometricInterpretation == "PALETTE COLOR":
                stored = apply_color_lut(stored, data)
                bits = 8 * stored.dtype.itemsize
            numbers = stored.astype(np.int32) & (2**bits - 1)
            numbers = scaled(numbers ^ flip_mask(data), 2**bits - 1, 255 if bits == 8 else 65535)
            yield numbers.astype(np.uint8 if bits == 8 else np.uint16).reshape(*stored.shape[:2], -1)


def flip_mask(data: Any) -> int:
    """The mask that turns stored bits into values that begin at 0 and grow with brightness, and back, by XOR."""
    if data.PhotometricInterpretation not in GRAYS:
        return 0
    bits = int(data.BitsStored)
    flip = 2**bits - 1 if data.PhotometricInterpretation == "MONOCHROME1" else 0  # MONOCHROME1: the minimum is white
    return flip ^ (2 ** (bits - 1) if data.PixelRepresentation else 0)


def _checked(data: Any, path: Path) -> Any:
    """The data set, checked. Raises BadInput if its images cannot be read."""
    if not all(name in data for name in ("Rows", "Columns", "BitsStored", "BitsAllocated")):
        raise BadInput(f"{path}: this DICOM file holds no picture")
    kind = data.get("PhotometricInterpretation", "")
    if kind not in (*GRAYS, *COLORS):
        raise BadInput(f"{path}: a DICOM of {kind or 'unknown colors'}; accepted are {', '.join((*GRAYS, *COLORS))}")
    bits, allocated = int(data.BitsStored), int(data.BitsAllocated)
    if not 8 <= bits <= 16 or allocated not in (8, 16) or int(data.get("HighBit", bits - 1)) != bits - 1:
        raise BadInput(f"{path}: a DICOM of {bits} bits in {allocated}; 8 to 16, the low ones of 8 or 16, are accepted")
    if kind in COLORS and bits not in (8, 16):
        raise BadInput(f"{path}: a DICOM of color in {bits} bits; 8 and 16 are accepted")
    if "PixelRepresentation" not in data:
        data.PixelRepresentation = 0
    if "TransferSyntaxUID" not in data.file_meta:  # older files lack it, but pydicom infers the encoding
        from pydicom import uid

        implicit, little = data.original_encoding
        explicit = uid.ExplicitVRLittleEndian if little else uid.ExplicitVRBigEndian
        data.file_meta.TransferSyntaxUID = uid.ImplicitVRLittleEndian if implicit else explicit
    return data


@contextmanager
def one_line_errors(path: Path, problem: str) -> Iterator[None]:
    """Turn any exception of pydicom raised inside into a one-line BadInput."""
    try:
        yield
    except (BadInput, OSError, MemoryError):
        raise
    except Exception as error:
        raise BadInput(f"{path}: {problem} ({' '.join(str(error).split())[:160] or type(error).__name__})") from error


def _pydicom(path: Path) -> ModuleType:
    try:
        import pydicom
        import pydicom.pixels
    except ImportError as error:
        raise BadInput(f"{path}: DICOM needs pydicom: pip install 'isthmus[dicom]', {ALTERNATIVE}") from error
    return pydicom
