"""Selection of images by a list of paths or a pattern such as photos/*.jpg."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from glob import glob, has_magic
from pathlib import Path
from typing import Any

from isthmus.data.builtin import is_builtin
from isthmus.data.find_images import ARRAY, find_pictures
from isthmus.data.shards import is_shards
from isthmus.errors import BadInput, Note
from isthmus.media.file_content import is_dicom
from isthmus.media.image_reader import is_picture_name


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
