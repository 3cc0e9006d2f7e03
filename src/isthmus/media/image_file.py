"""Reading and writing of one image file with its alpha and its metadata."""

from __future__ import annotations

import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from isthmus.errors import BadInput, Note
from isthmus.files import atomic
from isthmus.media.bit_depth import full_range, own_range, rescale
from isthmus.media.dicom.reader import frames_of, read_dicom
from isthmus.media.dicom.writer import write_dicom
from isthmus.media.exif import file_tags
from isthmus.media.file_content import is_dicom
from isthmus.media.high_bit_depth import Layers, over_white
from isthmus.media.image_reader import is_tiff, open_image, peek, read_layers
from isthmus.media.metadata import (
    NOTHING,
    Info,
    adapt_to_size,
    info_of_image,
    info_of_tags,
    note_left_out,
    pillow_options,
    tiff_only,
    unsupported,
)
from isthmus.media.npy_images import read_npy, write_npy
from isthmus.media.photo import Photo
from isthmus.media.png_tiff_writer import write_png, write_tiff
from isthmus.media.resize import to_depth
from isthmus.media.video.containers import VIDEOS

RAW = "3fr arw cr2 cr3 crw dng erf kdc mef mos mrw nef nrw orf pef raf raw rw2 sr2 srf srw x3f"
NOT_READ = {
    **{f".{kind}": "a camera's raw file is not read here; develop it to a 16-bit .tif first" for kind in RAW.split()},
    **{f".{kind}": "HEIC is not read here; save it as .jpg or .png first" for kind in ("heic", "heif", "hif")},
    **{f".{kind}": f"{kind.upper()} is not read here; save it as .png first" for kind in ("avif", "jxl", "jp2", "psd")},
    **dict.fromkeys(VIDEOS, "a video is accepted as an input, not as an image"),
}
WRITTEN = (".png", ".tif", ".tiff", ".jpg", ".jpeg", ".webp", ".bmp", ".dcm")
KEEP_ALPHA, KEEP_16_BITS = (".png", ".tif", ".tiff", ".webp"), (".png", ".tif", ".tiff")
PILLOW: dict[str, dict[str, Any]] = {
    ".jpg": {"format": "JPEG", "quality": 95, "subsampling": 0},
    ".webp": {"format": "WEBP", "quality": 95},
    ".bmp": {"format": "BMP"},
}
MAX_SIZE = {".jpg": 65500, ".webp": 16383}  # pixels of height or width


def read_photo(path: Path | str) -> Photo:
    """Read an image file; of several pages or frames the first, with a Note.

    Raises BadInput, naming the file, if it cannot be read.
    """
    path = Path(path)
    if path.suffix.lower() in NOT_READ:
        raise BadInput(f"{path}: {NOT_READ[path.suffix.lower()]}")
    if is_dicom(path):
        header = peek(path)  # refuses a file that is too large
        pixels, data = read_dicom(path)
        _note_if_several(path, frames_of(data))
        return Photo(pixels, info=Info(dicom=data), stated=header.stated)
    if path.suffix.lower() == ".npy":
        peek(path)
        layers, stored = read_npy(path)
        return photo_of(layers, NOTHING).replace(stored=stored)
    layers = read_layers(path)
    info, frames = _read_info(path)
    _note_if_several(path, frames)
    return photo_of(layers, info).replace(stated=peek(path).stated)


def _note_if_several(path: Path, frames: int) -> None:
    if frames > 1:
        warnings.warn(f"{path}: holds {frames} pictures; the first is taken", Note, stacklevel=3)


def photo_of(layers: Layers, info: Info) -> Photo:
    # A CMYK profile, or one of gray for color or the reverse, would show these pixels wrongly.
    fits = info.icc[16:20] == (b"GRAY" if layers.color.shape[-1] == 1 else b"RGB ")
    info = info._replace(icc=info.icc if fits else b"", size=layers.color.shape[:2])
    return Photo(layers.color, layers.alpha, info, bands=layers.bands)


def _read_info(path: Path) -> tuple[Info, int]:
    """Metadata and number of frames."""
    import tifffile

    with suppress(Exception):  # broken metadata must not prevent reading the pixels
        if is_tiff(path):
            with tifffile.TiffFile(path) as file:
                pages: Any = file.pages
                frames = sum(not page.is_reduced for page in pages)
            return info_of_tags(file_tags(path), path.name), frames
        with open_image(path) as image:
            info = info_of_image(image, path)
            if image.format == "MPO":
                info = info._replace(left=(*info.left, "the pictures beside the first (views, depths or brightness)"))
            return info, getattr(image, "n_frames", 1) if image.format in ("GIF", "WEBP", "PNG") else 1
    return NOTHING, 1


def needs_tiff(path: Path) -> bool:
    """Whether a TIFF has 16 bits, further channels, or georeferences or units, which only a TIFF can store.

    Raises BadInput for a file that is not a TIFF.
    """
    header = peek(path)
    return header.deep or header.bands > 0 or bool(tiff_only(file_tags(path)))


def check_name(path: Path | str, source: Path | None = None) -> None:
    """Raise BadInput for a suffix that cannot be written, or not from what `source` holds."""
    if Path(path).suffix.lower() not in WRITTEN:
        raise BadInput(f"{path}: not a name for a picture; it can end in {', '.join(WRITTEN)}")
    if Path(path).suffix.lower() == ".dcm" and source is not None and source.is_file() and not is_dicom(source):
        raise BadInput(
            f"{path}: a DICOM is written from a DICOM only, which {source} is not; .png and .tif are from all"
        )


