"""Heatmaps, masks and maps of a folder, drawn while the net looks at what comes next."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import numpy as np
import tifffile
from PIL import Image
from torch import Tensor

from isthmus.data import Data, peek, read_picture
from isthmus.detection import Detector, Finding
from isthmus.errors import BadInput
from isthmus.files import atomic
from isthmus.inference.outputs import unique_names
from isthmus.media.coco import Annotated, Region, write_coco
from isthmus.report import as_pictures
from isthmus.report.heat import heated
from isthmus.report.pictures import QUICK, to_image

SHOWN = 24  # of the worst
THUMB = 384  # the longer side of a picture on the page
THREADS = 8  # each holds a picture and its map at the size of the file
LARGE = 2**24  # pixels of a picture that is drawn alone, so that memory stays bounded
HOTTER = 2.0  # times the edge, where a map is at its hottest
KIND = "anomaly"
MAPS = ("npy", "tif")
Worst = tuple[float, list[Image.Image], str]


@dataclass(frozen=True)
class Saved:
    """What is written beside heatmaps. masks: of what is found, and boxes.json. maps: npy, tif or None."""

    masks: bool = False
    maps: str | None = None

    def __post_init__(self) -> None:
        if self.maps not in (None, *MAPS):
            raise BadInput(f"maps as {self.maps}: {' or '.join(MAPS)} is accepted")


class Heatmaps:
    """heatmaps/NAME.png for each item of `data`, by several threads; the worst are kept for a page.

    All is drawn at the size of the files, items of an array at their own. With `saved` masks/NAME.png (255 where
    something is found, else 0), boxes.json (COCO, a region each with its highest value as score), maps/NAME.npy or .tif
    (float32, in times what is normal). stretched: whether each side was made to fit by itself; else the center was cut
    out. white: the value of white in files of 16 bits.
    """

    def __init__(
        self, detector: Detector, folder: Path, data: Data, stretched: bool, white: float, saved: Saved
    ) -> None:
        self.normal, self.folder, self.source, self.white = detector.level, folder, data.source, white
        self.stretched, self.saved = stretched, saved
        files = unique_names([f"{Path(name).with_suffix('.png')}" for name in data.names], data.names)
        self.names = iter(zip(data.names, files, strict=True))
        self.pool = ThreadPoolExecutor(min(THREADS, (os.cpu_count() or 1) + 1))
        self.large = Lock()
        self.worst, self.found = list[Worst](), list[Annotated]()
        self.jobs = list[Future[tuple[Worst, Annotated]]]()

    def __enter__(self) -> Heatmaps:
        return self

    def __exit__(self, *_: object) -> None:
        self.pool.shutdown(cancel_futures=True)

    def add(self, x: Tensor, found: Finding, told: Sequence[tuple[float, str]]) -> None:
        """The next of the items, N×C×H×W, what was found of them, and the score and caption of each.

        Waits for what was added before, so that memory stays bounded.
        """
        self.done()
        # Each gets its name here, in the order of the items.
        every = zip(as_pictures(x), found.map.numpy(), found.bad.tolist(), told, self.names, strict=False)
        self.jobs = [self.pool.submit(self.draw, found.edge, *one) for one in every]

    def draw(
        self,
        edge: float,
        picture: np.ndarray,
        seen: np.ndarray,
        bad: bool,
        told: tuple[float, str],
        names: tuple[str, str],
    ) -> tuple[Worst, Annotated]:
        name, file = names
        height, width = self.size_of(name, seen.shape)
        with self.large if height * width > LARGE else nullcontext():
            image = self.picture_of(name, picture, (height, width))
            gray = np.asarray(image.convert("L"))
            values = enlarged(seen, height, width, self.stretched)
            mask = values > edge if bad else np.zeros(values.shape, bool)
            heat = heated(gray, values, self.normal, HOTTER * edge, mask)
            self.write("heatmaps", file, lambda path: heat.save(path, **QUICK))
            regions = self.save(file, values, mask)
            shown = [thumb(image), thumb(heat)]
        return (told[0], shown, told[1]), Annotated(name, height, width, regions)

    def save(self, file: str, values: np.ndarray, mask: np.ndarray) -> list[Region]:
        """Write mask and map as asked for; return the regions of the mask where they are."""
        if self.saved.maps == "npy":
            self.write("maps", f"{Path(file).with_suffix('.npy')}", lambda path: save_array(path, values))
        elif self.saved.maps == "tif":
            self.write("maps", f"{Path(file).with_suffix('.tif')}", lambda path: save_tiff(path, values))
        if not self.saved.masks:
            return []
        self.write("masks", file, lambda path: Image.fromarray(mask.astype(np.uint8) * 255).save(path, format="PNG"))
        return regions_of(mask, values)

    def write(self, kind: str, file: str, save: Callable[[Path], object]) -> None:
        with atomic(self.folder / kind / file) as temporary:
            save(temporary)

    def size_of(self, name: str, size: tuple[int, ...]) -> tuple[int, int]:
        """Height and width of the file of an item; those of its map where it has no file."""
        try:
            if self.source.get("kind") in ("folder", "files", "file"):
                header = peek(self.path(name))
                return header.height, header.width
        except (BadInput, OSError):
            pass
        return size[0], size[1]

    def path(self, name: str) -> Path:
        top = Path(self.source["path"])
        return top / name if self.source["kind"] != "file" else top

    def picture_of(self, name: str, picture: np.ndarray, size: tuple[int, int]) -> Image.Image:
        """The item as it is seen, or, of another size, its file, in 8 bits."""
        if picture.shape[1:] == size:
            return to_image(picture)
        try:
            pixels = read_picture(self.path(name))
        except BadInput:
            return to_image(picture).resize(size[::-1])
        if pixels.dtype != np.uint8:
            pixels = (pixels * np.float32(255 / self.white)).clip(0, 255).astype(np.uint8)
        return Image.fromarray(pixels[0] if len(pixels) == 1 else np.ascontiguousarray(pixels.transpose(1, 2, 0)))

    def done(self) -> list[Worst]:
        """The worst of all that was added: score, the picture with and without heat, and what to say of it."""
        results = [job.result() for job in self.jobs]
        self.found += [found for _, found in results if self.saved.masks]
        self.worst += [worst for worst, _ in results]
        self.jobs, self.worst = [], sorted(self.worst, key=lambda one: -one[0])[:SHOWN]
        return self.worst

    def close(self) -> list[Worst]:
        """Write boxes.json where it is asked for, after the last item; return the worst."""
        worst = self.done()
        if self.saved.masks:
            write_coco(self.folder / "boxes.json", self.found, {1: KIND})
        return worst


def enlarged(seen: np.ndarray, height: int, width: int, stretched: bool) -> np.ndarray:
    """A map H×W as height×width float32; where not stretched it is of the center, and 0 outside of it."""
    if seen.shape == (height, width):
        return np.asarray(seen, np.float32)
    image = Image.fromarray(np.asarray(seen, np.float32))
    if stretched:
        return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR))
    scale = min(height / seen.shape[0], width / seen.shape[1])
    down, across = (min(side, round(scale * own)) for side, own in zip((height, width), seen.shape, strict=True))
    top, left = (height - down) // 2, (width - across) // 2
    values = np.zeros((height, width), np.float32)
    values[top : top + down, left : left + across] = np.asarray(image.resize((across, down), Image.Resampling.BILINEAR))
    return values


def regions_of(mask: np.ndarray, values: np.ndarray) -> list[Region]:
    """Each connected part of a mask, the one of the highest value first, which is its score."""
    from skimage.measure import label

    parts, count = label(mask, connectivity=2, return_num=True)
    regions = [
        Region.of(one, KIND, score=round(float(values[one].max()), 3)) for one in (parts == k + 1 for k in range(count))
    ]
    return sorted(regions, key=lambda region: -(region.score or 0))


def save_array(path: Path, values: np.ndarray) -> None:
    with path.open("wb") as file:
        np.save(file, values, allow_pickle=False)


def save_tiff(path: Path, values: np.ndarray) -> None:
    tifffile.imwrite(path, values, photometric="minisblack", compression="zlib", metadata=None)


def thumb(image: Image.Image) -> Image.Image:
    """The picture itself, or, larger than THUMB, made smaller."""
    if max(image.size) <= THUMB:
        return image
    small = image.convert("RGB") if image.mode == "P" else image.copy()
    small.thumbnail((THUMB, THUMB))
    return small
