"""Writing of PNG and TIFF: gray or color, with or without alpha, 8 or 16 bits, with metadata.

Pillow has no 16-bit color, and needs four bytes per pixel in memory; here a PNG is written a stripe at a time.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from isthmus.media.exif import HEAD, Tags, directory_bytes
from isthmus.media.metadata import CAPTION, NOTHING, XMP, Info, tags_of, to_photoshop_resource
from isthmus.media.png_chunks import XMP_TEXT, to_raw_profile
from isthmus.media.tiff_geometry import RESOLUTIONS, UNIT

COLOR_TYPE = {1: 0, 2: 4, 3: 2, 4: 6}  # of a PNG, by the samples per pixel
BY_TIFFFILE = {*RESOLUTIONS, UNIT}  # tags that tifffile writes


def write_png(path: Path, stripes: Iterable[np.ndarray], height: int, width: int, info: Info = NOTHING) -> None:
    """Write stripes h×width×S (uint8 or uint16, S of 1 to 4), `height` rows in total, as one PNG."""
    packer = zlib.compressobj(6)
    above: np.ndarray | None = None
    with path.open("wb") as file:
        for stripe in stripes:
            samples, depth = stripe.shape[-1], stripe.dtype.itemsize
            if above is None:
                file.write(b"\x89PNG\r\n\x1a\n")
                header = struct.pack(">2I5B", width, height, 8 * depth, COLOR_TYPE[samples], 0, 0, 0)
                _chunk(file, b"IHDR", header)
                for kind, data in chunks_of(info):
                    _chunk(file, kind, data)
                above = np.zeros(width * samples * depth, np.uint8)
            rows = np.ascontiguousarray(stripe, dtype=stripe.dtype.newbyteorder(">")).view(np.uint8)
            rows = rows.reshape(len(stripe), -1)
            _chunk(file, b"IDAT", packer.compress(_filtered(rows, above, samples * depth)))
            above = rows[-1]
        _chunk(file, b"IDAT", packer.flush())
        _chunk(file, b"IEND", b"")


def chunks_of(info: Info) -> Iterator[tuple[bytes, bytes]]:
    """The metadata as chunks of a PNG, in an order that is allowed before its pixels."""
    yield from info.colors
    if info.icc:
        yield b"iCCP", b"ICC profile\0\0" + zlib.compress(info.icc)
    if info.dpi:  # pixels per meter
        yield b"pHYs", struct.pack(">2IB", *(round(number / 0.0254) for number in info.dpi), 1)
    if info.exif:
        yield b"eXIf", info.exif.removeprefix(HEAD)
    if info.xmp:
        yield b"iTXt", XMP_TEXT + bytes(4) + info.xmp
    if info.caption:
        yield to_raw_profile("iptc", to_photoshop_resource(info.caption))
    yield from info.texts
    if comment := info.comment.rstrip(b"\0"):
        try:
            yield b"iTXt", b"Comment\0\0\0\0\0" + comment.decode("utf-8").encode()
        except UnicodeDecodeError:
            yield b"tEXt", b"Comment\0" + comment


def _chunk(file: BinaryIO, name: bytes, data: bytes) -> None:
    if data or name == b"IEND":
        file.write(struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)))


def _filtered(rows: np.ndarray, above: np.ndarray, step: int) -> bytes:
    """PNG's Paeth filter: residuals of the prediction from the bytes to the left, above and at the upper left."""
    up = np.vstack([above, rows[:-1]]).astype(np.int16)
    left, corner = np.zeros_like(up), np.zeros_like(up)
    left[:, step:], corner[:, step:] = rows[:, :-step], up[:, :-step]
    from_left, from_up = np.abs(up - corner), np.abs(left - corner)
    from_corner = np.abs(left + up - 2 * corner)
    predicted = np.where(from_up <= from_corner, up, corner)
    predicted = np.where((from_left <= from_up) & (from_left <= from_corner), left, predicted)
    kinds = np.full((len(rows), 1), 4, np.uint8)
    return np.hstack([kinds, rows - predicted.astype(np.uint8)]).tobytes()


def write_tiff(path: Path, samples: np.ndarray, extras: list[str], info: Info = NOTHING) -> None:
    """Write H×W×S as a TIFF: gray or color, then samples of the kinds `extras`."""
    import tifffile

    tags = tags_of(info)
    tifffile.imwrite(path, byteorder=tags.order, **tiff_options(samples, extras, info, tags))
    if tags.below:
        _append(path, tags)


def tiff_options(samples: np.ndarray, extras: list[str], info: Info, tags: Tags) -> dict[str, Any]:
    """Options of tifffile's writer for one page."""
    unit = next((int(unit) for unit in tags.numbers(UNIT) if unit in (1, 2, 3)), 1)
    rational = [tags.numbers(tag) for tag in RESOLUTIONS]
    resolution = info.dpi or (tuple(number[0] for number in rational) if all(rational) else None)
    colors = samples.shape[-1] - len(extras)
    kept = [
        (tag, value.kind, value.length, value.data, True) for tag, value in tags.first.items() if tag not in BY_TIFFFILE
    ]
    for tag, data in ((XMP, info.xmp), (CAPTION, info.caption)):
        kept += [(tag, 1 if tag == XMP else 7, len(data), data, True)] if data else []
    return {
        "data": samples[..., 0] if samples.shape[-1] == 1 else samples,
        "photometric": "rgb" if colors > 2 else "minisblack",
        "planarconfig": "contig" if samples.shape[-1] > 1 else None,
        "extrasamples": extras or None,
        "compression": "zlib",
        "predictor": samples.dtype.kind != "f",  # the predictor of floats needs imagecodecs
        "rowsperstrip": max(1, 2**20 // samples[0].nbytes),
        "resolution": resolution,
        "resolutionunit": ("INCH" if info.dpi else unit) if resolution else None,
        "iccprofile": info.icc or None,
        "extratags": kept,
        "software": False,
        "metadata": None,
    }


def _append(path: Path, tags: Tags) -> None:
    """Append the subdirectories, which tifffile does not write, and a new first directory that names them."""
    order = tags.order
    with path.open("r+b") as file:
        if file.read(4) not in (b"II*\0", b"MM\0*"):  # above 4 GB it is a BigTIFF
            return
        file.seek(struct.unpack(f"{order}I", file.read(4))[0])
        entries = [file.read(12) for _ in range(struct.unpack(f"{order}H", file.read(2))[0])]
        end = file.seek(0, 2)
        for tag, directory in tags.below.items():
            end += end % 2
            file.seek(end)
            entries.append(struct.pack(f"{order}2H2I", tag, 4, 1, end))
            end += file.write(directory_bytes(directory, order, end))
        end += end % 2
        file.seek(end)
        entries.sort(key=lambda entry: struct.unpack(f"{order}H", entry[:2]))
        file.write(struct.pack(f"{order}H", len(entries)) + b"".join(entries) + bytes(4))
        file.seek(4)
        file.write(struct.pack(f"{order}I", end))
