"""PNG chunks besides the pixels: texts and color space."""

from __future__ import annotations

import struct
import zlib
from contextlib import suppress
from pathlib import Path

from isthmus.media.file_content import open_content

Chunks = tuple[tuple[bytes, bytes], ...]  # (kind, data)
COLORS = (b"gAMA", b"cHRM", b"sRGB", b"cICP", b"mDCV", b"cLLI")
TEXTS = (b"tEXt", b"zTXt", b"iTXt")
XMP_TEXT = b"XML:com.adobe.xmp\0"  # the keyword of the text chunk that holds XMP
SRGB = (31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)  # its primaries, times 100,000
PLAIN = {b"gAMA": struct.pack(">I", 45455), b"cHRM": struct.pack(">8I", *SRGB)}


def read_chunks(path: Path) -> dict[bytes, list[bytes]]:
    """The chunks of a PNG that are kept, by kind, wherever in the file they are."""
    chunks: dict[bytes, list[bytes]] = {}
    with open_content(path) as file:
        file.seek(8)
        while len(head := file.read(8)) == 8:
            length, kind = struct.unpack(">I4s", head)
            if kind in (*TEXTS, *COLORS, b"eXIf") and length < 2**24:
                data = file.read(length)
                if len(data) == length:
                    chunks.setdefault(kind, []).append(data)
                file.seek(4, 1)
            else:
                file.seek(length + 4, 1)
    return chunks


def raw_profile(kind: bytes, text: bytes) -> tuple[str, bytes] | None:
    """Name and bytes of a profile that ImageMagick and others wrap in a text chunk; None for other texts."""
    name, _, rest = text.partition(b"\0")
    if not name.startswith(b"Raw profile type ") or kind == b"iTXt":
        return None
    with suppress(ValueError, zlib.error):
        body = zlib.decompress(rest[1:]) if kind == b"zTXt" else rest
        lines = body.strip().split(b"\n")
        return name[17:].decode("latin-1").lower(), bytes.fromhex(b"".join(lines[2:]).decode("ascii"))
    return None


def to_raw_profile(name: str, data: bytes) -> tuple[bytes, bytes]:
    """The inverse of raw_profile: (kind, text)."""
    digits = data.hex()
    lines = [digits[at : at + 72] for at in range(0, len(digits), 72)]
    body = f"\n{name}\n{len(data):8d}\n" + "\n".join(lines) + "\n"
    return b"zTXt", f"Raw profile type {name}\0\0".encode() + zlib.compress(body.encode())


def is_srgb(colors: Chunks) -> bool:
    """Whether these chunks of a PNG define sRGB, which is also the default without any."""
    for kind, data in colors:
        if kind == b"sRGB" or data == PLAIN.get(kind) or (kind == b"cICP" and data[:2] == b"\1\x0d"):
            continue
        return False
    return True
