"""DICOM in: gray or color pictures of 8 to 16 bits, one or several, and the data set that they lie in.

The numbers are those that are stored: no rescale slope, no window is applied, and 0..1 is all that the stored bits can
hold. So the window and the rescale of the data set stay true of what is written. Patient data is not touched: what
names a person in the file that is read names them in the file that is written, and nothing is added.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO

import numpy as np

from isthmus.errors import BadInput
from isthmus.media.high_bit_depth import Header, scaled

INSTEAD = "or save it as 16-bit .png or .tif first"
TIFF = (".tif", ".tiff")
GRAYS = ("MONOCHROME1", "MONOCHROME2")
COLORS = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT", "PALETTE COLOR")  # all of which become RGB
# As a data set begins without the 128 bytes and DICM before it: its first tags, in either order of bytes.
BARE = (b"\x08\0", b"\0\x08", b"\x02\0", b"\0\x02")


def is_dicom(path: Path | str) -> bool:
    """Whether a file that can be read begins as DICOM, whatever its name; a DICOMDIR only lists others."""
    try:
        with Path(path).open("rb") as file:
            return starts_as_dicom(file.read(132), path) and Path(path).name != "DICOMDIR"
    except OSError:
        return False


def starts_as_dicom(head: bytes, name: Path | str) -> bool:
    """DICM at byte 128; scanners may begin their files as a TIFF too, which then is one if it is called so.

    Older archives leave out those 132 bytes: a file that is called .dcm, or nothing, may begin with its first tag.
    """
    if head[128:132] == b"DICM":
        return not (head[:2] in (b"II", b"MM") and Path(name).suffix.lower() in TIFF)
    begins = head[:2] in BARE and int.from_bytes(head[2:4], "little" if head[1:2] == b"\0" else "big") < 0x100
    return begins and (Path(name).suffix.lower() == ".dcm" or bare(name))


def bare_start(path: Path) -> bool:
    """Whether a data set begins without the 132 bytes that are to stand before it."""
    with path.open("rb") as file:
        return file.read(132)[128:] != b"DICM"


def bare(name: Path | str) -> bool:
    """Whether a name has no suffix; the end of one such as 1.2.840.10008 is none."""
    suffix = Path(name).suffix[1:]
    return not suffix or suffix.isdigit()


def dicom_header(path: Path) -> Header:
    """Raises BadInput, as read_dicom does."""
    found = opened(path)
    gray, bits = found.PhotometricInterpretation in GRAYS, int(found.BitsStored)
    if found.PhotometricInterpretation == "PALETTE COLOR":
        bits = int(found.RedPaletteColorLookupTableDescriptor[2])
    return Header(int(found.Rows), int(found.Columns), gray, bits > 8, 0, frames_of(found) > 1, stated=8 < bits < 16)


def opened(path: Path) -> Any:
    """The data set of a file without its pixels. Raises BadInput, as read_dicom does."""
    pydicom = _pydicom(path)
    with told(path, "a broken DICOM file"):
        return _checked(pydicom.dcmread(path, stop_before_pixels=True, force=True), path)


def frames_of(data: Any) -> int:
    return int(data.get("NumberOfFrames") or 1)


def read_dicom(path: Path, file: BinaryIO | None = None) -> tuple[np.ndarray, Any]:
    """The first picture H×W×C, and the data set without pixels; see `pictures_of`. Raises BadInput, naming the file."""
    data, pictures = pictures_of(path, file)
    with told(path, "a broken DICOM file"):
        first = next(pictures)
        del data.PixelData
    return first, data


def pictures_of(path: Path, file: BinaryIO | None = None) -> tuple[Any, Iterator[np.ndarray]]:
    """The data set, and each of its pictures, H×W×C: uint8, or uint16 where more than 8 bits are stored.

    C is 1, bright being white, or 3. Numbers of b bits, from 0 or, where they are signed, from −2^(b−1), become all of
    0..255 or 0..65535, from which `numbers_of` makes the same numbers again.

    Raises BadInput, naming the file, without pydicom, for fewer than 8 or more than 16 bits, for a kind of color that
    it does not know, and for a compression that needs imagecodecs where that is missing.
    """
    pydicom = _pydicom(path)
    from isthmus.media.dicom import codecs

    with told(path, "a broken DICOM file"):
        head = _checked(pydicom.dcmread(file or path, stop_before_pixels=True, force=True), path)
        # The pixels of a film stay in the file until a frame is wanted, where they lie there as they are.
        later = None if file or head.file_meta.TransferSyntaxUID.is_deflated else 2**20
        if file:
            file.seek(0)
        data = _checked(pydicom.dcmread(file or path, force=True, defer_size=later), path)
        if "PixelData" not in data:
            raise BadInput(f"{path}: this DICOM file holds no picture")
        syntax, bits = data.file_meta.TransferSyntaxUID, int(data.BitsStored)
        codecs.add_decoders()
        if codecs.missing(syntax, bits):
            raise BadInput(
                f"{path}: compressed as {syntax.name}, which needs imagecodecs: pip install 'isthmus[dicom]', {INSTEAD}"
            )
        if syntax.is_compressed and not pydicom.pixels.decoders.base.get_decoder(syntax).is_available:
            raise BadInput(f"{path}: compressed as {syntax.name or syntax}, which is not read here; {INSTEAD}")
    inside = frames_of(data) == 1 or later is None or bare_start(path)
    return data, _pictures(path, data, data if inside else path, bits)


def _pictures(path: Path, data: Any, source: Any, bits: int) -> Iterator[np.ndarray]:
    from pydicom.pixels.processing import apply_color_lut
    from pydicom.pixels.utils import iter_pixels

    from isthmus.media.dicom import codecs

    with told(path, "a broken DICOM file"):
        # Of gray JPEG 2000 pydicom corrects the numbers in place, which those of Pillow do not allow.
        gray = data.SamplesPerPixel == 1 and data.file_meta.TransferSyntaxUID in codecs.JPEG_2000
        plugin = "imagecodecs" if gray and codecs.is_available(data.file_meta.TransferSyntaxUID) else ""
        for stored in iter_pixels(source, decoding_plugin=plugin):
            if data.PhotometricInterpretation == "PALETTE COLOR":
                stored = apply_color_lut(stored, data)
                bits = 8 * stored.dtype.itemsize
            numbers = stored.astype(np.int32) & (2**bits - 1)
            numbers = scaled(numbers ^ first_bit(data), 2**bits - 1, 255 if bits == 8 else 65535)
            yield numbers.astype(np.uint8 if bits == 8 else np.uint16).reshape(*stored.shape[:2], -1)


def first_bit(data: Any) -> int:
    """What turns stored bits into numbers that begin at 0 and grow with brightness, and back, by exclusive or."""
    if data.PhotometricInterpretation not in GRAYS:
        return 0
    bits = int(data.BitsStored)
    flip = 2**bits - 1 if data.PhotometricInterpretation == "MONOCHROME1" else 0  # of which the least is white
    return flip ^ (2 ** (bits - 1) if data.PixelRepresentation else 0)


def _checked(data: Any, path: Path) -> Any:
    """The data set, where it is of pictures that can be read."""
    if not all(name in data for name in ("Rows", "Columns", "BitsStored", "BitsAllocated")):
        raise BadInput(f"{path}: this DICOM file holds no picture")
    kind = data.get("PhotometricInterpretation", "")
    if kind not in (*GRAYS, *COLORS):
        raise BadInput(f"{path}: a DICOM of {kind or 'unknown colors'}; accepted are {', '.join((*GRAYS, *COLORS))}")
    bits, held = int(data.BitsStored), int(data.BitsAllocated)
    if not 8 <= bits <= 16 or held not in (8, 16) or int(data.get("HighBit", bits - 1)) != bits - 1:
        raise BadInput(f"{path}: a DICOM of {bits} bits in {held}; 8 to 16, the low ones of 8 or 16, are accepted")
    if kind in COLORS and bits not in (8, 16):
        raise BadInput(f"{path}: a DICOM of color in {bits} bits; 8 and 16 are accepted")
    if "PixelRepresentation" not in data:
        data.PixelRepresentation = 0
    if "TransferSyntaxUID" not in data.file_meta:  # older files do not say how they are written, but it shows
        from pydicom import uid

        implicit, little = data.original_encoding
        explicit = uid.ExplicitVRLittleEndian if little else uid.ExplicitVRBigEndian
        data.file_meta.TransferSyntaxUID = uid.ImplicitVRLittleEndian if implicit else explicit
    return data


@contextmanager
def told(path: Path, what: str) -> Iterator[None]:
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
