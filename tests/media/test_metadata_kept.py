"""EXIF, captions, comments, texts and color chunks are kept, and lost ones are named."""

from __future__ import annotations

import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from helpers.metadata import AUTHOR, noise, silently
from PIL import Image

from isthmus.errors import Note
from isthmus.media.image_file import read_photo, write_photo
from isthmus.media.photo import Photo


def exif(code: str, order: str = "<") -> bytes:
    """With an author, and a directory of the camera that has a comment of its maker."""
    author, own = AUTHOR.encode(code) + b"\0", b"Own\0\0\1\2\3\xff\xfe"
    sub = 8 + 2 + 3 * 12 + 4 + len(author) + len(author) % 2
    entries = [(0x0112, 3, 1, struct.pack(f"{order}HH", 6, 0)), (0x8298, 2, len(author), struct.pack(f"{order}I", 50))]
    entries.append((0x8769, 4, 1, struct.pack(f"{order}I", sub)))
    head = struct.pack(f"{order}H", 3) + b"".join(struct.pack(f"{order}HHI", *e[:3]) + e[3] for e in entries) + bytes(4)
    camera = struct.pack(f"{order}HHHIII", 1, 0x927C, 7, len(own), sub + 18, 0) + own
    whole = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8) + head
    return b"Exif\0\0" + (whole + author).ljust(sub, b"\0") + camera


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("code", ["utf-8", "latin-1"])
@pytest.mark.parametrize("way", ["jpg jpg", "jpg png", "jpg webp", "jpg tif", "png tif jpg", "webp tif png", "tif png"])
def test_texts_of_exif_stay_to_the_byte(way: str, code: str, order: str, tmp_path: Path) -> None:
    first, *others = way.split()
    path = tmp_path / f"0.{first}"
    image = Image.fromarray(noise(8, 9, 3))
    if first == "tif":
        write_photo(path, Photo(noise(8, 9, 3), info=read_photo_of(exif(code, order), tmp_path)))
    else:
        image.save(path, exif=exif(code, order))
    for number, suffix in enumerate(others):
        path = write_photo(tmp_path / f"{number + 1}.{suffix}", read_photo(path))
    data = path.read_bytes()
    assert AUTHOR.encode(code) + b"\0" in data
    assert b"Own\0\0\1\2\3\xff\xfe" in data
    with Image.open(path) as image:
        found = image.getexif()
        assert found[0x8298] == AUTHOR.encode(code).decode("latin-1").rstrip("\0")
        assert found.get(0x0112, 1) == 1
        assert found.get_ifd(0x8769)[0x927C] == b"Own\0\0\1\2\3\xff\xfe"


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif"])
def test_a_resolution_turns_with_its_picture(suffix: str, tmp_path: Path) -> None:
    image = Image.fromarray(noise(8, 9, 3))
    image.save(tmp_path / f"a.{suffix}", exif=exif("utf-8"), dpi=(300, 150))
    if suffix == "tif":
        tifffile.imwrite(
            tmp_path / "a.tif", noise(8, 9), metadata=None, resolution=(300, 150), resolutionunit="INCH",
            extratags=[(274, 3, 1, 6, True)],
        )  # fmt: skip
    found = read_photo(tmp_path / f"a.{suffix}")
    assert found.size == (9, 8)
    assert found.info.dpi == pytest.approx((150, 300), abs=0.1)


def read_photo_of(data: bytes, place: Path):  # type: ignore[no-untyped-def]
    Image.fromarray(noise(8, 9, 3)).save(place / "exif.jpg", exif=data)
    return read_photo(place / "exif.jpg").info


def test_the_exif_preview_is_removed(tmp_path: Path) -> None:
    camera = Image.Exif()
    camera[0x010F] = "Maker"
    data = camera.tobytes()[6:]
    small = b"\xff\xd8what was\xff\xd9"
    end = len(data)
    second = struct.pack(">HHHIIHHIII", 2, 0x0201, 4, 1, end + 30, 0x0202, 4, 1, len(small), 0)
    link = 8 + 2 + 12
    data = data[:link] + struct.pack(">I", end) + data[link + 4 :] + second + small
    Image.fromarray(noise(8, 9, 3)).save(tmp_path / "a.jpg", exif=b"Exif\0\0" + data)
    assert small in (tmp_path / "a.jpg").read_bytes()
    result = write_photo(tmp_path / "b.jpg", read_photo(tmp_path / "a.jpg"))
    assert small not in result.read_bytes()
    assert Image.open(result).getexif()[0x010F] == "Maker"


CAPTION = b"\x1c\2\x05\0\4Name\x1c\2\x78\0\7J\xc3\xb6rg \xa9"


