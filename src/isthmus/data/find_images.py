"""The image files of a folder, and notes and errors about its other files."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from isthmus.errors import BadInput
from isthmus.media.file_content import has_no_suffix, is_dicom
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
