"""Label maps and objects as files: PNG, TIFF, COCO JSON and LabelMe JSON."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from isthmus.errors import BadInput, Note
from isthmus.files import atomic
from isthmus.jobs.segmentation.classes import Classes
from isthmus.jobs.segmentation.labels.open import LabelMap
from isthmus.jobs.segmentation.objects import regions_of_classes
from isthmus.media.coco import Annotated, Region
from isthmus.media.contours import polygons_of
from isthmus.media.exif import Tags, file_tags
from isthmus.media.image_file import write_photo
from isthmus.media.metadata import NOTHING, Info
from isthmus.media.photo import Photo
from isthmus.media.tiff_geometry import GEO
from isthmus.metrics.segmentation import IGNORE

NOT_COPIED = {42112}  # metadata of GDAL, with statistics of the picture's values
TIFF = (".tif", ".tiff")


def write_classes(path: Path | str, classes: np.ndarray, known: Classes, source: Path | None = None) -> Path:
    """Write H×W uint8 class numbers with the original values, or colors, as PNG or TIFF; a palette as palette PNG.

    source: the picture; of a GeoTIFF a TIFF keeps its georeference. Returns the file written: a .tif instead of a .png
    if a value has more than 16 bits. Raises BadInput for another suffix.
    """
    return write_values(path, known.decode(classes), known.palette, source)


def write_instances(path: Path | str, instances: np.ndarray, source: Path | None = None) -> Path:
    """Write H×W numbers of objects with 16 bits; above 65,535 as a TIFF with 32 bits. Returns the file written."""
    most = int(instances.max(initial=0))
    return write_values(path, instances.astype(np.uint16 if most < 2**16 else np.uint32), None, source)


def write_values(
    path: Path | str, values: np.ndarray, palette: list[int] | None = None, source: Path | None = None
) -> Path:
    """Write H×W integers, or H×W×3 uint8, as `write_classes` and `write_instances` do."""
    path = Path(path)
    if path.suffix.lower() not in (".png", *TIFF):
        raise BadInput(f"{path}: label maps are written as .png or .tif")
    plain = values.dtype in (np.uint8, np.uint16)
    if not plain and path.suffix.lower() == ".png":
        path = path.with_suffix(".tif")
    tags = georeference(source)
    if path.suffix.lower() == ".png":
        if tags.first:
            warnings.warn(f"{path}: .png cannot hold the georeference of {source}; .tif can", Note, stacklevel=3)
        if palette is not None and values.dtype == np.uint8 and values.ndim == 2:
            return _write_palette(path, values, palette)
        info = NOTHING
    else:
        info = Info(exif=tags.packed(), size=values.shape[:2]) if tags.first else NOTHING
    return write_photo(path, Photo(values if values.ndim == 3 else values[..., None], info=info))


def _write_palette(path: Path, values: np.ndarray, palette: list[int]) -> Path:
    from PIL import Image

    image = Image.fromarray(values, "P")
    image.putpalette(palette[:768])
    with atomic(path) as temporary:
        image.save(temporary, format="PNG")
    return path


def georeference(source: Path | None) -> Tags:
    """The tags of the georeference of a TIFF; no tags of other files."""
    if source is not None and source.suffix.lower() in TIFF:
        with suppress(Exception):  # a picture that was read has its tags, or none
            tags = file_tags(source)
            return Tags(tags.order, {tag: tags.first[tag] for tag in sorted(GEO - NOT_COPIED) if tag in tags.first})
    return Tags()


def categories(known: Classes) -> dict[int, str]:
    """COCO's category ids to names, without the background: the original values, or of colors numbers from 1 on."""
    kept = [number for number in range(len(known)) if number != known.background]
    if known.kind == "colors":
        return {place: known.names[number] for place, number in enumerate(kept, 1)}
    return {int(known.values[number]): known.names[number] for number in kept}


def objects(labels: LabelMap, known: Classes) -> Iterator[tuple[int, int, np.ndarray, tuple[int, int]]]:
    """(number, class, mask h×w, its first row and column) of each object; without instances of each connected part."""
    from scipy import ndimage

    numbers = regions_of_classes(labels.classes, known.background) if labels.instances is None else labels.instances
    for number, box in enumerate(ndimage.find_objects(numbers), 1):
        if box is None:
            continue
        mask = numbers[box] == number
        counts = np.bincount(labels.classes[box][mask], minlength=256)
        counts[IGNORE] = 0
        if counts.any():  # else all of it has no class
            yield number, int(counts.argmax()), mask, (box[0].start, box[1].start)


def annotated(
    file: str, labels: LabelMap, known: Classes, *, polygons: bool = False, scores: Mapping[int, float] | None = None
) -> Annotated:
    """The objects of a picture for `isthmus.media.coco.write_coco`, with the `categories` of these classes.

    polygons: outlines along pixel edges, instead of run lengths. scores: confidences by the number of the object.
    """
    height, width = labels.classes.shape
    regions = [
        Region.of(mask, known.names[kind], (scores or {}).get(number), corner, (height, width), polygons)
        for number, kind, mask, corner in objects(labels, known)
        if kind != known.background
    ]
    return Annotated(file, height, width, regions)


def write_labelme(path: Path | str, picture: str, labels: LabelMap, known: Classes) -> Path:
    """Write the objects of a picture as polygons of LabelMe; the parts of an object have its number as group_id.

    picture: its name relative to the folder of `path`.
    """
    path = Path(path)
    shapes: list[dict[str, Any]] = []
    for number, kind, mask, (top, left) in objects(labels, known):
        if kind == known.background:
            continue
        outlines = polygons_of(mask)
        for outline in outlines:
            points = [[float(x + left), float(y + top)] for x, y in zip(outline[::2], outline[1::2], strict=True)]
            shape: dict[str, Any] = {"label": known.names[kind], "points": points, "shape_type": "polygon"}
            shapes.append(shape | {"group_id": number if len(outlines) > 1 else None, "flags": {}})
    height, width = labels.classes.shape
    content: dict[str, Any] = {"version": "5.0.0", "flags": {}, "shapes": shapes, "imagePath": picture}
    with atomic(path) as temporary:
        text = json.dumps(content | {"imageData": None, "imageHeight": height, "imageWidth": width}, ensure_ascii=False)
        temporary.write_text(text, encoding="utf-8")
    return path