@pytest.mark.parametrize("way", ["jpg", "png jpg", "tif jpg", "png tif png jpg"])
def test_captions_and_comments_of_a_jpeg(way: str, tmp_path: Path) -> None:
    from PIL import IptcImagePlugin

    block = b"Photoshop 3.0\x008BIM\x04\x04\0\0" + struct.pack(">I", len(CAPTION)) + CAPTION + bytes(len(CAPTION) % 2)
    extra = b"\xff\xed" + struct.pack(">H", len(block) + 2) + block
    path = tmp_path / "a.jpg"
    Image.fromarray(noise(8, 9, 3)).save(path, extra=extra, comment="Größe".encode())
    for number, suffix in enumerate(way.split()):
        path = silently(tmp_path / f"{number}.{suffix}", path)
    with Image.open(path) as image:
        assert IptcImagePlugin.getiptcinfo(image) == {(2, 5): b"Name", (2, 120): "Jörg ".encode() + b"\xa9"}
        if "tif" not in way:
            assert (image.info.get("comment") or b"") in ("Größe".encode(), b"")
    assert way != "jpg" or Image.open(path).info["comment"] == "Größe".encode()


def png_with(path: Path, *chunks: tuple[bytes, bytes], pixels: np.ndarray | None = None) -> Path:
    write_photo(path, Photo(noise(8, 9, 3) if pixels is None else pixels))
    data = path.read_bytes()
    added = [struct.pack(">I", len(c)) + k + c + struct.pack(">I", zlib.crc32(k + c)) for k, c in chunks]
    path.write_bytes(data[:33] + b"".join(added) + data[33:])
    return path


def chunks_in(path: Path) -> list[tuple[bytes, bytes]]:
    data, at, found = path.read_bytes(), 8, []
    while at < len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        found.append((kind, data[at + 8 : at + 8 + length]))
        at += 12 + length
    return found


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize(
    "chunk",
    [
        (b"gAMA", struct.pack(">I", 100000)),
        (b"cHRM", struct.pack(">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)),
        (b"cICP", bytes([9, 16, 0, 1])),
        (b"sRGB", b"\1"),
        (b"pHYs", struct.pack(">2IB", 11811, 5906, 1)),
        (b"iTXt", "Author\0\0\0de\0Urheber\0Zoë".encode()),
    ],
)
def test_color_chunks_of_a_png(chunk: tuple[bytes, bytes], deep: bool, tmp_path: Path) -> None:
    path = png_with(tmp_path / "a.png", chunk, pixels=noise(8, 9, 3, deep=deep))
    assert chunk in chunks_in(write_photo(tmp_path / "b.png", read_photo(path)))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", Note)
        write_photo(tmp_path / "b.tif", read_photo(path))
    said = " ".join(str(one.message) for one in caught)
    assert ("gamma, primaries or transfer function" in said) == (chunk[0] in (b"gAMA", b"cHRM", b"cICP"))
    assert ("texts of a PNG" in said) == (chunk[0] == b"iTXt")


def test_one_gray_or_color_of_16_bits_that_is_see_through(tmp_path: Path) -> None:
    for clear, pixels in (([513], [[[513], [7]]]), ([513, 2, 3], [[[513, 2, 3], [513, 2, 4]]])):
        chunk = (b"tRNS", struct.pack(f">{len(clear)}H", *clear))
        path = png_with(tmp_path / "a.png", chunk, pixels=np.array(pixels, np.uint16))
        for _ in range(2):
            found = read_photo(path)
            assert found.pixels.tolist() == pixels
            assert found.alpha is not None
            assert found.alpha.tolist() == [[0, 65535]]
            path = write_photo(tmp_path / "b.png", found)


def test_lost_metadata_are_named(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", noise(8, 9), extratags=[(37724, 7, 4, b"8BPS", True)], metadata=None)
    with pytest.warns(Note, match="left out: layers of Photoshop"):
        write_photo(tmp_path / "b.tif", read_photo(tmp_path / "a.tif"))
    Image.fromarray(noise(8, 9, 3)).save(tmp_path / "a.jpg", exif=exif("utf-8"), comment=b"hello", xmp=b"<x/>")
    with pytest.warns(Note, match="cannot hold EXIF, XMP, a comment; .png can"):
        write_photo(tmp_path / "b.bmp", read_photo(tmp_path / "a.jpg"))


def test_further_pictures_of_a_jpeg_are_named(tmp_path: Path) -> None:
    """A phone keeps a map of depths or of brightness there."""
    image = Image.fromarray(noise(16, 24, 3))
    image.save(tmp_path / "a.jpg", format="MPO", save_all=True, append_images=[image])
    with pytest.warns(Note, match="left out: the pictures beside the first"):
        write_photo(tmp_path / "b.jpg", read_photo(tmp_path / "a.jpg"))
