"""Labels in the JSON files of LabelMe, one for each picture."""

from __future__ import annotations

import base64
import io
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

import numpy as np

from isthmus.errors import BadInput
from isthmus.jobs.segmentation.classes import BACKGROUND
from isthmus.jobs.segmentation.labels.annotations import Canvas, Names, none_there
from isthmus.jobs.segmentation.labels.sources import OfFiles, Raw
from isthmus.media.image_reader import pixels_of
from isthmus.media.rle import Part, part_of_polygons

AREAS = ("polygon", "rectangle", "circle", "mask")  # kinds of shapes that have an area
IGNORED = "__ignore__"  # label of pixels without a class
LARGEST = 2**26  # bytes; a larger JSON file is of a data set


@dataclass
class LabelMe(OfFiles):
    """files: the JSON file of each picture, below `folder`. kinds: labels to their values, from 1 on."""

    numbered: ClassVar[bool] = False
    folder: Path
    files: dict[str, str]
    kinds: dict[str, int] = field(default_factory=dict)
    unused: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    empty: int = 0

    @classmethod
    def open(cls, folder: Path, files: Sequence[str], images: Sequence[str]) -> LabelMe:
        """files: names of JSON files in `folder`. Raises BadInput if none belongs to one of `images`."""
        names, found, unused = Names(images), dict[str, str](), list[str]()
        labels, left = set[str](), Counter[str]()
        for file in files:
            content = read_labelme(folder / file)
            stated = str(content.get("imagePath") or "").replace("\\", "/")
            name = names.find(str(PurePosixPath(file).with_suffix(PurePosixPath(stated).suffix))) or names.find(stated)
            if name is None or name in found:
                unused.append(file)
                continue
            found[name] = file
            for shape in content["shapes"]:
                if kind_of(shape) in AREAS:
                    labels.add(str(shape["label"]))
                else:
                    left[kind_of(shape)] += 1
        if not found:
            raise none_there(folder, unused, images)
        ordered = sorted(label for label in labels if label != IGNORED and label.lower() not in BACKGROUND)
        kinds = {label: number for number, label in enumerate(ordered, 1)}
        kinds |= {label: 0 for label in sorted(labels) if label.lower() in BACKGROUND}
        listed = ", ".join(f"{count} of kind {kind}" for kind, count in left.items())
        notes = [f"{folder}: shapes without an area are left out ({listed})"] if left else []
        return cls(folder, found, kinds, unused, notes)

    def form(self, kind: str, bits: int, palette: bool) -> str:
        return "LabelMe JSON"

    def read(self, name: str, size: tuple[int, int]) -> Raw:
        """Later shapes are above earlier ones, as LabelMe draws them; shapes of one group are one object."""
        path = self.folder / self.files[name]
        content = read_labelme(path)
        height, width = int(content.get("imageHeight") or size[0]), int(content.get("imageWidth") or size[1])
        canvas = Canvas(height, width, self.empty)
        for number, shape in enumerate(content["shapes"]):
            if kind_of(shape) not in AREAS:
                continue
            label, group = str(shape["label"]), shape.get("group_id")
            if label != IGNORED and label not in self.kinds:
                raise BadInput(f"{path}: label {label!r} is no class; the classes are {', '.join(self.kinds)}")
            try:
                part = part_of_shape(shape, height, width)
            except (BadInput, ValueError, TypeError, KeyError, IndexError, OSError) as error:
                raise BadInput(f"{path}: shape {number + 1} ({kind_of(shape)}): {error}") from error
            if label == IGNORED:
                canvas.ignore(part)
            else:
                canvas.add(part, self.kinds[label], (label, ("alone", number) if group is None else group))
        return canvas.raw()


def is_labelme(path: Path) -> bool:
    try:
        content = None if path.stat().st_size > LARGEST else json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(content, Mapping) and isinstance(content.get("shapes"), list)


def read_labelme(path: Path) -> Mapping[str, Any]:
    """The content of a LabelMe file. Raises BadInput for other files."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        for shape in content["shapes"]:
            if not {"label", "points"} <= shape.keys():
                raise KeyError("label, points")
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise BadInput(f"{path}: not a LabelMe file ({type(error).__name__}: {error})") from error
    return content


def kind_of(shape: Mapping[str, Any]) -> str:
    return str(shape.get("shape_type") or "polygon")


def part_of_shape(shape: Mapping[str, Any], height: int, width: int) -> Part:
    """The pixels of a shape whose centers lie inside; its mask lies within the image."""
    points = np.asarray(shape["points"], float).reshape(-1, 2)
    kind = kind_of(shape)
    if kind == "circle":  # the center, and a point of the circle
        (x, y), radius = points[0], float(np.hypot(*(points[1] - points[0])))
        left, right = (int(edge) for edge in np.clip([np.floor(x - radius), np.ceil(x + radius)], 0, width))
        top, bottom = (int(edge) for edge in np.clip([np.floor(y - radius), np.ceil(y + radius)], 0, height))
        across, down = np.arange(left, right) + 0.5 - x, np.arange(top, bottom) + 0.5 - y
        return Part(across**2 + down[:, None] ** 2 <= radius**2, top, left)
    if kind == "mask":
        return _stored(shape["mask"], points, height, width)
    if kind == "rectangle":  # two opposite corners
        (left, top), (right, bottom) = points[:2]
        points = np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
    return part_of_polygons([points.ravel().tolist()], height, width)


def _stored(text: str, points: np.ndarray, height: int, width: int) -> Part:
    """A mask that is stored as a PNG, whose upper left pixel is the first point."""
    from PIL import Image

    try:
        data = base64.b64decode(text, validate=True)
    except (ValueError, TypeError) as error:
        raise BadInput(f"its mask is not base64 ({error})") from error
    with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
        inside = pixels_of(image)[..., 0] > 0
    left, top = (int(number) for number in points[0])
    rows, columns = max(0, top), max(0, left)
    part = inside[rows - top : max(0, height - top), columns - left : max(0, width - left)]
    return Part(part, rows, columns)
