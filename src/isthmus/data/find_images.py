"""The image files of a folder, of a list of paths or of a pattern such as photos/*.jpg, and notes about other files."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from glob import glob, has_magic
from pathlib import Path
from typing import Any

from isthmus.data.builtin import is_builtin
from isthmus.data.shards import is_shards
from isthmus.errors import BadInput, Note
from isthmus.media.dicom.reader import has_no_suffix, is_dicom
from isthmus.media.image_reader import SUFFIXES, is_picture_name
from isthmus.media.video.containers import VIDEOS

AS_PICTURES = "frames of films are used once they are saved as pictures (ffmpeg -i FILM %04d.png)"
ARRAY = ".npy"


def find_pictures(folder: Path, also: Sequence[str] = ()) -> tuple[list[str], Counter[str]]:
    """(sorted relative posix names of the images below `folder`, counts of the other suffixes).

    Links to folders are followed, each folder once, so a loop ends. Hidden files and folders are left out. also:
    further suffixes that count as images. A .npy counts only if there are no other images: next to images it holds
    their codes, labels or maps.
    """
    names: list[str] = []
    arrays: list[str] = []
    others: Counter[str] = Counter()
    seen: set[tuple[int, int]] = set()
    if not os.access(folder, os.R_OK | os.X_OK):
        raise BadInput(f"{folder}: cannot be read (permission denied)")
    for current, folders, files in os.walk(folder, followlinks=True):
        status = os.stat(current)
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        below = Path(current).relative_to(folder).as_posix().removeprefix(".")
        for name in files:
            path = os.path.join(current, name)
            if name.startswith("."):
                continue
            # Regular files and broken links only: reading a pipe would never end.
            named = is_picture_name(name) or Path(name).suffix.lower() in also
            if (named and (os.path.isfile(path) or not os.path.exists(path))) or (
                has_no_suffix(name) and os.path.isfile(path) and is_dicom(path)
            ):
                names.append(f"{below}/{name}" if below else name)
            elif name.lower().endswith(ARRAY) and os.path.isfile(path):
                arrays.append(f"{below}/{name}" if below else name)
            else:
                others[Path(name).suffix.lower() or "files without a suffix"] += 1
    if names:
        others.update({ARRAY: len(arrays)} if arrays else {})
        return sorted(names), others
    return sorted(arrays), others


def films_left_out(shown: str, others: Mapping[str, int]) -> list[str]:
    """A note if a folder has films among its images; others: counts of its other files by `find_pictures`."""
    films = sum(others.get(suffix, 0) for suffix in VIDEOS)
    return [f"{shown}: {films} {'film is' if films == 1 else 'films are'} left out; {AS_PICTURES}"] if films else []


def nothing_in(shown: str, others: Counter[str]) -> BadInput:
    if not others:
        return BadInput(f"{shown}: is empty")
    kinds = ", ".join(suffix for suffix, _ in others.most_common(5))
    if set(others) & set(VIDEOS):
        kinds += f"; {AS_PICTURES}"
    return BadInput(f"{shown}: holds no pictures ({', '.join(SUFFIXES)}); it holds {kinds}")


@dataclass(frozen=True)
class Selection:
    """Images below a folder, by their relative names."""

    folder: Path
    names: list[str]

    def __str__(self) -> str:
        return f"{len(self.names)} files in {self.folder}"


def select_files(source: Any, also: Sequence[str] = ()) -> Any:
    """A Selection for a list of paths or a pattern; the path for a list of one; any other source unchanged.

    A folder in a list stands for its images. Names are relative to the common folder. also: further suffixes that count
    as images. Raises BadInput for a missing path, a pattern that matches nothing, and if there are no images.
    """
    if isinstance(source, (str, Path)):
        if not _is_pattern(str(source)):
            return source
        source = [source]
    elif not isinstance(source, (list, tuple)) or not source or not all(isinstance(s, (str, Path)) for s in source):
        return source
    elif len(source) == 1:
        return select_files(source[0], also)
    paths = list(dict.fromkeys(os.path.abspath(path) for one in source for path in _matches(str(one))))
    pictures = list(dict.fromkeys(picture for path in paths for picture in _pictures(path, also)))
    others = [path for path in paths if not os.path.isdir(path) and path not in pictures]
    if not pictures:
        raise BadInput(f"{len(paths)} inputs, and none is a picture; several are accepted where they are pictures")
    if others:
        names = ", ".join(map(os.path.basename, others[:3])) + (", …" if len(others) > 3 else "")
        warnings.warn(f"{len(others)} of {len(paths)} inputs left out, because they are no pictures: {names}", Note, 3)
    folder = Path(os.path.commonpath([os.path.dirname(picture) for picture in pictures]))
    return Selection(folder, [Path(picture).relative_to(folder).as_posix() for picture in pictures])


def _is_pattern(text: str) -> bool:
    return has_magic(text) and not os.path.exists(text) and not is_builtin(text) and not is_shards(text)


def _matches(text: str) -> list[str]:
    """The path itself, or the sorted matches of a pattern."""
    if _is_pattern(text):
        if matches := sorted(glob(text, recursive=True)):
            return matches
        raise BadInput(f"{text}: matches no file")
    if not os.path.exists(text):
        raise BadInput(f"{text}: no such file or folder")
    return [text]


def _pictures(path: str, also: Sequence[str]) -> Iterator[str]:
    if os.path.isdir(path):
        yield from (os.path.join(path, name) for name in find_pictures(Path(path), also)[0])
    elif path.lower().endswith((*also, ARRAY)) or is_picture_name(path) or is_dicom(Path(path)):
        yield path
