"""Opening and writing of videos: video files, GIF, TIFF of several pages, DICOM of several frames."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from isthmus.errors import BadInput
from isthmus.files import atomic
from isthmus.media.dicom.frames import Frames
from isthmus.media.file_content import is_dicom
from isthmus.media.video.animation import Animation, Pages
from isthmus.media.video.base import Film, WriteFrame
from isthmus.media.video.containers import VIDEOS
from isthmus.media.video.reader import Video

KINDS: tuple[type[Animation | Pages | Frames], ...] = (Animation, Pages, Frames)  # formats of still images, too


def is_video(path: Path | str) -> bool:
    """Whether a file is a video: by its name, or, for .gif, .tif and DICOM, by having more than one frame."""
    path = Path(path)
    return path.suffix.lower() in VIDEOS or any(kind_of(path) is kind and kind.several(path) for kind in KINDS)


def open_video(path: Path | str) -> Film:
    """Open a video. Raises BadInput for another kind of file, a broken one, or a video without isthmus[film]."""
    path = Path(path)
    if not is_video(path):
        raise BadInput(f"{path}: not a film; a video, an animated .gif, a .tif or a DICOM of several pages is accepted")
    return kind_of(path)(path)


def kind_of(path: Path) -> type[Video | Animation | Pages | Frames]:
    if is_dicom(path):  # whatever its name
        return Frames
    return next((kind for kind in KINDS if path.suffix.lower() in kind.suffixes), Video)


def check_film_name(out: Path, source: Path) -> None:
    """Raise BadInput if the video `source` cannot be written in the format of `out`."""
    accepted = kind_of(source).suffixes
    if out.suffix.lower() not in accepted or out.is_dir():
        raise BadInput(f"{out}: cannot hold the film {source}; it can end in {', '.join(accepted)}")


@contextmanager
def film_like(film: Film, out: Path) -> Iterator[WriteFrame]:
    """Write a video like `film` atomically. Raises BadInput if it cannot be written."""
    with atomic(out) as temporary, film.writing(temporary, out.suffix.lower()) as put:
        yield put
