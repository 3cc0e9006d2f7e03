"""Parts of a PNG besides its pixels: texts, and what its numbers mean as colors."""

from __future__ import annotations

import struct
import zlib
from contextlib import suppress
from pathlib import Path

Chunks = tuple[tuple[bytes, bytes], ...]  # parts of a PNG as they are: their kind, and what is in them
COLORS = (b"gAMA", b"cHRM", b"sRGB", b"cICP", b"mDCV", b"cLLI")  # chunks of a PNG
TEXTS = (b"tEXt", b"zTXt", b"iTXt")
XMP_TEXT = b"XML:com.adobe.xmp\0"  # the name of the text of a PNG that is no text for people
SRGB = (31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)  # its primaries, times 100,000
PLAIN = {b"gAMA": struct.pack(">I", 45455), b"cHRM": struct.pack(">8I", *SRGB)}


def read_chunks(path: Path) -> dict[bytes, list[bytes]]:
    """Of a PNG the chunks that are kept, wherever in it they stand."""
    found: dict[bytes, list[bytes]] = {}
    with path.open("rb") as file:
        file.seek(8)
        while len(head := file.read(8)) == 8:
            length, kind = struct.unpack(">I4s", head)
            if kind in (*TEXTS, *COLORS, b"eXIf") and length < 2**24:
                data = file.read(length)
                if len(data) == length:
                    found.setdefault(kind, []).append(data)
                file.seek(4, 1)
            else:
                file.seek(length + 4, 1)
    return found


def raw_profile(kind: bytes, text: bytes) -> tuple[str, bytes] | None:
    """Name and bytes of what was wrapped in a text of a PNG, as ImageMagick and others do; None for other texts."""
    name, _, rest = text.partition(b"\0")
    if not name.startswith(b"Raw profile type ") or kind == b"iTXt":
        return None
    with suppress(ValueError, zlib.error):
        body = zlib.decompress(rest[1:]) if kind == b"zTXt" else rest
        lines = body.strip().split(b"\n")
        return name[17:].decode("latin-1").lower(), bytes.fromhex(b"".join(lines[2:]).decode("ascii"))
    return None


def as_raw_profile(name: str, data: bytes) -> tuple[bytes, bytes]:
    """The other way round: a kind and a text."""
    digits = data.hex()
    lines = [digits[at : at + 72] for at in range(0, len(digits), 72)]
    body = f"\n{name}\n{len(data):8d}\n" + "\n".join(lines) + "\n"
    return b"zTXt", f"Raw profile type {name}\0\0".encode() + zlib.compress(body.encode())


def means_plain(colors: Chunks) -> bool:
    """Whether these chunks of a PNG say no more than sRGB, which is what numbers without a word are taken for."""
    for kind, data in colors:
        if kind == b"sRGB" or data == PLAIN.get(kind) or (kind == b"cICP" and data[:2] == b"\1\x0d"):
            continue
        return False
    return True
