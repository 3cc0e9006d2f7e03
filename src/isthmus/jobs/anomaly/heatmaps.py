"""Heatmaps, masks and anomaly maps of a data set, written by threads while the network scores the next items."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import numpy as np
from PIL import Image
from torch import Tensor

from isthmus.data import Data, peek, read_picture
from isthmus.errors import BadInput
from isthmus.files import atomic
from isthmus.inference.result import unique_names, write_mask
from isthmus.jobs.anomaly.detector import Detector
from isthmus.jobs.anomaly.finding import Finding
from isthmus.media.coco import Annotated, Region, write_coco
from isthmus.media.image_file import write_photo
from isthmus.media.npy_images import save_array
from isthmus.media.photo import Photo
from isthmus.report import as_pictures
from isthmus.report.heat import heated
from isthmus.report.pictures import FAST_PNG, to_image

SHOWN = 24  # worst images on the page
THUMB = 384  # longer side in pixels of an image on the page
THREADS = 8  # each holds an image and its map at full size
LARGE_IMAGE = 2**24  # pixels above which images are drawn one at a time, to bound memory
HOTTEST = 2.0  # multiple of the map threshold that has the hottest color
KIND = "anomaly"
MAPS = ("npy", "tif")
Worst = tuple[float, list[Image.Image], str]


@dataclass(frozen=True)
class SavedOutputs:
    """Files written in addition to heatmaps: masks and boxes.json of anomalous regions; maps as npy, tif or None."""

    masks: bool = False
    maps: str | None = None

    def __post_init__(self) -> None:
        if self.maps not in (None, *MAPS):
            raise BadInput(f"save_maps={self.maps}: {' or '.join(MAPS)} is accepted")


class Heatmaps:
    """Writes heatmaps/NAME.png for each item of `data`, in several threads, and keeps the worst items for the page.

    Everything is drawn at the size of the files; items of an array at their own. By `saved` also masks/NAME.png (255 in
    anomalous regions, else 0), boxes.json (COCO; the score of a region is its highest map value) and maps/NAME.npy or
    .tif (float32, as multiples of the normal error). stretched: images were resized without keeping their aspect ratio;
    else a center crop was taken. white: the pixel value of white in 16-bit files.
    """

    def __init__(
        self, detector: Detector, folder: Path, data: Data, stretched: bool, white: float, saved: SavedOutputs
    ) -> None:
        self.normal, self.folder, self.source, self.white = detector.level, folder, data.source, white
        self.stretched, self.saved = stretched, saved
        files = unique_names([f"{Path(name).with_suffix('.png')}" for name in data.names], data.names)
        self.names = iter(zip(data.names, files, strict=True))
        self.pool = ThreadPoolExecutor(min(THREADS, (os.cpu_count() or 1) + 1))
        self.large = Lock()
        self.worst, self.finding = list[Worst](), list[Annotated]()
        self.jobs = list[Future[tuple[Worst, Annotated]]]()

    def __enter__(self) -> Heatmaps:
        return self

    def __exit__(self, *_: object) -> None:
        self.pool.shutdown(cancel_futures=True)

    def add(self, x: Tensor, finding: Finding, caption: Sequence[tuple[float, str]]) -> None:
        """Draw the next items N×C×H×W with their finding, and the score and caption of each.

        First waits for the previous batch, to bound memory.
        """
        self.done()
        # The names are assigned here, in the order of the items.
        items = zip(as_pictures(x), finding.map.numpy(), finding.bad.tolist(), caption, self.names, strict=False)
        self.jobs = [self.pool.submit(self.draw, finding.edge, *item) for item in items]

    def draw(
        self,
        edge: float,
        picture: np.ndarray,
        values: np.ndarray,
        bad: bool,
        caption: tuple[float, str],
        names: tuple[str, str],
    ) -> tuple[Worst, Annotated]:
        name, file = names
        height, width = self.size_of(name, values.shape)
        with self.large if height * width > LARGE_IMAGE else nullcontext():
            image = self.picture_of(name, picture, (height, width))
            gray = np.asarray(image.convert("L"))
            full_size = resize_map(values, height, width, self.stretched)
            mask = full_size > edge if bad else np.zeros(full_size.shape, bool)
            heat = heated(gray, full_size, self.normal, HOTTEST * edge, mask)
            with atomic(self.folder / "heatmaps" / file) as path:
                heat.save(path, **FAST_PNG)
            regions = self.save(file, full_size, mask)
            panels = [thumbnail(image), thumbnail(heat)]
        return (caption[0], panels, caption[1]), Annotated(name, height, width, regions)

    def save(self, file: str, full_size: np.ndarray, mask: np.ndarray) -> list[Region]:
        """Write the mask and the map if asked for; return the regions of a written mask."""
        maps, masks = (self.folder / kind / file for kind in ("maps", "masks"))
        if self.saved.maps == "npy":
            save_array(maps.with_suffix(".npy"), full_size)
        elif self.saved.maps == "tif":
            write_photo(maps.with_suffix(".tif"), Photo(full_size[..., None]))
        if not self.saved.masks:
            return []
        write_mask(masks, mask)
        return regions_of(mask, full_size)

    def size_of(self, name: str, size: tuple[int, ...]) -> tuple[int, int]:
        """Height and width of an item's file, or of its map if it has no file."""
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
        """The item as the model sees it; if the file has another size, the file in 8 bits."""
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
        """Wait for all drawing; return the worst items so far: score, image and heatmap, caption."""
        results = [job.result() for job in self.jobs]
        self.finding += [finding for _, finding in results if self.saved.masks]
        self.worst += [worst for worst, _ in results]
        self.jobs, self.worst = [], sorted(self.worst, key=lambda item: -item[0])[:SHOWN]
        return self.worst

    def close(self) -> list[Worst]:
        """After the last item: write boxes.json if asked for; return the worst items."""
        worst = self.done()
        if self.saved.masks:
            write_coco(self.folder / "boxes.json", self.finding, {1: KIND})
        return worst


def resize_map(values: np.ndarray, height: int, width: int, stretched: bool) -> np.ndarray:
    """Resize a map H×W to height×width float32; unless stretched it covers the center, and is 0 around it."""
    if values.shape == (height, width):
        return np.asarray(values, np.float32)
    image = Image.fromarray(np.asarray(values, np.float32))
    if stretched:
        return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR))
    scale = min(height / values.shape[0], width / values.shape[1])
    down, across = (min(side, round(scale * own)) for side, own in zip((height, width), values.shape, strict=True))
    top, left = (height - down) // 2, (width - across) // 2
    full_size = np.zeros((height, width), np.float32)
    full_size[top : top + down, left : left + across] = np.asarray(
        image.resize((across, down), Image.Resampling.BILINEAR)
    )
    return full_size


def regions_of(mask: np.ndarray, full_size: np.ndarray) -> list[Region]:
    """The connected regions of a mask, with their highest map value as score, sorted by it."""
    from skimage.measure import label

    parts, count = label(mask, connectivity=2, return_num=True)
    regions = [
        Region.of(item, KIND, score=round(float(full_size[item].max()), 3))
        for item in (parts == k + 1 for k in range(count))
    ]
    return sorted(regions, key=lambda region: -(region.score or 0))


def thumbnail(image: Image.Image) -> Image.Image:
    """The image, reduced to at most THUMB pixels on its longer side."""
    if max(image.size) <= THUMB:
        return image
    small = image.convert("RGB") if image.mode == "P" else image.copy()
    small.thumbnail((THUMB, THUMB))
    return small
