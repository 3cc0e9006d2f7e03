"""Labels in annotation files: COCO JSON of a data set, and LabelMe JSON of each picture."""

from __future__ import annotations

import base64
import binascii
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from isthmus.errors import BadInput
from isthmus.jobs.segmentation.label_sources import Raw
from isthmus.media.coco import Annotated, read_coco
from isthmus.media.image_reader import pixels_of
from isthmus.media.rle import mask_of_polygons

AREAS = ("polygon", "rectangle", "circle", "mask")  # kinds of shapes of LabelMe that have an area
IGNORED, BACKGROUND = "__ignore__", "_background_"  # labels of LabelMe


@dataclass
class Coco:
    """pictures: the annotations of each picture. kinds: names of categories to their values in label maps."""

    path: Path
    pictures: dict[str, Annotated]
    kinds: dict[str, int]
    unused: list[str] = field(default_factory=list)

    @classmethod
    def open(cls, path: Path, images: Sequence[str]) -> Coco:
        """Raises BadInput if no picture of the file is one of `images`."""
        annotated, categories = read_coco(path)
        names = Names(images)
        pictures: dict[str, Annotated] = {}
        unused = []
        for one in annotated:
            name = names.find(one.file)
            if name is None or name in pictures:
                unused.append(one.file)
            else:
                pictures[name] = one
        if not pictures:
            raise none_there(path, unused, images)
        used = {region.kind for one in annotated for region in one.regions}
        kinds = {name: number for number, name in categories.items() if number != 0 or name in used}
        if 0 in kinds.values():  # 0 is the background, so the category gets a number of its own
            kinds = {name: number or max(kinds.values()) + 1 for name, number in kinds.items()}
        return cls(path, pictures, kinds, unused)

    @property
    def names(self) -> list[str]:
        return list(self.pictures)

    def file(self, name: str) -> str:
        return f"{self.path}, {name}"

    def objects(self, name: str) -> int:
        return sum(not region.crowd for region in self.pictures[name].regions)

    def read(self, name: str, size: tuple[int, int]) -> Raw:
        """Smaller objects are above larger ones, and pixels of crowds are void where no object is."""
        one = self.pictures[name]
        labels = Layers(one.height, one.width)
        for region in sorted(one.regions, key=lambda region: -region.box[2] * region.box[3]):
            try:
                mask = region.mask(one.height, one.width)
            except BadInput as error:
                raise BadInput(f"{self.file(name)}: {error}") from error
            labels.void(mask) if region.crowd else labels.add(mask, self.kinds[region.kind])
        return labels.raw()


@dataclass
class LabelMe:
    """files: the JSON file of each picture, below `folder`. kinds: labels to their values, from 1 on."""

    folder: Path
    files: dict[str, str]
    kinds: dict[str, int] = field(default_factory=dict)
    unused: list[str] = field(default_factory=list)
    left: dict[str, int] = field(default_factory=dict)  # kinds of shapes without an area, and how many there are

    @classmethod
    def open(cls, folder: Path, files: Sequence[str], images: Sequence[str]) -> LabelMe:
        """files: names of JSON files in `folder`. Raises BadInput if none belongs to one of `images`."""
        names, found, unused = Names(images), dict[str, str](), list[str]()
        labels: set[str] = set()
        left: dict[str, int] = {}
        for file in files:
            content = read_labelme(folder / file)
            own = str(PurePosixPath(file).with_suffix(PurePosixPath(str(content.get("imagePath") or "")).suffix))
            name = names.find(own) or names.find(str(content.get("imagePath") or "").replace("\\", "/"))
            if name is None or name in found:
                unused.append(file)
                continue
            found[name] = file
            for shape in content["shapes"]:
                if (kind := kind_of(shape)) in AREAS:
                    labels.add(str(shape["label"]))
                else:
                    left[kind] = left.get(kind, 0) + 1
        if not found:
            raise none_there(folder, unused, images)
        kinds = sorted(labels - {IGNORED, BACKGROUND})
        return cls(folder, found, {label: number for number, label in enumerate(kinds, 1)}, unused, left)

    @property
    def names(self) -> list[str]:
        return list(self.files)

    def file(self, name: str) -> str:
        return str(self.folder / self.files[name])

    def objects(self, name: str) -> int:
        shapes = [one for one in read_labelme(self.folder / self.files[name])["shapes"] if kind_of(one) in AREAS]
        return len({group_of(one, number) for number, one in enumerate(shapes) if one["label"] in self.kinds})

    def read(self, name: str, size: tuple[int, int]) -> Raw:
        """Later shapes are above earlier ones, as LabelMe draws them; shapes of one group are one object."""
        path = self.folder / self.files[name]
        content = read_labelme(path)
        height, width = (
            int(content.get(key) or own) for key, own in zip(("imageHeight", "imageWidth"), size, strict=True)
        )
        labels = Layers(height, width)
        for number, shape in enumerate(content["shapes"]):
            if kind_of(shape) not in AREAS:
                continue
            try:
                mask = mask_of_shape(shape, height, width)
            except (BadInput, ValueError, TypeError, KeyError, IndexError, OSError) as error:
                raise BadInput(f"{path}: shape {number + 1} ({kind_of(shape)}): {error}") from error
            label = str(shape["label"])
            if label == IGNORED:
                labels.void(mask)
            elif label == BACKGROUND:
                labels.clear(mask)
            elif label not in self.kinds:
                raise BadInput(f"{path}: label {label!r} is no class; the classes are {', '.join(self.kinds)}")
            else:
                labels.add(mask, self.kinds[label], group_of(shape, number))
        return labels.raw()


