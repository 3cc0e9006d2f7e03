"""Picture files: looked at, then items, from the cache or else decoded and kept there."""

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
from isthmus.media import resize
from isthmus.media.image_reader import peek, read_picture, read_units

ENDS = 65536  # bytes of each end of a file that go into the fingerprint
SMALL = 2e-3  # seconds: pictures that take longer are decoded as fast by threads
AHEAD = 7  # items decoded in advance for each that is asked for
BLOCK = 2048  # items decoded together in advance, at most; a quarter of it at least


# What is known of a file before it is decoded: its Header, and what tells it from another. Of millions of files it
# stays in memory, so it is an array.
LOOK = np.dtype(
    [
        ("height", "i4"),
        ("width", "i4"),
        ("gray", "?"),
        ("deep", "?"),
        ("bands", "u2"),
        ("several", "?"),
        ("units", "U8"),
        ("stated", "?"),
        ("length", "i8"),
        ("modified", "i8"),  # ns
        ("digest", "u1", 32),  # sha256 of the first and last 64 KiB
    ]
)


def look_at(folder: Path, names: Sequence[str]) -> tuple[Sequence[str], np.ndarray, dict[str, str]]:
    """The files that are pictures, a LOOK of each, and why the others are none, by name."""
    looks = shared((len(names),), LOOK)

    def look(place: int) -> str:
        path = folder / names[place]
        try:
            names[place].encode()  # a name of stray bytes could be written into no result
            header = peek(path)
            with path.open("rb", buffering=0) as file:
                status = os.stat(file.fileno())
                digest = hashlib.sha256(file.read(ENDS))
                if status.st_size > ENDS:
                    file.seek(max(ENDS, status.st_size - ENDS))
                    digest.update(file.read(ENDS))
        except UnicodeEncodeError:
            return "its name is not UTF-8"
        except BadInput as error:
            return why(error, path)
        except OSError as error:
            return f"cannot be read ({(error.strerror or str(error)).lower()})"
        looks[place] = (*header, *stamp(status), np.frombuffer(digest.digest(), np.uint8))
        return ""

    told = in_processes(look, range(len(names)))
    reasons = {name: reason for name, reason in zip(names, told, strict=True) if reason}
    if not reasons:
        return names, looks, reasons
    return [name for name in names if name not in reasons], looks[[not reason for reason in told]], reasons


def fingerprint(names: Sequence[str], looks: np.ndarray) -> str:
    """sha256 over each name, length, and the first and last 64 KiB of the file.

    A renamed, added, removed or re-encoded picture changes it; reading every byte would not pay.
    """
    digest = hashlib.sha256()
    for name, length, ends in zip(names, looks["length"], looks["digest"], strict=True):
        digest.update(f"{name}\0{length}\0{ends.tobytes().hex()}\0".encode())
    return digest.hexdigest()


