"""Tags of TIFF and EXIF (a TIFF without pixels): read, edited and written byte by byte.

Pillow and tifffile decode texts, and cannot write them again if they are UTF-8, as cameras and editors write them. So
the values here are bytes, in the byte order of their file.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple

SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
CAMERA, GPS, INTEROP = 0x8769, 0x8825, 0xA005  # subdirectories of the first directory; INTEROP: of the camera's
ORIENTATION, WIDTH, HEIGHT = 0x0112, 0xA002, 0xA003
HEAD = b"Exif\0\0"
Order = Literal["<", ">"]
ORDERS: dict[bytes, Order] = {b"II": "<", b"MM": ">"}
MAX_BYTES = 2**28  # of a value; a broken file can ask for any number


class Value(NamedTuple):
    """kind: TIFF's number of the type. data: the bytes."""

    kind: int
    data: bytes

    @property
    def length(self) -> int:
        return len(self.data) // SIZES[self.kind]


Directory = dict[int, Value]


@dataclass
class Tags:
    """order: of bytes. first: the directory of the image. below: its subdirectories, by their tag."""

    order: Order = "<"
    first: Directory = field(default_factory=dict)
    below: dict[int, Directory] = field(default_factory=dict)

    def numbers(self, tag: int) -> list[float]:
        """The values of a tag of the first directory as numbers; of rationals the quotients; [] if it is missing."""
        value = self.first.get(tag)
        codes = {1: "B", 3: "H", 4: "I", 5: "I", 9: "i", 10: "i", 11: "f", 12: "d", 13: "I", 16: "Q"}
        if value is None or value.kind not in codes:
            return []
        each = codes[value.kind]
        numbers = struct.unpack(f"{self.order}{len(value.data) // struct.calcsize(each)}{each}", value.data)
        if value.kind in (5, 10):
            return [above / below if below else 0.0 for above, below in zip(numbers[::2], numbers[1::2], strict=True)]
        return list(numbers)

    def set_doubles(self, tag: int, numbers: Iterable[float]) -> None:
        listed = list(numbers)
        self.first[tag] = Value(12, struct.pack(f"{self.order}{len(listed)}d", *listed))

    def rational(self, number: float) -> Value:
        """A non-negative number as a TIFF rational."""
        part = Fraction(number).limit_denominator(max(1, min(2**32 - 1, int((2**32 - 1) / max(number, 1e-9)))))
        return Value(5, struct.pack(f"{self.order}2I", part.numerator, part.denominator))

    def packed(self) -> bytes:
        """EXIF bytes with their header and the subdirectories; empty without tags."""
        if not self.first and not self.below:
            return b""
        header = (b"II*\0" if self.order == "<" else b"MM\0*") + struct.pack(f"{self.order}I", 8)
        first = dict(self.first)
        # The first directory comes first, and its length does not depend on the offsets of the others.
        for tag in self.below:
            first[tag] = Value(4, bytes(4))
        end = 8 + len(directory_bytes(first, self.order, 8))
        below = b""
        for tag, directory in self.below.items():
            first[tag] = Value(4, struct.pack(f"{self.order}I", end + len(below)))
            below += directory_bytes(directory, self.order, end + len(below))
        return HEAD + header + directory_bytes(first, self.order, 8) + below


def directory_bytes(directory: Mapping[int, Value], order: str, offset: int) -> bytes:
    """The bytes, of an even length, of a directory at `offset`, followed by its values."""
    entries, values = [], b""
    end = offset + 2 + 12 * len(directory) + 4
    for tag, value in sorted(directory.items()):
        head = struct.pack(f"{order}HHI", tag, value.kind, value.length)
        if len(value.data) <= 4:
            entries.append(head + value.data.ljust(4, b"\0"))
        else:
            entries.append(head + struct.pack(f"{order}I", end + len(values)))
            values += value.data + bytes(len(value.data) % 2)
    return struct.pack(f"{order}H", len(entries)) + b"".join(entries) + bytes(4) + values


def read_tags(file: BinaryIO, start: int = 0, number: int | None = None) -> Tags:
    """The tags of the TIFF that begins at `start`: of its first directory, or of the one at the offset `number`.

    Raises ValueError or struct.error if it is not a TIFF.
    """
    file.seek(start)
    head = file.read(16)
    order = ORDERS.get(head[:2])
    if order is None or head[2:4] not in (b"*\0", b"\0*", b"+\0", b"\0+"):
        raise ValueError("not a TIFF")
    big = head[2:4] in (b"+\0", b"\0+")
    tags = Tags(order)
    offset = number if number is not None else struct.unpack_from(f"{order}{'QI'[not big]}", head, 8 if big else 4)[0]
    tags.first = _directory(file, start, offset, order, big)
    for tag in (CAMERA, GPS):
        if (value := tags.first.pop(tag, None)) is not None:
            with suppress(ValueError, KeyError, struct.error):  # its offset may be wrong
                tags.below[tag] = _directory(file, start, _number(value, order), order, big)
                tags.below[tag].pop(INTEROP, None)  # it holds no more than the version of the standard
    return tags


