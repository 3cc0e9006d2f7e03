"""One picture file as people have it: its pixels, its alpha, and what a camera or a scanner wrote beside them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from isthmus.errors import BadInput, Note
from isthmus.files import atomic
from isthmus.media.bit_depth import full_range, own_range, shown
from isthmus.media.dicom.reader import frames_of, is_dicom, read_dicom
from isthmus.media.dicom.writer import write_dicom
from isthmus.media.exif import file_tags
from isthmus.media.high_bit_depth import Layers, over_white
from isthmus.media.image_reader import is_tiff, open_image, peek, read_layers
from isthmus.media.metadata import NOTHING, Info, for_pillow, of_image, of_tags, tell_left, tiff_alone, true_of, unheld
from isthmus.media.npy_images import Stored, read_npy, write_npy
from isthmus.media.png_tiff_writer import write_png, write_tiff
from isthmus.media.resize import to_depth
from isthmus.media.video.containers import VIDEOS

RAW = "3fr arw cr2 cr3 crw dng erf kdc mef mos mrw nef nrw orf pef raf raw rw2 sr2 srf srw x3f"
ELSEWHERE = {
    **{f".{kind}": "a camera's raw file is not read here; develop it to a 16-bit .tif first" for kind in RAW.split()},
    **{f".{kind}": "HEIC is not read here; save it as .jpg or .png first" for kind in ("heic", "heif", "hif")},
    **{f".{kind}": f"{kind.upper()} is not read here; save it as .png first" for kind in ("avif", "jxl", "jp2", "psd")},
    **dict.fromkeys(VIDEOS, "a film is taken by itself, and not where a picture is wanted"),
}
WRITTEN = (".png", ".tif", ".tiff", ".jpg", ".jpeg", ".webp", ".bmp", ".dcm")
TRANSPARENT, DEEP = (".png", ".tif", ".tiff", ".webp"), (".png", ".tif", ".tiff")  # what keeps alpha, and 16 bits
PILLOW: dict[str, dict[str, Any]] = {
    ".jpg": {"format": "JPEG", "quality": 95, "subsampling": 0},
    ".webp": {"format": "WEBP", "quality": 95},
    ".bmp": {"format": "BMP"},
}
LONGEST = {".jpg": 65500, ".webp": 16383}  # pixels of a side


@dataclass(frozen=True)
class Photo:
    """pixels: H×W×C uint8 or uint16, C of 1 (gray) or 3 (colour), upright. alpha: H×W of the same type, or None.

    Of an array, or of a TIFF in units, pixels are of any type. range: the numbers that are black and white; None where
    nobody says, and `own_range` finds it. done: what was done to it, in a word ("denoised"), for a format that records
    it. stated: whether the file says which number is white, so that its pixels are shares of 65535. bands: H×W×E of the
    same type, channels besides color and alpha, such as near infrared, or None. stored: how a .npy held it.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None = None
    info: Info = NOTHING
    done: str = ""
    bands: np.ndarray | None = None
    range: tuple[float, float] | None = None
    stated: bool = False
    stored: Stored | None = None

    @property
    def deep(self) -> bool:
        return bool(self.pixels.dtype != np.uint8)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.pixels.shape[0], self.pixels.shape[1]

    @property
    def extras(self) -> list[str]:
        """Of the samples the kinds of those that are no color, as tifffile calls them."""
        bands = 0 if self.bands is None else self.bands.shape[-1]
        return ["unassalpha"] * (self.alpha is not None) + ["unspecified"] * bands

    def samples(self, rows: slice = slice(None), bands: bool = True) -> np.ndarray:
        """h×W×S: the pixels of these rows, then alpha where there is one, then the bands."""
        parts = [self.pixels[rows]]
        parts += [self.alpha[rows, :, None]] if self.alpha is not None else []
        parts += [self.bands[rows]] if self.bands is not None and bands else []
        return np.concatenate(parts, -1) if len(parts) > 1 else parts[0]

    def stripes(self, bands: bool = True) -> Iterator[np.ndarray]:
        """The samples, about a megabyte at a time."""
        height = max(1, 2**20 // self.pixels[0].nbytes)
        tops = range(0, self.size[0], height)
        return (self.samples(slice(top, top + height), bands) for top in tops)

    def replace(self, **changes: Any) -> Photo:
        return replace(self, **changes)


def read_photo(path: Path | str) -> Photo:
    """A picture file of any kind that is read here, of 8 or 16 bits; of several pages or frames the first, with a Note.

    Raises BadInput, naming the file, for what cannot be read.
    """
    path = Path(path)
    if path.suffix.lower() in ELSEWHERE:
        raise BadInput(f"{path}: {ELSEWHERE[path.suffix.lower()]}")
    if is_dicom(path):
        header = peek(path)  # which refuses too large a one
        pixels, data = read_dicom(path)
        _one_of(path, frames_of(data))
        return Photo(pixels, info=Info(dicom=data), stated=header.stated)
    if path.suffix.lower() == ".npy":
        peek(path)
        layers, stored = read_npy(path)
        return photo_of(layers, NOTHING).replace(stored=stored)
    layers = read_layers(path)
    info, frames = _beside(path)
    _one_of(path, frames)
    return photo_of(layers, info).replace(stated=peek(path).stated)


def _one_of(path: Path, frames: int) -> None:
    if frames > 1:
        warnings.warn(f"{path}: holds {frames} pictures; the first is taken", Note, stacklevel=3)


def photo_of(layers: Layers, info: Info) -> Photo:
    # A profile of inks, or of the other kind of picture, would paint these pixels wrongly.
    fits = info.icc[16:20] == (b"GRAY" if layers.color.shape[-1] == 1 else b"RGB ")
    info = info._replace(icc=info.icc if fits else b"", size=layers.color.shape[:2])
    return Photo(layers.color, layers.alpha, info, bands=layers.bands)


def _beside(path: Path) -> tuple[Info, int]:
    """What can be read of what is kept, and the number of frames."""
    import tifffile

    with suppress(Exception):  # a note that a camera wrote wrongly is no reason to refuse
        if is_tiff(path):
            with tifffile.TiffFile(path) as file:
                pages: Any = file.pages
                frames = sum(not page.is_reduced for page in pages)
            return of_tags(file_tags(path), path.name), frames
        with open_image(path) as image:
            info = of_image(image, path)
            if image.format == "MPO":
                info = info._replace(left=(*info.left, "the pictures beside the first (views, depths or brightness)"))
            return info, getattr(image, "n_frames", 1) if image.format in ("GIF", "WEBP", "PNG") else 1
    return NOTHING, 1


def needs_tiff(path: Path) -> bool:
    """Whether a TIFF has 16 bits, further channels, or places and units, which a program finds in a TIFF alone.

    Raises BadInput for what is none.
    """
    header = peek(path)
    return header.deep or header.bands > 0 or bool(tiff_alone(file_tags(path)))


def check_name(path: Path | str, source: Path | None = None) -> None:
    """Raise BadInput where the name is not that of a picture that can be written, or not of what `source` holds."""
    if Path(path).suffix.lower() not in WRITTEN:
        raise BadInput(f"{path}: not a name for a picture; it can end in {', '.join(WRITTEN)}")
    if Path(path).suffix.lower() == ".dcm" and source is not None and source.is_file() and not is_dicom(source):
        raise BadInput(f"{path}: a DICOM is written of a DICOM only, which {source} is not; .png and .tif are of all")


def write_photo(path: Path | str, photo: Photo, quality: int | None = None) -> Path:
    """Write a photo by the suffix, whole or not at all; what the format cannot hold is told in a Note. A .npy is
    written of a .npy alone.

    quality: of a JPEG, 1 to 100, 95 by default. Raises BadInput for another suffix, a side that is too long for the
    format, or where it cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() == ".npy" and photo.stored is not None:
        with atomic(path) as temporary:
            write_npy(temporary, photo.samples(), photo.stored)
        return path
    check_name(path)
    suffix = {".jpeg": ".jpg", ".tiff": ".tif"}.get(path.suffix.lower(), path.suffix.lower())
    photo = photo.replace(info=true_of(photo.info, photo.size))
    _tell_lost(path, suffix, photo)
    photo = _as_held(path, suffix, photo)
    with atomic(path) as temporary:
        if suffix == ".png":
            write_png(temporary, photo.stripes(bands=False), *photo.size, photo.info)
        elif suffix == ".dcm":
            if photo.info.dicom is None:
                raise BadInput(f"{path}: a DICOM is written of a DICOM only; .png and .tif are of all")
            write_dicom(temporary, photo.pixels, photo.info.dicom, photo.done or "changed", path)
        elif suffix == ".tif":
            write_tiff(temporary, photo.samples(), photo.extras, photo.info)
        else:
            _by_pillow(temporary, path, suffix, photo, quality)
    return path


def _as_held(path: Path, suffix: str, photo: Photo) -> Photo:
    """The photo in numbers that the format holds: a TIFF its own, a PNG its own whole ones, others shares of white."""
    pixels, plain = photo.pixels, photo.pixels.dtype in (np.uint8, np.uint16)
    if suffix in (".tif", ".dcm") or pixels.dtype == np.uint8 or (suffix == ".png" and plain):
        return photo
    range = photo.range or own_range(pixels)
    if plain and range == full_range(pixels.dtype):
        return photo
    if not plain:
        told = f"{range[0]:g} to {range[1]:g} become black to white; .tif holds them as they are"
        warnings.warn(f"{path}: {suffix} holds no {pixels.dtype.name}: {told}", Note, stacklevel=3)
    return photo.replace(pixels=shown(pixels, range, np.dtype(np.uint16)), alpha=photo.alpha if plain else None)


def _tell_lost(path: Path, suffix: str, photo: Photo) -> None:
    """A Note for what the file had, and this format, or nobody, can hold."""
    lost = unheld(photo.info, suffix)
    lost += ["16 bits"] if photo.deep and suffix not in (*DEEP, ".dcm") else []
    lost += ["transparency"] if photo.alpha is not None and suffix not in TRANSPARENT else []
    lost += ["channels besides color"] if photo.bands is not None and suffix != ".tif" else []
    if lost:
        kinds = (".png", ".tif") if photo.info.dicom is None else (".dcm",)
        better = [kind for kind in kinds if kind != suffix and not set(lost) & set(unheld(photo.info, kind))]
        better = [kind for kind in better if kind != ".png" or photo.bands is None]
        hint = f"; {', '.join(better)} can" if better else ""
        warnings.warn(f"{path}: {suffix} cannot hold {', '.join(lost)}{hint}", Note, stacklevel=3)
    tell_left(path, photo.info)


def _by_pillow(temporary: Path, path: Path, suffix: str, photo: Photo, quality: int | None) -> None:
    """Eight bits."""
    from PIL import Image

    longest = LONGEST.get(suffix)
    if longest and max(photo.size) > longest:
        raise BadInput(f"{path}: {suffix} holds {longest} pixels a side, and this has {max(photo.size)}; .png holds it")
    clear = photo.alpha is not None and suffix in TRANSPARENT
    samples = photo.samples(bands=False) if clear or photo.alpha is None else _over_white(photo)
    samples = to_depth(samples, np.dtype(np.uint8))
    image = Image.fromarray(samples[..., 0] if samples.shape[-1] == 1 else samples)
    options = {**PILLOW[suffix], **for_pillow(photo.info, suffix)}
    options |= {"quality": quality} if quality is not None and suffix == ".jpg" else {}
    try:
        image.save(temporary, **options)
    except (ValueError, TypeError) as error:
        raise BadInput(f"{path}: cannot be written ({str(error).splitlines()[0]})") from error


def _over_white(photo: Photo) -> np.ndarray:
    assert photo.alpha is not None, "only called where there is one"
    return over_white(photo.pixels, photo.alpha[..., None])