@dataclass
class Files:
    """Picture files that all become one shape and type, read when asked for.

    corners: N×2, where in each file its shape is cut out, at the picture's own scale; None: each is made to fit.
    stretched: made to fit with nothing left out, each side scaled by itself.
    white: of 16 bits, which pictures of 8 bits are scaled to, and those of files that say which number is white.
    """

    folder: Path
    names: Sequence[str]
    looks: np.ndarray
    shape: tuple[int, int, int]
    dtype: torch.dtype
    cache: Decoded | None = None
    corners: np.ndarray | None = None
    stretched: bool = False
    white: float = 65535.0

    def __post_init__(self) -> None:
        self.asked = 0  # items that were asked for and had to be decoded
        self.timed, self.seconds = 0, 0.0  # those of them that threads decoded, and how long that took
        self.tried = np.zeros(len(self.names), bool)  # decoded in advance, or broken

    @property
    def begin(self) -> int:
        """Where this process begins to decode: several ranks do so at several places, and decode for each other."""
        return os.getpid() * 7919 % max(1, len(self.names))

    @property
    def nbytes(self) -> int:
        return len(self.names) * int(np.prod(self.shape)) * self.dtype.itemsize

    @property
    def key(self) -> str:
        """The fingerprint, what the pictures become, by which decoder, and when files not read whole were written.

        So a picture retouched in its middle is decoded again, at the price that a copied folder of large ones is, too.
        """
        import PIL

        written = self.looks["modified"][self.looks["length"] > 2 * ENDS].tolist()
        whole = f"{fingerprint(self.names, self.looks)} {self.shape} {self.dtype} {PIL.__version__} {written}"
        whole += "" if self.corners is None else f" {self.corners.tolist()}"
        whole += " stretched" if self.stretched else ""
        whole += "" if self.white == 65535 else f" white {self.white:g}"
        return hashlib.sha256(whole.encode()).hexdigest()[:32]

    def decode(self, place: int, row: np.ndarray) -> None:
        """Raises BadInput naming the file."""
        path = self.folder / self.names[place]
        if self.corners is None:
            picture = self.read_one(place, shorter=max(self.shape[1:]))
            row[...] = resize.fit(picture, self.shape, row.dtype, self.stretched, self.white)
        else:
            row[...] = resize.crop(self.read_one(place), self.shape, row.dtype, self.corners[place], self.white)
        if self.cache is not None:
            self.cache.keep(place, row if same(path, self.looks[place]) else None)

    def read_one(self, place: int, shorter: int | None = None) -> np.ndarray:
        """A picture C×H×W in its own size, its white being that of the set where the file says which it is."""
        path = self.folder / self.names[place]
        if self.dtype == torch.float32:
            return read_units(path)
        picture = read_picture(path, shorter=shorter)
        return resize.to_white(picture, self.white) if self.looks["stated"][place] else picture

    def one(self, place: int, row: np.ndarray | None = None) -> tuple[str, str]:
        """Why it cannot be read, and why the cache was lost; each '' where all is well."""
        row = np.empty(self.shape, numpy_type(self.dtype)) if row is None else row
        broken = ""
        if self.cache is None or self.cache.take([place], [row]):
            try:
                self.decode(place, row)
            except BadInput as error:
                broken = why(error, self.folder / self.names[place])
        return broken, self.cache.lost if self.cache is not None else ""

    def many(self, places: Sequence[int], whole: np.ndarray | None = None) -> list[str]:
        """`one` for each, into `whole` where it is shared memory for all of the set: why they cannot be read."""
        results = in_processes(lambda place: self.one(place, None if whole is None else whole[place]), places)
        if self.cache is not None and (lost := {lost for _, lost in results if lost}):
            self.cache.lose(min(lost, key=lambda reason: reason == REMOVED))  # one found no space, and others no file
        return [broken for broken, _ in results]

    def read(self, indices: np.ndarray) -> Tensor:
        """N×C×H×W. Raises Broken naming the file for one that cannot be decoded, or is gone."""
        whole = np.empty((len(indices), *self.shape), numpy_type(self.dtype))
        rows, places = list(whole), [int(index) for index in indices]
        missing = self.missing(places, rows, range(len(rows)))
        self.asked += len(missing)
        if missing and self.in_advance([places[i] for i in missing]):
            missing = self.missing(places, rows, missing)
        began = time.perf_counter()
        decode_each(lambda i: self.decode(places[i], rows[i]), missing)
        self.timed, self.seconds = self.timed + len(missing), self.seconds + time.perf_counter() - began
        return torch.from_numpy(whole)

    def missing(self, places: Sequence[int], rows: Sequence[np.ndarray], of: Sequence[int]) -> Sequence[int]:
        """Which of these positions the cache could not fill."""
        if self.cache is None:
            return of
        return [of[i] for i in self.cache.take([places[i] for i in of], [rows[i] for i in of])]

    def in_advance(self, wanted: list[int]) -> bool:
        """Decode what is wanted, and with it what a first epoch will ask for, in processes. Whether it has.

        Not where a training has several ranks: their network (NCCL, InfiniBand) does not bear forks, and they are
        processes themselves.
        """
        count = min(AHEAD * self.asked - int(self.tried.sum()), BLOCK)
        slow = not self.timed or self.seconds > SMALL * self.timed
        several = distributed.is_available() and distributed.is_initialized()
        if self.cache is None or self.cache.lost or slow or several or count < BLOCK // 4 or not can_fork():
            return False
        absent = self.cache.absent()
        absent = absent[~self.tried[absent]]
        if self.cache.lost or not len(absent):
            return False
        block = np.roll(absent, -int(np.searchsorted(absent, self.begin)))[:count].tolist()
        self.tried[block] = True
        self.many(list(dict.fromkeys(wanted + block)))
        return True

    def read_all(self) -> tuple[Tensor, dict[int, str]]:
        """Everything, N×C×H×W, and why some of it cannot be read (and has no meaning), by place.

        A map of the cache where that holds all: memory that the system may take back, and that processes share.
        """
        count = len(self.names)
        places = np.roll(np.arange(count), -self.begin).tolist()
        for cached in (True, False) if self.cache is not None else (False,):
            whole = None if cached else shared((count, *self.shape), numpy_type(self.dtype))
            reasons = zip(places, self.many(places, whole), strict=True)
            broken = {place: reason for place, reason in sorted(reasons) if reason}
            if cached and self.cache is not None:
                whole = self.cache.mapped(but=broken)
            if whole is not None:
                break
        assert whole is not None, "always so without the cache"
        return torch.from_numpy(whole), broken


def same(path: Path, seen: np.void) -> bool:
    """Whether a file is still the one that was looked at: another content must not be kept under its key."""
    try:
        return stamp(os.stat(path)) == (seen["length"], seen["modified"])
    except OSError:
        return False


def stamp(status: os.stat_result) -> tuple[int, int]:
    """Length and time of writing, of which a file system may know later ones than 64 bits of nanoseconds hold."""
    return status.st_size, status.st_mtime_ns % 2**63


def why(error: BadInput, path: Path) -> str:
    return str(error).removeprefix(f"{path}: ")
