"""A film in and out, whatever kind of file it is: a video, a GIF, a TIFF of several pages or a DICOM of frames."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from isthmus.errors import BadInput
from isthmus.files import atomic
from isthmus.media.dicom.frames import Frames
from isthmus.media.dicom.reader import is_dicom
from isthmus.media.video.animation import Animation, Pages
from isthmus.media.video.base import Film, WriteFrame
from isthmus.media.video.containers import VIDEOS
from isthmus.media.video.reader import Video

KINDS: tuple[type[Animation | Pages | Frames], ...] = (Animation, Pages, Frames)  # which a still picture may be, too


def is_video(path: Path | str) -> bool:
    """Whether a file is a film: by its name, or, of a .gif, .tif or DICOM, by having more than one picture."""
    path = Path(path)
    return path.suffix.lower() in VIDEOS or any(kind_of(path) is kind and kind.several(path) for kind in KINDS)


def open_video(path: Path | str) -> Film:
    """Look through a film. Raises BadInput for what is none, or is broken, or for a video without the extra film."""
    path = Path(path)
    if not is_video(path):
        raise BadInput(f"{path}: is no film; a video, an animated .gif, a .tif or a DICOM of several pages is accepted")
    return kind_of(path)(path)


def kind_of(path: Path) -> type[Video | Animation | Pages | Frames]:
    if is_dicom(path):  # whatever its name
        return Frames
    return next((kind for kind in KINDS if path.suffix.lower() in kind.suffixes), Video)


def check_film_name(out: Path, source: Path) -> None:
    """Raise BadInput where `out` is no name for what becomes of the film `source`."""
    accepted = kind_of(source).suffixes
    if out.suffix.lower() not in accepted or out.is_dir():
        raise BadInput(f"{out}: cannot hold the film {source}; it can end in {', '.join(accepted)}")


@contextmanager
def film_like(film: Film, out: Path) -> Iterator[WriteFrame]:
    """Write a film as `film` is, whole or not at all. Raises BadInput where it cannot be written."""
    with atomic(out) as place, film.writing(place, out.suffix.lower()) as put:
        yield put
