"""Metadata of image files: EXIF, XMP, IPTC, resolution, color profiles; read, adapted and passed to the writers."""

from __future__ import annotations

import re
import struct
import warnings
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from isthmus.errors import Note
from isthmus.media import exif
from isthmus.media.exif import Tags
from isthmus.media.jpeg_tables import quality_of
from isthmus.media.png_chunks import COLORS, TEXTS, XMP_TEXT, Chunks, is_srgb, raw_profile, read_chunks
from isthmus.media.tiff_geometry import (
    DESCRIPTION,
    GEO,
    RESOLUTIONS,
    UNIT,
    has_no_resolution,
    is_ome,
    remove_file_references,
    rescale_tags,
)

Dpi = tuple[float, float]


# Tags of a TIFF on the layout of its own pixels (and, 274, its orientation), which are not valid in another file.
STRUCTURE = {*range(254, 260), 262, 263, 266, 273, 274, 277, 278, 279, 280, 281, 284, *range(288, 294), 317}
STRUCTURE |= {*range(320, 329), 330, 332, 333, 334, 336, *range(338, 348), *range(512, 522), *range(529, 533), 559}
# Tags that hold offsets in their own file, or a second copy of the pixels.
FILE_BOUND = {33628: "MetaMorph", 33629: "MetaMorph", 33630: "MetaMorph", 33631: "MetaMorph"}
FILE_BOUND |= {34361: "FluoView", 34362: "FluoView", 34412: "Zeiss LSM", 37724: "layers of Photoshop"}
XMP, CAPTION, PHOTOSHOP, PROFILE = 700, 33723, 34377, 34675
# The orientation in XMP, which is no longer valid in upright pixels.
ORIENTATION = re.compile(rb"""\btiff:Orientation=(["'])\d\1|<tiff:Orientation>\s*\d\s*</tiff:Orientation>""")


class Info(NamedTuple):
    """Metadata that is kept: EXIF (as bytes, without orientation), color profile, resolution (dpi).

    exif: of a TIFF all tags except those of its pixel layout. xmp: as bytes. texts: the text chunks of a PNG.
    caption: IPTC. comment: of a JPEG. colors: the chunks of a PNG that define its color space. size: height and width
    of the pixels that the metadata describes. dicom: the data set of a DICOM without its pixels. left: names of the
    metadata that cannot be kept. quality: of a JPEG, 1 to 100, by its tables.
    """

    exif: bytes = b""
    icc: bytes = b""
    dpi: Dpi | None = None
    xmp: bytes = b""
    texts: Chunks = ()
    dicom: Any = None
    caption: bytes = b""
    comment: bytes = b""
    colors: Chunks = ()
    size: tuple[int, int] | None = None
    left: tuple[str, ...] = ()
    quality: int | None = None


NOTHING = Info()


def info_of_tags(tags: Tags, name: str) -> Info:
    """Metadata of a page of the TIFF `name`."""
    first = tags.first
    turned = swaps_axes(tags)
    left = tuple(sorted({FILE_BOUND[tag] for tag in FILE_BOUND.keys() & first.keys()}))
    parts = {tag: first[tag].data for tag in (XMP, CAPTION, PHOTOSHOP, PROFILE) if tag in first}
    dpi, unit = None, tags.numbers(UNIT) or [2]
    resolution = [number for tag in RESOLUTIONS for number in tags.numbers(tag)]
    if unit[0] in (2, 3) and len(resolution) == 2:
        dpi = valid_dpi(*(number * (2.54 if unit[0] == 3 else 1) for number in resolution))
        parts |= dict.fromkeys((*RESOLUTIONS, UNIT), b"")
    caption = parts.get(CAPTION, b"").rstrip(b"\0") or photoshop_resource(parts.get(PHOTOSHOP, b""))
    remove_file_references(tags, name)
    for tag in STRUCTURE | FILE_BOUND.keys() | parts.keys():
        first.pop(tag, None)
    xmp = ORIENTATION.sub(b"", parts.get(XMP, b""))
    dpi = dpi[::-1] if dpi and turned else dpi
    return Info(tags.packed(), parts.get(PROFILE, b""), dpi, xmp, caption=caption, left=left)


def swaps_axes(tags: Tags) -> bool:
    """Whether the rows of the file are columns of the upright image."""
    return tags.numbers(exif.ORIENTATION) in ([5], [6], [7], [8])


def info_of_image(image: Any, path: Path) -> Info:
    """Metadata of an opened Pillow image that is not a TIFF."""
    known, left = image.info, []
    chunks = read_chunks(path) if image.format == "PNG" else {}
    texts = [(kind, data) for kind in TEXTS for data in chunks.get(kind, ())]
    raw = {name: data for kind, text in texts if (profile := raw_profile(kind, text)) for name, data in [profile]}
    data = known.get("exif") or b"".join(chunks.get(b"eXIf", ())[:1]) or raw.get("exif") or b""
    dpi, notes, turned = None, b"", False
    if data.removeprefix(exif.HEAD):
        try:
            tags = exif.read_exif(data)
            turned = swaps_axes(tags)
            dpi = info_of_tags(tags, path.name).dpi
            notes = exif.edited(data, STRUCTURE)
        except (ValueError, struct.error, KeyError, OverflowError):
            left.append("EXIF, which is broken")
    if known.get("dpi"):
        with suppress(TypeError, ValueError):
            dpi = valid_dpi(*known["dpi"][:: -1 if turned else 1])
    xmp = known.get("xmp") or b""
    xmp = ORIENTATION.sub(b"", xmp.encode() if isinstance(xmp, str) else xmp)
    photoshop = known.get("photoshop")
    caption = photoshop.get(0x0404, b"") if isinstance(photoshop, Mapping) else b""
    caption = caption or photoshop_resource(raw.get("iptc", b""))
    comment = known.get("comment", b"") if image.format in ("JPEG", "MPO") else b""
    return Info(
        exif.HEAD + notes.removeprefix(exif.HEAD) if notes else b"",
        known.get("icc_profile") or b"",
        dpi,
        xmp,
        tuple((kind, text) for kind, text in texts if not text.startswith((XMP_TEXT, b"Raw profile type"))),
        caption=caption,
        comment=comment.encode() if isinstance(comment, str) else comment,
        colors=tuple((kind, text) for kind in COLORS for text in chunks.get(kind, ())[:1]),
        left=tuple(left),
        quality=quality_of(tables[min(tables)]) if (tables := getattr(image, "quantization", None)) else None,
    )


