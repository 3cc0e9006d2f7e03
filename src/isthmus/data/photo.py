"""One picture file as people have it: its pixels, its alpha, and what a camera or a scanner wrote beside them."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from isthmus.data.deep import over_white
from isthmus.data.dicom import is_dicom, read_dicom, write_dicom
from isthmus.data.fitting import to_depth
from isthmus.data.lossless import EXIF, Dpi, Texts, read_texts, write_png, write_tiff
from isthmus.data.pictures import open_image, peek, read_samples
from isthmus.errors import BadInput, Note
from isthmus.files import atomic

RAW = "3fr arw cr2 cr3 crw dng erf kdc mef mos mrw nef nrw orf pef raf raw rw2 sr2 srf srw x3f"
VIDEOS = (".mp4", ".mov", ".mkv", ".avi", ".webm")
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
# What a TIFF says of how its own pixels lie (and, 0x0112, which way is up) is not true of another file.
STRUCTURE = {*range(254, 260), 262, 263, 266, 273, 274, 277, 278, 279, 284, *range(288, 292), 317, *range(320, 326)}
STRUCTURE |= {330, 332, 338, 339, 347, 512, 513, 514, *range(529, 533), 700, 33723, 34377, 34675}


class Info(NamedTuple):
    """What is kept of a file besides its pixels: EXIF (as bytes, without orientation), colour profile, resolution.

    xmp: what editors write, as bytes. texts: the text chunks of a PNG, which a PNG alone holds. dicom: the data set
    around the pixels of a DICOM file.
    """

    exif: bytes = b""
    icc: bytes = b""
    dpi: Dpi | None = None
    xmp: bytes = b""
    texts: Texts = ()
    dicom: Any = None


NOTHING = Info()
# Which way was up, as XMP says it: no longer so.
TURNED = re.compile(rb"""\btiff:Orientation=(["'])\d\1|<tiff:Orientation>\s*\d\s*</tiff:Orientation>""")


@dataclass(frozen=True)
class Photo:
    """pixels: H×W×C uint8 or uint16, C of 1 (gray) or 3 (colour), upright. alpha: H×W of the same type, or None.

    done: what was done to it, in a word ("denoised"), for a format that records it.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None = None
    info: Info = NOTHING
    done: str = ""

    @property
    def deep(self) -> bool:
        return bool(self.pixels.dtype == np.uint16)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.pixels.shape[0], self.pixels.shape[1]

    def samples(self, rows: slice = slice(None)) -> np.ndarray:
        """h×W×S: the pixels of these rows, and alpha as their last sample where there is one."""
        if self.alpha is None:
            return self.pixels[rows]
        return np.concatenate([self.pixels[rows], self.alpha[rows, :, None]], -1)

    def stripes(self) -> Iterator[np.ndarray]:
        """The samples, about a megabyte at a time."""
        height = max(1, 2**20 // self.pixels[0].nbytes)
        return (self.samples(slice(top, top + height)) for top in range(0, self.size[0], height))

    def but(self, **changes: Any) -> Photo:
        return replace(self, **changes)


def read_photo(path: Path | str) -> Photo:
    """A picture file of any kind that is read here, of 8 or 16 bits; of several pages or frames the first, with a Note.

    Raises BadInput, naming the file, for what cannot be read.
    """
    path = Path(path)
    if path.suffix.lower() in ELSEWHERE:
        raise BadInput(f"{path}: {ELSEWHERE[path.suffix.lower()]}")
    if is_dicom(path):
        peek(path)  # which refuses too large a one
        pixels, data = read_dicom(path)
        return Photo(pixels, info=Info(dicom=data))
    samples = read_samples(path, flat=False)
    colours = 3 if samples.shape[-1] > 2 else 1
    info, frames = _beside(path, colours)
    if frames > 1:
        warnings.warn(f"{path}: holds {frames} pictures; the first is taken", Note, stacklevel=2)
    return Photo(samples[..., :colours], samples[..., colours] if samples.shape[-1] > colours else None, info)


def _beside(path: Path, colours: int) -> tuple[Info, int]:
    """What can be read of what is kept, and the number of frames."""
    from PIL import Image

    try:
        with open_image(path) as image:
            # Only these tell of frames: a phone's JPEG holds a map of depths. A PNG with its EXIF last stays undecoded.
            frames = getattr(image, "n_frames", 1) if image.format in ("GIF", "TIFF", "WEBP", "PNG") else 1
            exif = image.getexif() if image.format != "PNG" or "exif" in image.info else Image.Exif()
            texts = read_texts(path) if image.format == "PNG" else ()
            return _kept(exif, image.info, colours)._replace(texts=texts), frames
    except Exception:  # a TIFF whose pixels Pillow does not know, or a note that a camera wrote wrongly
        with suppress(Exception), path.open("rb") as file:
            exif = Image.Exif()
            exif.load_from_fp(file)
            return _kept(exif, {}, colours), 1
    return NOTHING, 1


def _kept(exif: Any, known: Mapping[Any, Any], colours: int) -> Info:
    """Of a Pillow Exif, whose file is open, and of what Pillow knows besides."""
    icc, dpi, data = known.get("icc_profile") or exif.get(34675) or b"", None, b""
    xmp = known.get("xmp") or exif.get(700)
    xmp = TURNED.sub(b"", xmp) if isinstance(xmp, bytes) else b""
    with suppress(TypeError, ValueError, ZeroDivisionError):
        inch = 2.54 if exif.get(296) == 3 else 1.0
        found = known.get("dpi") or (exif.get(282) * inch, exif.get(283) * inch)
        across, down = (float(side) for side in found)
        if 1 <= across < 1e6 and 1 <= down < 1e6:
            dpi = (across, down)
    for tag in STRUCTURE & set(exif):
        del exif[tag]
    with suppress(Exception):
        data = exif.tobytes() if len(exif) else b""
    # A profile of inks, or of the other kind of picture, would paint these pixels wrongly.
    fits = isinstance(icc, bytes) and icc[16:20] == (b"GRAY" if colours == 1 else b"RGB ")
    return Info(data, icc if fits else b"", dpi, xmp)


def check_name(path: Path | str, source: Path | None = None) -> None:
    """Raise BadInput where the name is not that of a picture that can be written, or not of what `source` holds."""
    if Path(path).suffix.lower() not in WRITTEN:
        raise BadInput(f"{path}: not a name for a picture; it can end in {', '.join(WRITTEN)}")
    if Path(path).suffix.lower() == ".dcm" and source is not None and source.is_file() and not is_dicom(source):
        raise BadInput(f"{path}: a DICOM is written of a DICOM only, which {source} is not; .png and .tif are of all")


def write_photo(path: Path | str, photo: Photo) -> Path:
    """Write a photo by the suffix, whole or not at all; what the format cannot hold is told in a Note.

    Raises BadInput for another suffix, a side that is too long for the format, or where it cannot be written.
    """
    path = Path(path)
    check_name(path)
    suffix = {".jpeg": ".jpg", ".tiff": ".tif"}.get(path.suffix.lower(), path.suffix.lower())
    info, exif = photo.info, _exif_of(photo)
    data = exif.tobytes() if exif else b""
    with atomic(path) as temporary:
        if suffix == ".png":
            notes: dict[str, Any] = {"icc": info.icc, "dpi": info.dpi, "xmp": info.xmp}
            write_png(temporary, photo.stripes(), *photo.size, exif=data, texts=info.texts, **notes)
        elif suffix == ".dcm":
            if info.dicom is None:
                raise BadInput(f"{path}: a DICOM is written of a DICOM only; .png and .tif are of all")
            write_dicom(temporary, photo.pixels, info.dicom, photo.done or "changed", path)
        elif suffix == ".tif":
            write_tiff(temporary, photo.samples(), exif=exif, icc=info.icc, dpi=info.dpi, xmp=info.xmp)
        else:
            _by_pillow(temporary, path, suffix, photo, data)
    return path


def _exif_of(photo: Photo) -> Any:
    """The Pillow Exif with the size that the pixels have now, or None."""
    from PIL import Image

    if not photo.info.exif:
        return None
    exif = Image.Exif()
    exif.load(photo.info.exif)
    camera = exif.get_ifd(EXIF)
    for tag, side in ((0xA002, photo.size[1]), (0xA003, photo.size[0])):
        if tag in camera:
            camera[tag] = side
    return exif


def _by_pillow(temporary: Path, path: Path, suffix: str, photo: Photo, exif: bytes) -> None:
    """Eight bits."""
    from PIL import Image

    longest = LONGEST.get(suffix)
    if longest and max(photo.size) > longest:
        raise BadInput(f"{path}: {suffix} holds {longest} pixels a side, and this has {max(photo.size)}; .png holds it")
    if photo.deep:
        _lost(path, "16 bits", DEEP)
    clear = photo.alpha is not None and suffix in TRANSPARENT
    samples = to_depth(photo.samples() if clear or photo.alpha is None else _over_white(photo), np.dtype(np.uint8))
    if photo.alpha is not None and not clear:
        _lost(path, "transparency", TRANSPARENT)
    image = Image.fromarray(samples[..., 0] if samples.shape[-1] == 1 else samples)
    options = {**PILLOW[suffix], "icc_profile": photo.info.icc or None}
    options |= {"dpi": photo.info.dpi} if photo.info.dpi else {}
    options |= {"exif": exif} if exif and len(exif) < 65534 else {}  # a JPEG has no more room
    options |= {"xmp": photo.info.xmp} if 0 < len(photo.info.xmp) < 65500 else {}
    try:
        image.save(temporary, **options)
    except (ValueError, TypeError) as error:
        raise BadInput(f"{path}: cannot be written ({str(error).splitlines()[0]})") from error


def _over_white(photo: Photo) -> np.ndarray:
    """H×W×C, a few rows at a time."""
    laid = np.empty_like(photo.pixels)
    for top in range(0, len(laid), 64):
        rows = slice(top, top + 64)
        samples = to_depth(photo.samples(rows), np.dtype(np.uint16))
        laid[rows] = to_depth(over_white(samples[..., :-1], samples[..., -1:]), laid.dtype)
    return laid


def _lost(path: Path, what: str, kept: Sequence[str]) -> None:
    warnings.warn(f"{path}: {path.suffix} cannot hold {what}; {', '.join(kept)} can", Note, stacklevel=4)
