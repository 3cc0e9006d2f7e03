"""TIFF tags of pixel size and georeference, adapted to a resized image.

Covers GeoTIFF, OME, ImageJ and the resolution of the TIFF itself. Descriptions are edited as bytes, not re-encoded.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import replace

from isthmus.media.exif import Tags

DESCRIPTION = 270
RESOLUTIONS, UNIT = (282, 283), 296  # pixels per unit, across and down; the unit, 1 being unknown
PLANAR = 284
SCALE, TIE_POINTS, MATRIX, KEYS, RATIONAL_POLYNOMIAL = 33550, 33922, 34264, 34735, 50844
GEO = {SCALE, TIE_POINTS, MATRIX, KEYS, 34736, 34737, 42112, 42113, RATIONAL_POLYNOMIAL}
PIXELS = re.compile(rb"<(?:\w+:)?Pixels\b[^>]*>")
UUID = re.compile(rb"<(?:\w+:)?UUID\b[^>]*FileName\s*=\s*[\"']([^\"']*)[\"'][^>]*>[^<]*</(?:\w+:)?UUID>")


def is_ome(text: bytes) -> bool:
    return b"<OME" in text[:4096] or b":OME" in text[:4096]


def remove_file_references(tags: Tags, name: str) -> None:
    """Remove from an OME description the reference to the file `name` as the one of its planes: a copy is renamed.

    Also remove tifffile's description of planar samples, which are written interleaved.
    """
    text = tags.first.get(DESCRIPTION)
    if text is not None and text.data.startswith(b'{"shape"') and tags.numbers(PLANAR) == [2]:
        del tags.first[DESCRIPTION]
    if text is not None and is_ome(text.data):
        own = name.encode()
        data = UUID.sub(lambda match: b"" if match[1] == own else match[0], text.data)
        tags.first[DESCRIPTION] = text._replace(data=data)


def has_no_resolution(tags: Tags) -> bool:
    """Whether the resolution is one pixel per unknown unit, the default of writers that know no resolution."""
    text = tags.first[DESCRIPTION].data if DESCRIPTION in tags.first else b""
    return tags.numbers(UNIT) == [1] and tags.numbers(RESOLUTIONS[0]) == [1] and b"unit=" not in text


def rescale_tags(tags: Tags, old: tuple[int, int], new: tuple[int, int]) -> Tags:
    """The tags of a page of `old` (height, width) after resizing to `new`."""
    if old == new:
        return tags
    result = replace(tags, first=dict(tags.first))
    down, across = new[0] / old[0], new[1] / old[1]
    text = tags.first[DESCRIPTION].data if DESCRIPTION in tags.first else b""
    unknown = has_no_resolution(tags)
    for tag, factor in zip(RESOLUTIONS, (across, down), strict=True):
        if not unknown and (numbers := tags.numbers(tag)):
            result.first[tag] = tags.rational(numbers[0] * factor)
    _rescale_georeference(result, across, down)
    if text:
        result.first[DESCRIPTION] = tags.first[DESCRIPTION]._replace(data=rescale_description(text, old, new))
    return result


def _rescale_georeference(tags: Tags, across: float, down: float) -> None:
    """Rescale the tags of GeoTIFF and of rational polynomials."""
    keys = [int(key) for key in tags.numbers(KEYS)]
    # Coordinates count from the center of the first pixel (PixelIsPoint), or from its corner.
    middle = 0.5 if (1025, 2) in zip(keys[4::4], keys[7::4], strict=False) else 0.0
    if len(steps := tags.numbers(SCALE)) >= 2:
        tags.set_doubles(SCALE, [steps[0] / across, steps[1] / down, *steps[2:]])
    if points := tags.numbers(TIE_POINTS):
        for at in range(0, len(points) - 5, 6):
            points[at] = (points[at] + middle) * across - middle
            points[at + 1] = (points[at + 1] + middle) * down - middle
        tags.set_doubles(TIE_POINTS, points)
    if len(rows := tags.numbers(MATRIX)) == 16:
        for at in range(0, 12, 4):
            a, b = rows[at] / across, rows[at + 1] / down
            rows[at + 3] += middle * (a - rows[at] + b - rows[at + 1])
            rows[at : at + 2] = a, b
        tags.set_doubles(MATRIX, rows)
    if len(model := tags.numbers(RATIONAL_POLYNOMIAL)) >= 9:
        for offset, scale, factor in ((2, 7, down), (3, 8, across)):
            model[offset], model[scale] = (model[offset] + 0.5) * factor - 0.5, model[scale] * factor
        tags.set_doubles(RATIONAL_POLYNOMIAL, model)


def rescale_description(text: bytes, old: tuple[int, int], new: tuple[int, int]) -> bytes:
    """A description of OME or tifffile with the new size; ImageJ's has none and stays."""
    if is_ome(text):
        return PIXELS.sub(lambda match: _pixels(match[0], old, new), text)
    if text.startswith(b'{"shape"'):
        with suppress(ValueError):
            description = json.loads(text.rstrip(b"\0"))
            shape = description["shape"]
            for at in range(len(shape) - 1):
                if tuple(shape[at : at + 2]) == old:
                    shape[at : at + 2] = new
            return json.dumps(description).encode() + b"\0"
    return text


def _pixels(tag: bytes, old: tuple[int, int], new: tuple[int, int]) -> bytes:
    for axis, before, after in ((b"X", old[1], new[1]), (b"Y", old[0], new[0])):
        tag = re.sub(rb"(\bSize%s\s*=\s*[\"'])%d(?=[\"'])" % (axis, before), rb"\g<1>%d" % after, tag)
        if match := re.search(rb"\bPhysicalSize%s\s*=\s*[\"']([-+.\deE]+)" % axis, tag):
            length = f"{float(match[1]) * before / after:.12g}".encode()
            tag = tag[: match.start(1)] + length + tag[match.end(1) :]
    return tag