class Layers:
    """Label maps that are painted object by object."""

    def __init__(self, height: int, width: int) -> None:
        self.values, self.instances = np.zeros((height, width), np.int32), np.zeros((height, width), np.int32)
        self.voids: np.ndarray | None = None
        self.numbers: dict[Any, int] = {}

    def add(self, mask: np.ndarray, value: int, group: Any = None) -> None:
        group = object() if group is None else group
        self.values[mask] = value
        self.instances[mask] = self.numbers.setdefault(group, len(self.numbers) + 1)

    def void(self, mask: np.ndarray) -> None:
        mask = mask & (self.instances == 0)
        self.voids = mask if self.voids is None else self.voids | mask

    def clear(self, mask: np.ndarray) -> None:
        self.values[mask] = self.instances[mask] = 0

    def raw(self) -> Raw:
        void = None if self.voids is None else self.voids & (self.instances == 0)
        return Raw(self.values, self.instances, void)


class Names:
    """Pictures by their relative name, else by the end of it, without regard to the suffix."""

    def __init__(self, images: Sequence[str]) -> None:
        self.exact = {name: name for name in images}
        self.ends: dict[str, list[str]] = {}
        for name in images:
            for key in {PurePosixPath(name).name, PurePosixPath(name).stem}:
                self.ends.setdefault(key, []).append(name)

    def find(self, file: str) -> str | None:
        path = PurePosixPath(file.replace("\\", "/"))
        if str(path) in self.exact:
            return str(path)
        found = self.ends.get(path.name) or self.ends.get(path.stem) or []
        return found[0] if len(found) == 1 else None


def find_json(source: Path, images: Sequence[str]) -> Coco | LabelMe | None:
    """The annotations in a JSON file, or in the JSON files of a folder; None if there are none.

    Raises BadInput for JSON of another content, and for several COCO files.
    """
    if source.is_file():
        return LabelMe.open(source.parent, [source.name], images) if is_labelme(source) else Coco.open(source, images)
    files = sorted(path.relative_to(source).as_posix() for path in source.rglob("*.json"))
    files = [name for name in files if not any(part.startswith(".") for part in PurePosixPath(name).parts)]
    if not files:
        return None
    shapes = [name for name in files if is_labelme(source / name)]
    if shapes:
        return LabelMe.open(source, shapes, images)
    if len(files) > 1:
        raise BadInput(f"{source}: holds {len(files)} JSON files ({files[0]}, {files[1]}, …): name one COCO file")
    return Coco.open(source / files[0], images)


def is_labelme(path: Path) -> bool:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(content, Mapping) and isinstance(content.get("shapes"), list)


def read_labelme(path: Path) -> Mapping[str, Any]:
    """The content of a LabelMe file. Raises BadInput for other files."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        for shape in content["shapes"]:
            shape["label"], shape["points"]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise BadInput(f"{path}: not a LabelMe file ({type(error).__name__}: {error})") from error
    return content


def kind_of(shape: Mapping[str, Any]) -> str:
    return str(shape.get("shape_type") or "polygon")


def group_of(shape: Mapping[str, Any], number: int) -> tuple[str, Any]:
    group = shape.get("group_id")
    return (str(shape["label"]), ("alone", number) if group is None else group)


def mask_of_shape(shape: Mapping[str, Any], height: int, width: int) -> np.ndarray:
    """H×W bool of a shape with an area."""
    points = np.asarray(shape["points"], float).reshape(-1, 2)
    kind = kind_of(shape)
    if kind == "circle":
        (x, y), edge = points[0], points[1]
        radius = float(np.hypot(*(edge - points[0])))
        rows, columns = np.mgrid[:height, :width]
        return np.asarray((columns + 0.5 - x) ** 2 + (rows + 0.5 - y) ** 2 <= radius**2)
    if kind == "mask":
        return _stored(shape, points, height, width)
    if kind == "rectangle":
        (left, top), (right, bottom) = points[:2]
        points = np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
    return mask_of_polygons([points.ravel().tolist()], height, width)


def _stored(shape: Mapping[str, Any], points: np.ndarray, height: int, width: int) -> np.ndarray:
    """The PNG of a shape, whose upper left pixel is its first point."""
    from PIL import Image

    try:
        data = base64.b64decode(shape["mask"], validate=True)
    except (binascii.Error, TypeError) as error:
        raise BadInput(f"its mask is not base64 ({error})") from error
    with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
        inside = pixels_of(image)[..., 0] > 0
    left, top = (int(number) for number in points[0])
    rows, columns = max(0, top), max(0, left)
    mask = np.zeros((height, width), bool)
    part = inside[rows - top : height - top, columns - left : width - left]
    mask[rows : rows + part.shape[0], columns : columns + part.shape[1]] = part
    return mask


def none_there(path: Path, files: Sequence[str], images: Sequence[str]) -> BadInput:
    shown = f"names {files[0]}, …" if files else "names no picture"
    return BadInput(f"{path}: {shown}, and none of its pictures is there (there are {', '.join(list(images)[:3])}, …)")
