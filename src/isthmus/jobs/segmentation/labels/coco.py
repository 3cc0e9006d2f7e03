"""Labels in a COCO JSON file."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

from isthmus.errors import BadInput
from isthmus.jobs.segmentation.classes import BACKGROUND
from isthmus.jobs.segmentation.labels.annotations import Canvas, Names, none_there
from isthmus.jobs.segmentation.labels.sources import Raw
from isthmus.media.coco import Annotated, Region, read_coco


@dataclass
class Coco:
    """pictures: the annotations of each picture. kinds: names of categories to their values in label maps."""

    numbered: ClassVar[bool] = True
    path: Path
    pictures: dict[str, Annotated]
    kinds: dict[str, int]
    unused: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    empty: int = 0

    @classmethod
    def open(cls, path: Path, images: Sequence[str]) -> Coco:
        """Pictures without annotations are background. Raises BadInput if no picture of the file is one of `images`."""
        annotated, categories = read_coco(path)
        names, pictures, unused = Names(images), dict[str, Annotated](), list[str]()
        flat = boxes = 0
        for one in annotated:
            name = names.find(one.file)
            if name is None or name in pictures:
                unused.append(one.file)
                continue
            regions = [region for each in one.regions if (region := with_area(each)) is not None]
            flat += len(one.regions) - len(regions)
            boxes += sum(region.segmentation is None for region in regions)
            pictures[name] = replace(one, regions=regions)
        if not pictures:
            raise none_there(path, unused, images)
        used = {region.kind for one in annotated for region in one.regions}
        kinds = {name: number for number, name in categories.items() if number != 0 or name in used}
        above = max(kinds.values(), default=0) + 1  # for a category 0, which is the number of the background
        kinds = {name: 0 if name.lower() in BACKGROUND else number or above for name, number in kinds.items()}
        notes = [f"{path}: annotations without an area, which are left out: {flat}"] if flat else []
        notes += [f"{path}: annotations without a mask, of which the full box is taken: {boxes}"] if boxes else []
        return cls(path, pictures, kinds, unused, notes)

    @property
    def names(self) -> Collection[str]:
        return self.pictures.keys()

    def file(self, name: str) -> str:
        return f"{self.path}, {name}"

    def form(self, kind: str, bits: int, palette: bool) -> str:
        return "COCO JSON"

    def read(self, name: str, size: tuple[int, int]) -> Raw:
        """Smaller objects are above larger ones, and pixels of crowds are void where no object is."""
        one = self.pictures[name]
        canvas = Canvas(one.height, one.width, self.empty)
        for region in sorted(one.regions, key=lambda region: -region.box[2] * region.box[3]):
            try:
                part = region.part(one.height, one.width)
            except (BadInput, ValueError, TypeError) as error:
                raise BadInput(f"{self.file(name)}: {error}") from error
            canvas.ignore(part) if region.crowd else canvas.add(part, self.kinds[region.kind])
        return canvas.raw()


def with_area(region: Region) -> Region | None:
    """The region without polygons of one or two points; None if it has no others."""
    if not isinstance(region.segmentation, list):
        return region
    polygons = [polygon for polygon in region.segmentation if not isinstance(polygon, list) or len(polygon) > 5]
    return replace(region, segmentation=polygons) if polygons else None
