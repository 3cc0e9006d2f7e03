"""Image files as items of one shape: headers are read first, pixels come from the cache or are decoded into it."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, distributed

from isthmus.data.base import numpy_type
from isthmus.data.cache import REMOVED, Decoded
from isthmus.data.parallel import can_fork, in_processes, shared
from isthmus.data.skip_corrupt import decode_each
from isthmus.errors import BadInput
from isthmus.fields import NEAREST
from isthmus.media import resize
from isthmus.media.file_content import Header, open_kept
from isthmus.media.image_reader import peek, read_picture, read_units
from isthmus.media.label_image import read_labels

ENDS = 65536  # bytes of each end of a file that go into the fingerprint
SMALL = 2e-3  # seconds: threads are as fast as processes for images that take longer to decode
AHEAD = 7  # items decoded in advance per requested one
BLOCK = 2048  # maximum number of items decoded together in advance; the minimum is a quarter of it

# Properties of a file before it is decoded: its Header; length, time of its change in ns, and sha256 of the first and
# last 64 KiB. An array, because it stays in memory for millions of files.
FILE_INFO = np.dtype(
    {
        "names": (*Header._fields, "length", "modified", "digest"),
        "formats": ["i4", "i4", "?", "?", "u2", "?", "U8", "?", "i8", "i8", "(32,)u1"],
    }
)


def read_headers(folder: Path, names: Sequence[str]) -> tuple[Sequence[str], np.ndarray, dict[str, str]]:
    """(names of the image files, a FILE_INFO of each, reasons why the other files cannot be read, by name)."""
    infos = shared((len(names),), FILE_INFO)

    def read_header(index: int) -> str:
        path = folder / names[index]
        try:
            names[index].encode()  # a name that is not UTF-8 cannot be written into results
            header = peek(path)
            status = path.stat()
            with open_kept(path) as file:
                digest = hashlib.sha256(file.read(ENDS))
                if status.st_size > ENDS:
                    file.seek(max(ENDS, status.st_size - ENDS))
                    digest.update(file.read(ENDS))
        except UnicodeEncodeError:
            return "its name is not UTF-8"
        except BadInput as error:
            return reason_of(error, path)
        except OSError as error:
            return f"cannot be read ({(error.strerror or str(error)).lower()})"
        infos[index] = (*header, *stamp(status), np.frombuffer(digest.digest(), np.uint8))
        return ""

    results = in_processes(read_header, range(len(names)))
    reasons = {name: reason for name, reason in zip(names, results, strict=True) if reason}
    if not reasons:
        return names, infos, reasons
    return [name for name in names if name not in reasons], infos[[not reason for reason in results]], reasons


def fingerprint(names: Sequence[str], infos: np.ndarray) -> str:
    """sha256 of the name, the length and the first and last 64 KiB of each file.

    A renamed, added, removed or re-encoded image changes it; reading every byte would take too long.
    """
    digest = hashlib.sha256()
    for name, length, ends in zip(names, infos["length"], infos["digest"], strict=True):
        digest.update(f"{name}\0{length}\0{ends.tobytes().hex()}\0".encode())
    return digest.hexdigest()


@dataclass
class Files:
    """Image files as items of one shape and dtype, read on request.

    corners: N×2, top left corner of the crop of each file at its native scale; None: each image is resized.
    stretched: resized without cropping, height and width separately.
    white: of 16 bits; images of 8 bits, and of files that state their bit depth, are scaled to it.
    kind: "image", "mask" or "labels" (isthmus.fields.KINDS); labels keep their stored values.
    """

    folder: Path
    names: Sequence[str]
    infos: np.ndarray
    shape: tuple[int, int, int]
    dtype: torch.dtype
    cache: Decoded | None = None
    corners: np.ndarray | None = None
    stretched: bool = False
    white: float = 65535.0
    kind: str = "image"

    def __post_init__(self) -> None:
        self.requested = 0  # items that were requested and had to be decoded
        self.timed, self.seconds = 0, 0.0  # items that threads decoded, and the time they took
        self.attempted = np.zeros(len(self.names), bool)  # decoded in advance, or broken

    @property
    def begin(self) -> int:
        """Index at which this process begins to decode: ranks begin at different items, and share the results."""
        return os.getpid() * 7919 % max(1, len(self.names))

    @property
    def nbytes(self) -> int:
        return len(self.names) * int(np.prod(self.shape)) * self.dtype.itemsize

    @property
    def key(self) -> str:
        """Hash of the fingerprint, the output format, the decoder, and the mtimes of files not read completely.

        So an image retouched in its middle is decoded again, but so is a copied folder of large files.
        """
        import PIL

        modified = self.infos["modified"][self.infos["length"] > 2 * ENDS].tolist()
        text = f"{fingerprint(self.names, self.infos)} {self.shape} {self.dtype} {PIL.__version__} {modified}"
        text += "" if self.corners is None else f" {self.corners.tolist()}"
        text += " stretched" if self.stretched else ""
        text += "" if self.white == 65535 else f" white {self.white:g}"
        text += "" if self.kind == "image" else f" {self.kind}"
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def decode(self, index: int, row: np.ndarray) -> None:
        """Decode a file into `row` and the cache. Raises BadInput naming the file."""
        path = self.folder / self.names[index]
        if self.corners is None:
            nearest = self.kind in NEAREST
            picture = self.read_one(index, shorter=None if nearest else max(self.shape[1:]))
            row[...] = resize.fit(picture, self.shape, row.dtype, self.stretched, self.white, nearest)
        else:
            row[...] = resize.crop(self.read_one(index), self.shape, row.dtype, self.corners[index], self.white)
        if self.cache is not None:
            self.cache.write(index, row if is_unchanged(path, self.infos[index]) else None)

    def read_one(self, index: int, shorter: int | None = None) -> np.ndarray:
        """An image C×H×W in its own size, scaled to the white of the set if the file states its bit depth."""
        path = self.folder / self.names[index]
        if self.kind == "labels":
            return read_labels(path).astype(numpy_type(self.dtype))
        if self.dtype == torch.float32:
            return read_units(path)
        picture = read_picture(path, shorter=shorter)
        return resize.to_white(picture, self.white) if self.infos["stated"][index] else picture

    def one(self, index: int, row: np.ndarray | None = None) -> tuple[str, str]:
        """Decode one item; returns (reason why it cannot be read, reason why the cache failed), each '' on success."""
        row = np.empty(self.shape, numpy_type(self.dtype)) if row is None else row
        broken = ""
        if self.cache is None or self.cache.read([index], [row]):
            try:
                self.decode(index, row)
            except BadInput as error:
                broken = reason_of(error, self.folder / self.names[index])
        return broken, self.cache.failure if self.cache is not None else ""

    def many(self, indices: Sequence[int], out: np.ndarray | None = None) -> list[str]:
        """`one` for each index, into shared memory `out` for all items: reasons why they cannot be read."""
        results = in_processes(lambda index: self.one(index, None if out is None else out[index]), indices)
        if self.cache is not None and (failures := {failure for _, failure in results if failure}):
            # A full disk removes the file, so that other processes report it as removed: report the cause.
            self.cache.disable(min(failures, key=lambda failure: failure == REMOVED))
        return [broken for broken, _ in results]

    def read(self, indices: np.ndarray) -> Tensor:
        """N×C×H×W. Raises CorruptFiles naming the file for one that cannot be decoded, or was removed."""
        items = np.empty((len(indices), *self.shape), numpy_type(self.dtype))
        rows, numbers = list(items), [int(index) for index in indices]
        missing = self.missing(numbers, rows, range(len(rows)))
        self.requested += len(missing)
        if missing and self.in_advance([numbers[i] for i in missing]):
            missing = self.missing(numbers, rows, missing)
        began = time.perf_counter()
        decode_each(lambda i: self.decode(numbers[i], rows[i]), missing)
        self.timed, self.seconds = self.timed + len(missing), self.seconds + time.perf_counter() - began
        return torch.from_numpy(items)

    def missing(self, indices: Sequence[int], rows: Sequence[np.ndarray], of: Sequence[int]) -> Sequence[int]:
        """The positions of `of` whose rows the cache could not fill."""
        if self.cache is None:
            return of
        return [of[i] for i in self.cache.read([indices[i] for i in of], [rows[i] for i in of])]

    def in_advance(self, wanted: list[int]) -> bool:
        """Decode the wanted items, and further ones that a first epoch will request, in processes; whether it did.

        Not in a training with several ranks: their network (NCCL, InfiniBand) does not survive forks, and they are
        several processes already.
        """
        count = min(AHEAD * self.requested - int(self.attempted.sum()), BLOCK)
        slow = not self.timed or self.seconds > SMALL * self.timed
        several = distributed.is_available() and distributed.is_initialized()
        if self.cache is None or self.cache.failure or slow or several or count < BLOCK // 4 or not can_fork():
            return False
        missing = self.cache.missing()
        missing = missing[~self.attempted[missing]]
        if self.cache.failure or not len(missing):
            return False
        block = np.roll(missing, -int(np.searchsorted(missing, self.begin)))[:count].tolist()
        self.attempted[block] = True
        self.many(list(dict.fromkeys(wanted + block)))
        return True

    def read_all(self) -> tuple[Tensor, dict[int, str]]:
        """(all items N×C×H×W, reasons why some cannot be read, by index; their values are undefined).

        A memory map of the cache if that is complete: the system may reclaim its memory, and processes share it.
        """
        count = len(self.names)
        order = np.roll(np.arange(count), -self.begin).tolist()
        for cached in (True, False) if self.cache is not None else (False,):
            items = None if cached else shared((count, *self.shape), numpy_type(self.dtype))
            reasons = zip(order, self.many(order, items), strict=True)
            broken = {index: reason for index, reason in sorted(reasons) if reason}
            if cached and self.cache is not None:
                items = self.cache.mapped(broken)
            if items is not None:
                break
        assert items is not None, "shared memory without the cache"
        return torch.from_numpy(items), broken


def is_unchanged(path: Path, info: np.void) -> bool:
    """Whether a file has not changed since its header was read: other content must not be cached under its key."""
    try:
        return stamp(os.stat(path)) == (info["length"], info["modified"])
    except OSError:
        return False


def stamp(status: os.stat_result) -> tuple[int, int]:
    """(length, modification time), the time wrapped, because file systems may exceed 64 bits of nanoseconds."""
    return status.st_size, status.st_mtime_ns % 2**63


def reason_of(error: BadInput, path: Path) -> str:
    return str(error).removeprefix(f"{path}: ")
