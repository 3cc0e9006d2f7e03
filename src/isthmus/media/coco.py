"""COCO annotation files (cocodataset.org, format-data): regions of images, their categories, boxes and masks."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from isthmus.errors import BadInput
from isthmus.files import atomic
from isthmus.media.contours import polygons_of
from isthmus.media.rle import Part, pack, part_of_polygons, part_of_runs, runs_of_part, unpack

Box = tuple[float, float, float, float]  # x, y, width and height in pixels, from the upper left corner


@dataclass(frozen=True)
class Region:
    """A region of an image: category, box, and mask as COCO stores it (polygons, run lengths, or None: the box).

    crowd: a group of objects that are not separated. score: confidence of a detector; None in ground truth.
    """

    kind: str
    box: Box
    segmentation: Any = None
    crowd: bool = False
    score: float | None = None

    @classmethod
    def of(
        cls,
        mask: np.ndarray,
        kind: str,
        score: float | None = None,
        corner: tuple[int, int] = (0, 0),
        size: tuple[int, int] | None = None,
        polygons: bool = False,
    ) -> Region:
        """The region of a mask, H×W, as packed run lengths, with its box. Raises BadInput for an empty mask.

        corner: row and column of the mask in an image of `size`, height and width; default: it is the full image.
        polygons: outlines along pixel edges, instead of run lengths.
        """
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        if not len(rows):
            raise BadInput("empty mask: a mask that marks at least one pixel is accepted")
        (top, left), size = corner, size or mask.shape[:2]  # type: ignore[assignment]
        box = (left + columns[0], top + rows[0], columns[-1] + 1 - columns[0], rows[-1] + 1 - rows[0])
        if polygons:
            outlines: Any = [np.add(one, [left, top] * (len(one) // 2)).tolist() for one in polygons_of(mask)]
        else:
            outlines = {"size": list(size), "counts": pack(runs_of_part(mask, top, left, *size))}  # type: ignore[misc]
        return cls(kind, tuple(float(number) for number in box), outlines, score=score)  # type: ignore[arg-type]

    def runs(self, height: int, width: int) -> list[int] | None:
        """The run lengths; None for polygons and boxes. Raises BadInput for run lengths of another size."""
        if not isinstance(self.segmentation, Mapping):
            return None
        counts, size = self.segmentation.get("counts"), self.segmentation.get("size")
        if size != [height, width] or not isinstance(counts, (str, list)):
            raise BadInput(f"run lengths with size {size}: size [{height}, {width}] and counts are accepted")
        return unpack(counts) if isinstance(counts, str) else counts

    def area(self, height: int, width: int) -> int:
        """The number of pixels. Raises BadInput for a segmentation of another size."""
        runs = self.runs(height, width)
        return int(self.part(height, width).mask.sum()) if runs is None else sum(runs[1::2])

    def part(self, height: int, width: int) -> Part:
        """The mask in a part of the H×W image that holds it. Raises BadInput for a segmentation of another size."""
        runs = self.runs(height, width)
        if runs is not None:
            return part_of_runs(runs, height, width)
        if self.segmentation:
            return part_of_polygons(self.segmentation, height, width)
        x, y, across, down = self.box
        return part_of_polygons([[x, y, x + across, y, x + across, y + down, x, y + down]], height, width)

    def mask(self, height: int, width: int) -> np.ndarray:
        """H×W bool. Raises BadInput for a segmentation of another size."""
        return self.part(height, width).full(height, width)


@dataclass(frozen=True)
class Annotated:
    """An image file, its size, and its regions."""

    file: str
    height: int
    width: int
    regions: Sequence[Region] = ()


def write_coco(path: Path | str, pictures: Sequence[Annotated], kinds: Mapping[int, str]) -> Path:
    """Write images with their regions; kinds: category ids, in any order and with gaps, to names.

    Raises BadInput for a kind that has no id, and if the file cannot be written.
    """
    path, ids = Path(path), {name: number for number, name in kinds.items()}
    annotations: list[dict[str, Any]] = []
    for index, picture in enumerate(pictures, 1):
        for region in picture.regions:
            if region.kind not in ids:
                raise BadInput(f"{picture.file}: kind {region.kind!r} has no category id")
            one: dict[str, Any] = {"id": len(annotations) + 1, "image_id": index, "category_id": ids[region.kind]}
            one |= {"bbox": list(region.box), "area": region.area(picture.height, picture.width)}
            one |= {"iscrowd": int(region.crowd), "segmentation": region.segmentation or []}
            annotations.append(one | ({} if region.score is None else {"score": region.score}))
    content = {
        "images": [
            {"id": index, "file_name": one.file, "height": one.height, "width": one.width}
            for index, one in enumerate(pictures, 1)
        ],
        "annotations": annotations,
        "categories": [{"id": number, "name": name} for number, name in kinds.items()],
    }
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    return path


def _box_of(segmentation: Any) -> Box:
    """The box around a segmentation; some programs write no other."""
    if isinstance(segmentation, Mapping):
        height, width = segmentation["size"]
        return Region.of(Region("", (0, 0, 0, 0), segmentation).mask(height, width), "").box
    points = np.concatenate([np.asarray(polygon, float).reshape(-1, 2) for polygon in segmentation])
    (x, y), (right, bottom) = points.min(0), points.max(0)
    return float(x), float(y), float(right - x), float(bottom - y)


def read_coco(path: Path | str) -> tuple[list[Annotated], dict[int, str]]:
    """(images with their regions, in the order of the file; kinds: category ids to names).

    Raises BadInput for another kind of file, and for an annotation of an image or a category that is not listed.
    """
    path = Path(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        kinds = {int(one["id"]): str(one["name"]) for one in content["categories"]}
        regions: dict[Any, list[Region]] = {one["id"]: [] for one in content["images"]}
        for one in content["annotations"]:
            if one["category_id"] not in kinds or one["image_id"] not in regions:
                missing = "category" if one["category_id"] not in kinds else "image"
                raise BadInput(f"{path}: annotation {one.get('id')}: {missing} {one[f'{missing}_id']} is not listed")
            x, y, width, height = (float(number) for number in one.get("bbox") or _box_of(one["segmentation"]))
            score = None if one.get("score") is None else float(one["score"])
            kind, crowd = kinds[one["category_id"]], bool(one.get("iscrowd", 0))
            regions[one["image_id"]].append(
                Region(kind, (x, y, width, height), one.get("segmentation") or None, crowd, score)
            )
        pictures = [
            Annotated(str(one["file_name"]), int(one["height"]), int(one["width"]), regions[one["id"]])
            for one in content["images"]
        ]
    except (OSError, ValueError, TypeError, KeyError) as error:
        if isinstance(error, BadInput):
            raise
        raise BadInput(f"{path}: not a COCO annotation file ({type(error).__name__}: {error})") from error
    return pictures, kinds
