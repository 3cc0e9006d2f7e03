"""Videos without PyAV: animated GIF, and TIFF of several pages, as microscopes and scanners write it."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from isthmus.errors import BadInput, Note
from isthmus.media.bit_depth import only_noise_outside, range_of_values
from isthmus.media.exif import read_tags
from isthmus.media.file_content import decoding
from isthmus.media.high_bit_depth import Layers
from isthmus.media.image_file import photo_of
from isthmus.media.image_reader import layers_of, open_image, tiff_page
from isthmus.media.metadata import adapt_to_size, info_of_tags, note_left_out, tags_of
from isthmus.media.photo import Photo
from isthmus.media.png_tiff_writer import tiff_options
from isthmus.media.resize import to_depth
from isthmus.media.tiff import has_next_page
from isthmus.media.video.base import Film, Frame, WriteFrame

LARGE = 2**32 - 2**28  # bytes above which a BigTIFF is written
GRAYS = bytes(np.arange(256, dtype=np.uint8).repeat(3))


class Animation(Film):
    """A GIF; its unit of time is a millisecond. It is gray, or opaque, if all of its frames are."""

    suffixes = (".gif",)

    def __init__(self, path: Path) -> None:
        self.path, self.count, self.gray, self.transparent = path, 0, True, False
        with decoding(path), open_image(path) as image:
            self.loop = image.info.get("loop")
            for samples, _ in self._each(image):
                self.count += 1
                self.gray = self.gray and bool((samples[..., :2] == samples[..., 1:3]).all())
                self.transparent = self.transparent or bool((samples[..., 3] < 255).any())
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 64))
            if not file.read().rstrip(b"\0").endswith(b";"):
                message = f"{path}: truncated; it may have had more than {self.count} frames"
                warnings.warn(message, Note, stacklevel=3)

    @staticmethod
    def several(path: Path) -> bool:
        """Whether the file has more than one frame; False for a broken file."""
        try:
            with open_image(path) as image:
                image.seek(1)
        except Exception:
            return False
        return True

    def _each(self, image: Any) -> Iterator[tuple[np.ndarray, int]]:
        """(H×W×4 uint8, duration) of all frames of a Pillow image."""
        for number in range(image.n_frames):
            image.seek(number)
            yield np.asarray(image.convert("RGBA")), int(image.info.get("duration") or 0)

    def frames(self) -> Iterator[Frame]:
        with decoding(self.path), open_image(self.path) as image:
            start = 0
            for samples, duration in self._each(image):
                pixels = samples[..., : 1 if self.gray else 3]
                yield Frame(Photo(pixels, samples[..., 3] if self.transparent else None), start, duration)
                start += duration

    @contextmanager
    def writing(self, path: Path, suffix: str) -> Iterator[WriteFrame]:
        """Write frames with a palette of up to 256 colors each, without dithering."""
        from PIL import GifImagePlugin

        with path.open("wb") as file:

            def put(photo: Photo, frame: Frame) -> None:
                if not file.tell():
                    file.write(b"GIF89a" + struct.pack("<2H3B", *photo.size[::-1], 0x70, 0, 0))
                    if self.loop is not None:
                        file.write(b"!\xff\x0bNETSCAPE2.0\x03\x01" + struct.pack("<HB", self.loop, 0))
                options: dict[str, Any] = {"duration": frame.duration, "disposal": 1, "include_color_table": True}
                if photo.alpha is not None:  # transparent pixels would show the frame before, so clear it first
                    options |= {"disposal": 2, "transparency": 255}
                file.writelines(GifImagePlugin.getdata(with_palette(photo), **options))

            yield put
            file.write(b";")


def with_palette(photo: Photo) -> Any:
    """A Pillow image of at most 256 colors, the last of them transparent."""
    from PIL import Image

    pixels = to_depth(photo.pixels, np.dtype(np.uint8))
    if pixels.shape[-1] == 1:
        image = Image.fromarray(pixels[..., 0])
        indices, palette = pixels[..., 0], GRAYS
    else:
        colors = 256 if photo.alpha is None else 255
        image = Image.fromarray(pixels).quantize(colors, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
        indices, palette = np.asarray(image), bytes(image.getpalette("RGB") or []).ljust(768, b"\0")
    if photo.alpha is not None:
        indices = np.where(photo.alpha < 128, 255, np.minimum(indices, 254)).astype(np.uint8)
    image = Image.fromarray(np.ascontiguousarray(indices))
    image.putpalette(palette)
    return image


class Pages(Film):
    """A TIFF of several pages, of 8 or 16 bits each. Reduced copies of a page (previews) are left out.

    axes, sizes: how the pages are arranged by the metadata of the file, such as "ZC" and (30, 2); else "Q", other.
    """

    suffixes = (".tif", ".tiff")

    def __init__(self, path: Path) -> None:
        self.path, self.bytes, self.plain = path, 0, True
        with decoding(path), open_tiff(path) as file:
            self.numbers = [number for number, page in enumerate(file.pages) if not page.is_reduced]
            for number in self.numbers:
                self.bytes += file.pages[number].nbytes
                self.plain = self.plain and file.pages[number].dtype == np.uint8
            truncated = has_next_page(file, len(file.pages) - 1)
            series = file.series[0]  # its axes are Z, C, T … of ImageJ and OME, then Y and X
            self.axes = series.axes.partition("Y")[0]
            self.sizes = tuple(map(int, series.shape[: len(self.axes)]))
        if int(np.prod(self.sizes)) != len(self.numbers):
            self.axes, self.sizes = "Q", (len(self.numbers),)
        self.count = len(self.numbers)
        if truncated:
            raise BadInput(f"{path}: truncated (page {self.count + 1} is missing)")

    @property
    def channels(self) -> int:
        """The number of pages that are channels of one image by the metadata; ImageJ may count slices among them."""
        return dict(zip(self.axes, self.sizes, strict=True)).get("C", 1)

    @staticmethod
    def several(path: Path) -> bool:
        """Whether the first page names a second one, even if that is missing; False if the first page is broken."""
        try:
            with open_tiff(path) as file:
                if not has_next_page(file, 0):
                    return False
                with suppress(Exception):
                    return len(file.pages) == 1 or not all(page.is_reduced for page in file.pages[1:4])
                return True
        except Exception:
            return False

    def frames(self) -> Iterator[Frame]:
        images: list[Any] = []  # the same file opened with Pillow, if needed

        def by_pillow() -> Layers:
            if not images:
                images.append(stack.enter_context(open_image(self.path)))
            images[0].seek(number)
            return layers_of(images[0], self.path)

        with decoding(self.path), open_tiff(self.path) as file, ExitStack() as stack, self.path.open("rb") as raw:
            for number in self.numbers:
                page = file.pages[number]
                info = info_of_tags(read_tags(raw, number=page.offset), self.path.name)
                yield Frame(photo_of(tiff_page(page, self.path, by_pillow), info))

    def range(self) -> tuple[float, float] | None:
        """The range over all pages, because separate ranges would scale the same object differently on each page."""
        if self.plain:
            return None
        low, high, dtype, unit = np.inf, -np.inf, np.dtype(np.uint8), True
        for frame in self.frames():
            pixels = frame.photo.pixels
            dtype, unit = pixels.dtype, unit and (pixels.dtype.kind != "f" or only_noise_outside(pixels))
            low, high = min(low, float(pixels.min())), max(high, float(pixels.max()))
        return range_of_values(dtype, low, high) if unit else (low, high)

    @contextmanager
    def writing(self, path: Path, suffix: str) -> Iterator[WriteFrame]:
        import tifffile

        writer: Any = None

        def put(photo: Photo, frame: Frame) -> None:
            nonlocal writer
            info = adapt_to_size(frame.photo.info, photo.size)
            tags = tags_of(info)
            if writer is None:
                note_left_out(self.path, info)
                growth = photo.pixels.nbytes / max(1, frame.photo.pixels.nbytes)
                writer = tifffile.TiffWriter(path, byteorder=tags.order, bigtiff=self.bytes * growth > LARGE)
            writer.write(**tiff_options(photo.samples(), photo.extras, info, tags), contiguous=False)

        try:
            yield put
        finally:
            if writer is not None:
                writer.close()


def open_tiff(path: Path) -> Any:
    import tifffile

    return tifffile.TiffFile(path)
