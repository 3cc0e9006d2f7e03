"""Broken, hostile and mislabelled picture files end in one line that names them."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from isthmus.data import peek, read_picture
from isthmus.errors import BadInput

DEEP = (np.arange(2 * 3 * 3).reshape(2, 3, 3) * 3001 + 7).astype(np.uint16)


def test_broken_files_are_named(save, tmp_path: Path, rng) -> None:
    noise = rng.integers(0, 256, (64, 64, 3), np.uint8)
    whole = {name: save(noise, name).read_bytes() for name in ("a.png", "a.jpg", "a.tif", "a.bmp", "a.webp")}
    for name, data in whole.items():
        path = tmp_path / f"cut-{name}"
        path.write_bytes(data[: len(data) // 2])
        with pytest.raises(BadInput, match=rf"cut-{name}: ") as caught:
            read_picture(path)
        assert "\n" not in str(caught.value)
    for content, reason in [(b"", "empty file"), (b"hello, not a picture", "not a picture")]:
        path = tmp_path / "b.png"
        path.write_bytes(content)
        with pytest.raises(BadInput, match=rf"b\.png: {reason}"):
            read_picture(path)
    with pytest.raises(BadInput, match="no such file"):
        read_picture(tmp_path / "none.png")


def test_truncated_deep_png(tmp_path: Path) -> None:
    import png

    path = tmp_path / "a.png"
    with path.open("wb") as file:
        png.Writer(3, 2, greyscale=False, bitdepth=16).write(file, DEEP.reshape(2, -1).tolist())
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(BadInput, match=r"a\.png"):
        read_picture(path)


def test_a_bomb_is_refused_by_its_header(tmp_path: Path) -> None:
    """A few bytes that say 60000×60000 must not be given the memory for it, in 8 bits or 16."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    for side, depth in [(60000, 8), (60000, 16), (12000, 8)]:
        header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, depth, 2, 0, 0, 0))
        path = tmp_path / "bomb.png"
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"0")) + chunk(b"IEND", b""))
        for read in (peek, read_picture):
            with pytest.raises(BadInput, match=r"bomb\.png: .*too large; accepted are up to 134 megapixels"):
                read(path)


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "gif", "tif", "webp", "ppm"])
def test_damage_of_any_kind_is_one_line(save, tmp_path: Path, rng, suffix: str) -> None:
    """Whatever a few wrong bytes make a decoder raise, the caller meets BadInput or a picture."""
    whole = save(rng.integers(0, 256, (12, 17, 3), np.uint8), f"a.{suffix}").read_bytes()
    path = tmp_path / f"b.{suffix}"
    for _ in range(40):
        content = bytearray(whole)
        for place in rng.integers(0, min(len(whole), 150), 3):
            content[place] = rng.integers(0, 256)
        path.write_bytes(content)
        for read in (peek, read_picture):
            said = attempt(read, path)
            assert said == "" or said.startswith(str(path))
            assert "\n" not in said


def attempt(read: Callable[[Path], object], path: Path) -> str:
    """The message of a refusal, or '' when it went well."""
    try:
        read(path)
    except BadInput as error:
        return str(error)
    return ""


def test_a_tiff_of_many_channels_is_refused(tmp_path: Path) -> None:
    import tifffile

    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((3, 4, 70), np.uint16), photometric="minisblack", planarconfig="contig")
    with pytest.raises(BadInput, match=r"a\.tif: 70 channels; accepted are up to 64"):
        read_picture(path)


def test_other_formats_of_pillow_are_not_started(tmp_path: Path) -> None:
    """EPS would run a program."""
    path = tmp_path / "a.png"
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n")
    with pytest.raises(BadInput, match="not a picture"):
        read_picture(path)