def read_exif(exif: bytes) -> Tags:
    """The tags of EXIF bytes. Raises ValueError or struct.error if they are not EXIF."""
    return read_tags(io.BytesIO(exif.removeprefix(HEAD)))


def file_tags(path: Path) -> Tags:
    """The tags of the first page of a TIFF. Raises ValueError or struct.error if it is not a TIFF."""
    with path.open("rb") as file:
        return read_tags(file)


def _number(value: Value, order: str) -> int:
    code = {3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}[value.kind]
    return int(struct.unpack_from(order + code, value.data)[0])


def _directory(file: BinaryIO, start: int, offset: int, order: str, big: bool) -> Directory:
    """The directory at an offset, without values that reach beyond the end of the file or are of an unknown kind."""
    count_code, entry, offset_code = ("Q", "HHQ", "Q") if big else ("H", "HHI", "I")
    inside = 8 if big else 4
    file.seek(start + offset)
    (count,) = struct.unpack(order + count_code, file.read(struct.calcsize(count_code)))
    if count > 4096:
        raise ValueError("not a directory")
    length = struct.calcsize(f"{order}{entry}") + inside
    table, directory = file.read(count * length), Directory()
    for at in range(0, len(table) - length + 1, length):
        tag, kind, number = struct.unpack_from(order + entry, table, at)
        size = SIZES.get(kind, 0) * number
        if not 0 < size <= MAX_BYTES:
            continue
        data = table[at + length - inside : at + length][:size]
        if size > inside:
            file.seek(start + struct.unpack_from(order + offset_code, table, at + length - inside)[0])
            data = file.read(size)
        if len(data) == size:
            directory[tag] = Value(kind, data)
    return directory


def edited(
    exif: bytes, drop: Iterable[int], size: tuple[int, int] | None = None, factors: tuple[float, float] = (1.0, 1.0)
) -> bytes:
    """EXIF without some tags of its first directory, and, if it records a size, with this height and width.

    factors: by which the resolution grows, across and down. All other bytes stay at their offsets, because a maker note
    may refer to them. The thumbnail, which shows the old image, is erased. Raises ValueError or struct.error if it is
    not EXIF.
    """
    head = HEAD if exif.startswith(HEAD) else b""
    data = bytearray(exif[len(head) :])
    order = ORDERS.get(bytes(data[:2]))
    if order is None:
        raise ValueError("not EXIF")
    dropped = set(drop)

    def entries(offset: int) -> tuple[list[tuple[int, bytes]], int]:
        """The (tag, entry) pairs of a directory, and the offset of the next directory."""
        (count,) = struct.unpack_from(f"{order}H", data, offset)
        end = offset + 2 + 12 * count
        rows = [bytes(data[at : at + 12]) for at in range(offset + 2, end, 12)]
        following = struct.unpack_from(f"{order}I", data, end)[0] if end + 4 <= len(data) else 0
        return [(struct.unpack_from(f"{order}H", row)[0], row) for row in rows], following

    (first,) = struct.unpack_from(f"{order}I", data, 4)
    rows, thumbnail = entries(first)
    kept = [row for tag, row in rows if tag not in dropped]
    if 8 <= thumbnail <= len(data) - 2:
        _erase(data, dict(entries(thumbnail)[0]), thumbnail, order)
    for tag, row in rows:
        if tag in (282, 283) and factors != (1.0, 1.0) and row[2:4] == struct.pack(f"{order}H", 5):
            (offset,) = struct.unpack_from(f"{order}I", row, 8)
            above, below = struct.unpack_from(f"{order}2I", data, offset)
            data[offset : offset + 8] = Tags(order).rational(factors[tag - 282] * above / max(1, below)).data
    table = struct.pack(f"{order}H", len(kept)) + b"".join(kept) + bytes(4)
    space = 2 + 12 * len(rows) + 4
    data[first : first + space] = table.ljust(space, b"\0")
    camera = next((row for tag, row in rows if tag == CAMERA), None)
    if size is not None and camera is not None:
        (offset,) = struct.unpack_from(f"{order}I", camera, 8)
        for at, (tag, _) in enumerate(entries(offset)[0]):
            if tag in (WIDTH, HEIGHT):
                row = struct.pack(f"{order}HHII", tag, 4, 1, size[tag == WIDTH])
                data[offset + 2 + 12 * at : offset + 14 + 12 * at] = row
    return head + bytes(data) if kept else b""


def _erase(data: bytearray, rows: Mapping[int, bytes], offset: int, order: str) -> None:
    """Overwrite the thumbnail and its directory with zeros; at the end of the data they are cut off."""
    end = offset + 2 + 12 * len(rows) + 4
    spans = [(offset, end)]
    if 0x0201 in rows and 0x0202 in rows:
        begin, length = (struct.unpack_from(f"{order}I", rows[tag], 8)[0] for tag in (0x0201, 0x0202))
        spans.append((begin, begin + length))
    for begin, end in spans:
        if 8 <= begin <= end <= len(data):
            data[begin:end] = bytes(end - begin)
    begin, end = max(spans)
    if end >= len(data) > begin > 8:
        del data[begin:]
