"""Label files as images: one label map for each picture, or one mask for each object."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, Protocol

import numpy as np

from isthmus.data.find_images import find_pictures
from isthmus.errors import BadInput
from isthmus.jobs.segmentation.labels.names import in_labels, match, names_labels, stem_of
from isthmus.jobs.segmentation.labels.twins import by_pixels
from isthmus.media.image_reader import peek
from isthmus.media.label_image import PICKLES, read_label_image, refuse_format


@dataclass(frozen=True)
class Raw:
    """The labels of a picture as its file has them.

    values: H×W integers, or H×W×3 uint8 colors. instances: H×W int32, 0 for the background, where the file separates
    objects apart from `values`; else None. void: H×W bool, pixels without a class. palette, alpha: of a LabelImage.
    several: whether the file has further pages, which are not read.
    """

    values: np.ndarray
    instances: np.ndarray | None = None
    void: np.ndarray | None = None
    palette: list[int] | None = None
    alpha: bool = False
    several: bool = False


class Source(Protocol):
    """Labels of the pictures `names`.

    kinds: names of classes to values, of annotations; {} of masks. unused: label files, or pictures that they name,
    without a picture. notes: sentences for the user. numbered: the values of `kinds` are those of the file. empty: the
    value of pixels that no annotation covers.
    """

    numbered: ClassVar[bool]
    kinds: dict[str, int]
    unused: list[str]
    notes: list[str]
    empty: int

    @property
    def names(self) -> Collection[str]: ...

    def file(self, name: str) -> str:
        """The label file of a picture, for messages."""

    def form(self, kind: str, bits: int, palette: bool) -> str:
        """The format in words. kind: of Classes. bits: of a value. palette: every file has one."""

    def read(self, name: str, size: tuple[int, int]) -> Raw:
        """size: height and width of the picture, for labels that state no size of their own."""


class OfFiles:
    """Labels in files of their own: `files` by the names of pictures, below `folder`."""

    folder: Path
    files: Mapping[str, Any]

    @property
    def names(self) -> Collection[str]:
        return self.files.keys()

    def file(self, name: str) -> str:
        return str(self.folder / self.files[name])


@dataclass
class MaskFiles(OfFiles):
    """files: the label map of each picture, below `folder`. colors: palettes are read as their colors. soft: pixels
    above half are 255, all others 0."""

    numbered: ClassVar[bool] = True
    folder: Path
    files: dict[str, str]
    unused: list[str] = field(default_factory=list)
    colors: bool = False
    soft: bool = False
    kinds: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    empty: int = 0

    def form(self, kind: str, bits: int, palette: bool) -> str:
        suffixes = {PurePosixPath(name).suffix[1:].upper().replace("TIFF", "TIF") for name in self.files.values()}
        depth = "color" if kind == "colors" else "palette" if palette else f"{bits}-bit"
        return f"{depth} {'/'.join(sorted(suffixes))}"

    def read(self, name: str, size: tuple[int, int]) -> Raw:
        path = self.folder / self.files[name]
        image, several = read_label_image(path), path.suffix.lower() in (".tif", ".tiff") and peek(path).several
        values = halved(image.values) if self.soft else image.values
        if self.colors and image.palette is not None:
            values = palette_colors(image.palette)[values]
        return Raw(values, palette=image.palette, alpha=image.alpha, several=several)


def halved(values: np.ndarray) -> np.ndarray:
    """H×W, or H×W×3 colors, as H×W uint8: 255 above half of the range of 8 bits, or of the largest value of others."""
    values = values.max(-1) if values.ndim == 3 else values
    largest = values.max(initial=0)
    high = 255 if values.dtype == np.uint8 and largest > 1 else largest
    return np.where(values > high / 2, 255, 0).astype(np.uint8)


@dataclass
class ObjectMasks(OfFiles):
    """files: the masks of the objects of each picture, below `folder`; nonzero pixels are the object."""

    numbered: ClassVar[bool] = True
    folder: Path
    files: dict[str, list[str]]
    unused: list[str] = field(default_factory=list)
    kinds: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    empty: int = 0

    def file(self, name: str) -> str:
        return str(self.folder / PurePosixPath(self.files[name][0]).parent)

    def form(self, kind: str, bits: int, palette: bool) -> str:
        return "one mask for each object"

    def read(self, name: str, size: tuple[int, int]) -> Raw:
        objects: np.ndarray | None = None
        for number, file in enumerate(self.files[name], 1):
            values = read_label_image(self.folder / file).values
            mask = (values != 0).any(-1) if values.ndim == 3 else values != 0
            objects = np.zeros(mask.shape, np.int32) if objects is None else objects
            if mask.shape != objects.shape:
                sizes = (
                    f"{mask.shape[1]}×{mask.shape[0]}, and the masks before it {objects.shape[1]}×{objects.shape[0]}"
                )
                raise BadInput(f"{self.folder / file}: is {sizes}; masks of one size are accepted")
            objects[mask] = number
        assert objects is not None, "a picture is listed with at least one mask"
        return Raw((objects != 0).astype(np.uint8), objects)


def find_masks(folder: Path, pictures: Path, images: Sequence[str]) -> MaskFiles | ObjectMasks | None:
    """The label images in `folder` of the `images` below `pictures`; None if there are none.

    Raises BadInput if there are label images, but none of a picture.
    """
    found, others = find_pictures(folder, also=(".npy",))
    together = pictures.resolve() == folder.resolve()
    within = set(images) if together else set()
    refused = [name for name in found if name.lower().endswith(PICKLES)]
    labels = [name for name in found if name not in refused]
    files, unused = match(images, labels, together)
    if not files and together and (files := by_pixels(folder, images)):
        unused = []
    if not files:
        labels = [name for name in labels if name not in within or in_labels(name)]
        groups: defaultdict[str, list[str]] = defaultdict(list)
        for name in labels:
            above = [part for part in PurePosixPath(name).parts[:-1] if not names_labels(part)]
            groups[above[-1].lower() if above else ""].append(name)
        objects = {image: groups[stem_of(image)] for image in images if stem_of(image) in groups}
        if objects:
            used = {name for names in objects.values() for name in names}
            return ObjectMasks(folder, objects, [name for name in labels if name not in used])
        if refused:
            refuse_format(folder / refused[0])
        for suffix in others:
            refuse_format(folder / f"*{'.nii.gz' if suffix == '.gz' else suffix}")
        if labels and images:
            raise BadInput(
                f"{folder}: no label file has the name of a picture (label files such as {labels[0]}, pictures such as "
                f"{images[0]}); accepted are equal names, or with _mask, _label, _seg or _gt behind them"
            )
        return None
    unused = [name for name in unused if name not in within]
    return MaskFiles(folder, files, unused)


def palette_colors(palette: Sequence[int]) -> np.ndarray:
    """256×3 uint8, the color of each index; indices beyond the palette are black."""
    colors = np.zeros((256, 3), np.uint8)
    colors[: len(palette) // 3] = np.asarray(palette, np.uint8).reshape(-1, 3)[:256]
    return colors
