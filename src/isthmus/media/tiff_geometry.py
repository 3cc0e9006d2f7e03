"""The tags of a TIFF that say how large its pixels are, and where they lie: true again for another number of pixels.

Of GeoTIFF, of OME, of ImageJ, and of the TIFF itself. The description stays in the bytes that it is in.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import replace

from isthmus.media.exif import Tags

DESCRIPTION = 270
RESOLUTIONS, UNIT = (282, 283), 296  # pixels a unit, across and down; the unit, 1 being none that it knows
PLANAR = 284
SCALE, TIE_POINTS, MATRIX, KEYS, RATIONAL_POLYNOMIAL = 33550, 33922, 34264, 34735, 50844
GEO = {SCALE, TIE_POINTS, MATRIX, KEYS, 34736, 34737, 42112, 42113, RATIONAL_POLYNOMIAL}
PIXELS = re.compile(rb"<(?:\w+:)?Pixels\b[^>]*>")
UUID = re.compile(rb"<(?:\w+:)?UUID\b[^>]*FileName\s*=\s*[\"']([^\"']*)[\"'][^>]*>[^<]*</(?:\w+:)?UUID>")


def is_ome(text: bytes) -> bool:
    return b"<OME" in text[:4096] or b":OME" in text[:4096]


def stands_alone(tags: Tags, name: str) -> None:
    """Take out of the description of OME that its planes lie in the file `name`: the copy has another name.

    And that of tifffile where it tells of planes that will be written pixel by pixel.
    """
    text = tags.first.get(DESCRIPTION)
    if text is not None and text.data.startswith(b'{"shape"') and tags.numbers(PLANAR) == [2]:
        del tags.first[DESCRIPTION]
    if text is not None and is_ome(text.data):
        own = name.encode()
        data = UUID.sub(lambda found: b"" if found[1] == own else found[0], text.data)
        tags.first[DESCRIPTION] = text._replace(data=data)


def tells_no_size(tags: Tags) -> bool:
    """Whether the resolution is one pixel a unit, and the unit none: the default of those who know neither."""
    text = tags.first[DESCRIPTION].data if DESCRIPTION in tags.first else b""
    return tags.numbers(UNIT) == [1] and tags.numbers(RESOLUTIONS[0]) == [1] and b"unit=" not in text


def fitted(tags: Tags, old: tuple[int, int], new: tuple[int, int]) -> Tags:
    """The tags of a page of `old` height and width for the same page with the `new` ones."""
    if old == new:
        return tags
    fitting = replace(tags, first=dict(tags.first))
    down, across = new[0] / old[0], new[1] / old[1]
    text = tags.first[DESCRIPTION].data if DESCRIPTION in tags.first else b""
    unknown = tells_no_size(tags)
    for tag, factor in zip(RESOLUTIONS, (across, down), strict=True):
        if not unknown and (found := tags.numbers(tag)):
            fitting.first[tag] = tags.rational(found[0] * factor)
    _on_the_ground(fitting, across, down)
    if text:
        fitting.first[DESCRIPTION] = tags.first[DESCRIPTION]._replace(data=described(text, old, new))
    return fitting


def _on_the_ground(tags: Tags, across: float, down: float) -> None:
    """Of GeoTIFF and of rational polynomials, whose places count from the middle of the first pixel."""
    keys = [int(key) for key in tags.numbers(KEYS)]
    middle = 0.5 if (1025, 2) in zip(keys[4::4], keys[7::4], strict=False) else 0.0  # or from its corner
    if len(steps := tags.numbers(SCALE)) >= 2:
        tags.put_doubles(SCALE, [steps[0] / across, steps[1] / down, *steps[2:]])
    if points := tags.numbers(TIE_POINTS):
        for at in range(0, len(points) - 5, 6):
            points[at] = (points[at] + middle) * across - middle
            points[at + 1] = (points[at + 1] + middle) * down - middle
        tags.put_doubles(TIE_POINTS, points)
    if len(rows := tags.numbers(MATRIX)) == 16:
        for at in range(0, 12, 4):
            a, b = rows[at] / across, rows[at + 1] / down
            rows[at + 3] += middle * (a - rows[at] + b - rows[at + 1])
            rows[at : at + 2] = a, b
        tags.put_doubles(MATRIX, rows)
    if len(model := tags.numbers(RATIONAL_POLYNOMIAL)) >= 9:
        for offset, scale, factor in ((2, 7, down), (3, 8, across)):
            model[offset], model[scale] = (model[offset] + 0.5) * factor - 0.5, model[scale] * factor
        tags.put_doubles(RATIONAL_POLYNOMIAL, model)


def described(text: bytes, old: tuple[int, int], new: tuple[int, int]) -> bytes:
    """A description with the new sizes, where it is that of OME or of tifffile; that of ImageJ tells none."""
    if is_ome(text):
        return PIXELS.sub(lambda found: _pixels(found[0], old, new), text)
    if text.startswith(b'{"shape"'):
        with suppress(ValueError):
            told = json.loads(text.rstrip(b"\0"))
            shape = told["shape"]
            for at in range(len(shape) - 1):
                if tuple(shape[at : at + 2]) == old:
                    shape[at : at + 2] = new
            return json.dumps(told).encode() + b"\0"
    return text


def _pixels(tag: bytes, old: tuple[int, int], new: tuple[int, int]) -> bytes:
    for axis, before, after in ((b"X", old[1], new[1]), (b"Y", old[0], new[0])):
        tag = re.sub(rb"(\bSize%s\s*=\s*[\"'])%d(?=[\"'])" % (axis, before), rb"\g<1>%d" % after, tag)
        if found := re.search(rb"\bPhysicalSize%s\s*=\s*[\"']([-+.\deE]+)" % axis, tag):
            length = f"{float(found[1]) * before / after:.12g}".encode()
            tag = tag[: found.start(1)] + length + tag[found.end(1) :]
    return tag