def valid_dpi(across: float, down: float) -> Dpi | None:
    return (float(across), float(down)) if 1 <= across < 1e6 and 1 <= down < 1e6 else None


def photoshop_resource(data: bytes, wanted: int = 0x0404) -> bytes:
    """The Photoshop resource block of this number; data that are not such blocks are returned unchanged."""
    if not data.startswith(b"8BIM"):
        return data
    at = 0
    while data[at : at + 4] == b"8BIM" and at + 12 <= len(data):
        number, name = struct.unpack_from(">HB", data, at + 4)
        at += 6 + (name + 2) // 2 * 2
        (length,) = struct.unpack_from(">I", data.ljust(at + 4, b"\0"), at)
        if number == wanted:
            return data[at + 4 : at + 4 + length]
        at += 4 + (length + 1) // 2 * 2
    return b""


def to_photoshop_resource(caption: bytes) -> bytes:
    return b"8BIM\x04\x04\0\0" + struct.pack(">I", len(caption)) + caption + bytes(len(caption) % 2)


def adapt_to_size(info: Info, size: tuple[int, int]) -> Info:
    """Metadata of an image after resizing to this height and width: it covers the same area."""
    old = info.size or size
    factors = size[1] / old[1], size[0] / old[0]
    data = info.exif
    if data:
        with suppress(ValueError, struct.error):
            tags = exif.read_exif(data)
            if old != size and tags.first.keys() & (GEO | {DESCRIPTION}):
                data, factors = rescale_tags(tags, old, size).packed(), (1.0, 1.0)
            elif has_no_resolution(tags):
                factors = 1.0, 1.0
            data = exif.edited(data, (), size, factors)
    dpi = info.dpi and (info.dpi[0] * size[1] / old[1], info.dpi[1] * size[0] / old[0])
    return info._replace(exif=data, dpi=dpi, size=size)


def tags_of(info: Info) -> Tags:
    """EXIF as the tags of a TIFF."""
    if not info.exif:
        return Tags()
    try:
        return exif.read_exif(info.exif)
    except (ValueError, struct.error, KeyError):
        return Tags()


def pillow_options(info: Info, suffix: str) -> dict[str, Any]:
    """Options of Pillow's writer for this metadata; `unsupported` names the rest."""
    options: dict[str, Any] = {"icc_profile": info.icc or None}
    options |= {"dpi": info.dpi} if info.dpi else {}
    if suffix == ".bmp":
        return options
    options |= {"exif": info.exif} if info.exif and "EXIF" not in unsupported(info, suffix) else {}
    options |= {"xmp": info.xmp} if info.xmp and "XMP" not in unsupported(info, suffix) else {}
    if suffix == ".jpg":
        options |= {"comment": info.comment} if info.comment else {}
        if info.caption and "IPTC" not in unsupported(info, suffix):
            block = b"Photoshop 3.0\0" + to_photoshop_resource(info.caption)
            options["extra"] = b"\xff\xed" + struct.pack(">H", len(block) + 2) + block
    return options


def unsupported(info: Info, suffix: str) -> list[str]:
    """Names of the metadata that a format, by its suffix, cannot store."""
    if suffix == ".dcm":
        return []
    longest = 65533 if suffix == ".jpg" else 2**31
    bare = suffix == ".bmp"
    named = {
        "EXIF": bool(info.exif) and (bare or len(info.exif) > longest),
        "XMP": bool(info.xmp) and (bare or len(info.xmp) > longest - 29),
        "a color profile": bool(info.icc) and bare,
        "IPTC": bool(info.caption) and (suffix in (".bmp", ".webp") or len(info.caption) > longest - 40),
        "a comment": bool(info.comment) and suffix not in (".jpg", ".png"),
        "texts of a PNG": bool(info.texts) and suffix != ".png",
        "the data set of a DICOM": info.dicom is not None,
        "its gamma, primaries or transfer function": suffix != ".png" and not is_srgb(info.colors),
    }
    names = [name for name, present in named.items() if present]
    return names + (tiff_only(tags_of(info)) if info.exif and suffix != ".tif" else [])


def tiff_only(tags: Tags) -> list[str]:
    """Names of the metadata that programs read only from a TIFF: in other formats it is kept as EXIF, but unread."""
    text = tags.first[DESCRIPTION].data if DESCRIPTION in tags.first else b""
    named = {
        "places of GeoTIFF, but as EXIF": bool(GEO & tags.first.keys()),
        "units and axes of a microscope, but as EXIF": is_ome(text) or text.startswith(b"ImageJ="),
    }
    return [name for name, present in named.items() if present]


def note_left_out(path: Path, info: Info) -> None:
    if info.left:
        warnings.warn(f"{path}: left out: {', '.join(info.left)}", Note, stacklevel=4)
