"""PNG and TIFF out: gray or colour, with alpha or without, 8 or 16 bits, and what a camera wrote beside the pixels.

Pillow has no 16-bit colour, and wants four bytes a pixel in memory; here a PNG is written a stripe at a time.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

COLOUR_TYPE = {1: 0, 2: 4, 3: 2, 4: 6}  # of a PNG, by the samples of a pixel
EXIF, GPS, INTEROP = 0x8769, 0x8825, 0xA005  # directories in the first one of a TIFF, and in that of EXIF
TEXTS = (270, 271, 272, 305, 306, 315, 33432)  # description, maker, model, software, date, artist, copyright
XMP = b"XML:com.adobe.xmp\0"  # the name of the text of a PNG that is no text for people
Dpi = tuple[float, float]
Texts = tuple[tuple[bytes, bytes], ...]  # the text chunks of a PNG as they are: their kind and what is in them


def read_texts(path: Path) -> Texts:
    """The texts of a PNG, wherever in it they stand, but for XMP, and for EXIF that was wrapped in text."""
    found = []
    with path.open("rb") as file:
        file.seek(8)
        while len(head := file.read(8)) == 8:
            length, kind = struct.unpack(">I4s", head)
            if kind in (b"tEXt", b"zTXt", b"iTXt") and length < 2**24:
                data = file.read(length)
                if len(data) == length and not data.startswith((XMP, b"Raw profile type")):
                    found.append((kind, data))
                file.seek(4, 1)
            else:
                file.seek(length + 4, 1)
    return tuple(found)


def write_png(
    path: Path,
    stripes: Iterable[np.ndarray],
    height: int,
    width: int,
    *,
    exif: bytes = b"",
    icc: bytes = b"",
    dpi: Dpi | None = None,
    xmp: bytes = b"",
    texts: Texts = (),
) -> None:
    """Stripes h×width×S (uint8 or uint16, S of 1 to 4), of `height` rows together, as one PNG."""
    packer = zlib.compressobj(6)
    above: np.ndarray | None = None
    with path.open("wb") as file:
        for stripe in stripes:
            samples, depth = stripe.shape[-1], stripe.dtype.itemsize
            if above is None:
                file.write(b"\x89PNG\r\n\x1a\n")
                header = struct.pack(">2I5B", width, height, 8 * depth, COLOUR_TYPE[samples], 0, 0, 0)
                _chunk(file, b"IHDR", header)
                if icc:
                    _chunk(file, b"iCCP", b"ICC profile\0\0" + zlib.compress(icc))
                if dpi:  # pixels a metre
                    _chunk(file, b"pHYs", struct.pack(">2IB", *(round(side / 0.0254) for side in dpi), 1))
                if exif:
                    _chunk(file, b"eXIf", exif.removeprefix(b"Exif\0\0"))
                for kind, data in [*([(b"iTXt", XMP + bytes(4) + xmp)] if xmp else []), *texts]:
                    _chunk(file, kind, data)
                above = np.zeros(width * samples * depth, np.uint8)
            rows = np.ascontiguousarray(stripe, dtype=stripe.dtype.newbyteorder(">")).view(np.uint8)
            rows = rows.reshape(len(stripe), -1)
            _chunk(file, b"IDAT", packer.compress(_filtered(rows, above, samples * depth)))
            above = rows[-1]
        _chunk(file, b"IDAT", packer.flush())
        _chunk(file, b"IEND", b"")


def _chunk(file: BinaryIO, name: bytes, data: bytes) -> None:
    if data or name == b"IEND":
        file.write(struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)))


def _filtered(rows: np.ndarray, above: np.ndarray, step: int) -> bytes:
    """Rows of bytes as what is left of them after Paeth's guess from the bytes to the left, above and in the corner."""
    up = np.vstack([above, rows[:-1]]).astype(np.int16)
    left, corner = np.zeros_like(up), np.zeros_like(up)
    left[:, step:], corner[:, step:] = rows[:, :-step], up[:, :-step]
    from_left, from_up = np.abs(up - corner), np.abs(left - corner)
    from_corner = np.abs(left + up - 2 * corner)
    guess = np.where(from_up <= from_corner, up, corner)
    guess = np.where((from_left <= from_up) & (from_left <= from_corner), left, guess)
    kinds = np.full((len(rows), 1), 4, np.uint8)
    return np.hstack([kinds, rows - guess.astype(np.uint8)]).tobytes()


def write_tiff(
    path: Path,
    samples: np.ndarray,
    *,
    exif: Any = None,
    icc: bytes = b"",
    dpi: Dpi | None = None,
    xmp: bytes = b"",
) -> None:
    """H×W×S (uint8 or uint16, S of 1 to 4) as a TIFF; exif: a Pillow Exif."""
    import tifffile

    texts = {tag: exif[tag] for tag in TEXTS if tag in exif} if exif else {}
    tifffile.imwrite(path, byteorder="<", **tiff_options(samples, texts, icc, dpi, xmp))
    if exif:
        _append(path, {tag: found for tag in (EXIF, GPS) if (found := exif.get_ifd(tag))})


def tiff_options(
    samples: np.ndarray, texts: dict[int, Any], icc: bytes, dpi: Dpi | None, xmp: bytes = b""
) -> dict[str, Any]:
    """What tifffile is told of one page; texts: by their tag, of which those that are ASCII are kept."""
    extra: list[Any] = [
        (tag, 2, 0, text, True) for tag, text in texts.items() if isinstance(text, str) and text.isascii()
    ]
    return {
        "data": samples[..., 0] if samples.shape[-1] == 1 else samples,
        "photometric": "rgb" if samples.shape[-1] > 2 else "minisblack",
        "planarconfig": "contig" if samples.shape[-1] > 1 else None,
        "extrasamples": ["unassalpha"] if samples.shape[-1] in (2, 4) else None,
        "compression": "zlib",
        "predictor": True,
        "rowsperstrip": max(1, 2**20 // samples[0].nbytes),
        "resolution": dpi,
        "resolutionunit": "INCH" if dpi else None,
        "iccprofile": icc or None,
        "extratags": extra + ([(700, 1, len(xmp), xmp, True)] if xmp else []),
        "software": False,
        "metadata": None,
    }


def _append(path: Path, directories: dict[int, dict[int, Any]]) -> None:
    """Add directories to a TIFF, which tifffile does not write: at the end, and named in a new first directory."""
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    with path.open("r+b") as file:
        if file.read(4) != b"II*\0":  # above 4 GB it is another format
            return
        file.seek(struct.unpack("<I", file.read(4))[0])
        entries = [file.read(12) for _ in range(struct.unpack("<H", file.read(2))[0])]
        end = file.seek(0, 2)
        for tag, values in directories.items():
            directory = ImageFileDirectory_v2(b"II*\0\0\0\0\0", group=tag)
            for key, value in values.items():
                if key != INTEROP:  # it would point to where it lay in another file
                    directory[key] = value
            end += end % 2
            file.seek(end)
            entries.append(struct.pack("<2H2I", tag, 4, 1, end))
            end += file.write(directory.tobytes(end))
        end += end % 2
        file.seek(end)
        entries.sort(key=lambda entry: struct.unpack("<H", entry[:2]))
        file.write(struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4))
        file.seek(4)
        file.write(struct.pack("<I", end))