def write_photo(path: Path | str, photo: Photo, quality: int | None = None) -> Path:
    """Write a photo atomically, in the format of the suffix; a Note names what the format cannot store.

    A .npy is written only from a .npy. quality: of a JPEG, 1 to 100, 95 by default. Raises BadInput for another suffix,
    a size that is too large for the format, or if the file cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() == ".npy" and photo.stored is not None:
        with atomic(path) as temporary:
            write_npy(temporary, photo.samples(), photo.stored)
        return path
    check_name(path)
    suffix = {".jpeg": ".jpg", ".tiff": ".tif"}.get(path.suffix.lower(), path.suffix.lower())
    photo = photo.replace(info=adapt_to_size(photo.info, photo.size))
    _note_losses(path, suffix, photo)
    photo = _convert(path, suffix, photo)
    with atomic(path) as temporary:
        if suffix == ".png":
            write_png(temporary, photo.stripes(bands=False), *photo.size, photo.info)
        elif suffix == ".dcm":
            if photo.info.dicom is None:
                raise BadInput(f"{path}: a DICOM is written from a DICOM only; .png and .tif are from all")
            write_dicom(temporary, photo.pixels, photo.info.dicom, photo.done or "changed", path)
        elif suffix == ".tif":
            write_tiff(temporary, photo.samples(), photo.extras, photo.info)
        else:
            _by_pillow(temporary, path, suffix, photo, quality)
    return path


def _convert(path: Path, suffix: str, photo: Photo) -> Photo:
    """The photo in a dtype that the format stores: in TIFF any, in PNG any integer, in others scaled by their white."""
    pixels, plain = photo.pixels, photo.pixels.dtype in (np.uint8, np.uint16)
    if suffix in (".tif", ".dcm") or pixels.dtype == np.uint8 or (suffix == ".png" and plain):
        return photo
    range = photo.range or own_range(pixels)
    if plain and range == full_range(pixels.dtype):
        return photo
    if not plain:
        scaling = f"{range[0]:g} to {range[1]:g} become black to white; .tif holds them as they are"
        warnings.warn(f"{path}: {suffix} holds no {pixels.dtype.name}: {scaling}", Note, stacklevel=3)
    return photo.replace(pixels=rescale(pixels, range, np.dtype(np.uint16)), alpha=photo.alpha if plain else None)


def _note_losses(path: Path, suffix: str, photo: Photo) -> None:
    """A Note that names what the file had and this format cannot store."""
    lost = unsupported(photo.info, suffix)
    lost += ["16 bits"] if photo.deep and suffix not in (*KEEP_16_BITS, ".dcm") else []
    lost += ["transparency"] if photo.alpha is not None and suffix not in KEEP_ALPHA else []
    lost += ["channels besides color"] if photo.bands is not None and suffix != ".tif" else []
    if lost:
        kinds = (".png", ".tif") if photo.info.dicom is None else (".dcm",)
        better = [kind for kind in kinds if kind != suffix and not set(lost) & set(unsupported(photo.info, kind))]
        better = [kind for kind in better if kind != ".png" or photo.bands is None]
        hint = f"; {', '.join(better)} can" if better else ""
        warnings.warn(f"{path}: {suffix} cannot hold {', '.join(lost)}{hint}", Note, stacklevel=3)
    data = photo.info.dicom
    if data is not None and suffix != ".dcm" and photo.deep:
        scaled = f"{data.get('BitsStored')} bits are scaled to 0..65535"
        inverted = ", and inverted, as MONOCHROME1 is dark at high values"
        inverted = inverted if data.get("PhotometricInterpretation") == "MONOCHROME1" else ""
        warnings.warn(f"{path}: the {scaled}{inverted}; .dcm keeps the values", Note, stacklevel=3)
    note_left_out(path, photo.info)


def _by_pillow(temporary: Path, path: Path, suffix: str, photo: Photo, quality: int | None) -> None:
    """Write 8 bits with Pillow."""
    from PIL import Image

    limit = MAX_SIZE.get(suffix)
    if limit and max(photo.size) > limit:
        raise BadInput(f"{path}: {max(photo.size)} pixels; {suffix} holds up to {limit} pixels a side, .png more")
    keep_alpha = photo.alpha is not None and suffix in KEEP_ALPHA
    samples = photo.samples(bands=False) if keep_alpha or photo.alpha is None else _over_white(photo)
    samples = to_depth(samples, np.dtype(np.uint8))
    image = Image.fromarray(samples[..., 0] if samples.shape[-1] == 1 else samples)
    options = {**PILLOW[suffix], **pillow_options(photo.info, suffix)}
    options |= {"quality": quality} if quality is not None and suffix == ".jpg" else {}
    try:
        image.save(temporary, **options)
    except (ValueError, TypeError) as error:
        raise BadInput(f"{path}: cannot be written ({str(error).splitlines()[0]})") from error


def _over_white(photo: Photo) -> np.ndarray:
    assert photo.alpha is not None, "only called for a photo with alpha"
    return over_white(photo.pixels, photo.alpha[..., None])
