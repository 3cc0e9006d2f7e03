"""The tags, georeferences, units and channels of a TIFF are kept and adapted to the new size."""

from __future__ import annotations

import struct
import warnings
from pathlib import Path

import numpy as np
import pytest
import tifffile
from helpers.metadata import AUTHOR, noise, silently
from PIL import Image

import isthmus
from isthmus.data import open_data
from isthmus.errors import Note
from isthmus.media.image_file import read_photo, write_photo
from isthmus.media.photo import Photo

OME = """<?xml version="1.0" encoding="UTF-8"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">
<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" SizeX="31" SizeY="23" SizeZ="1" SizeC="1"
 SizeT="1" PhysicalSizeX="0.1" PhysicalSizeXUnit="µm" PhysicalSizeY="0.2" PhysicalSizeYUnit="µm"><Channel ID="Channel:0"
 Name="DAPI"/><TiffData IFD="0"><UUID FileName="a.tif">urn:uuid:1</UUID></TiffData></Pixels></Image></OME>"""


def raw_tags(path: Path) -> dict[int, tuple[int, bytes]]:
    """Type and bytes, little endian, of each tag of the first page."""
    found = {}
    with tifffile.TiffFile(path) as file:
        order, page = file.byteorder, file.pages[0]
        for tag in page.tags:  # type: ignore[union-attr]
            file.filehandle.seek(tag.valueoffset)
            data = file.filehandle.read(tag.valuebytecount)
            size = {2: 1, 7: 1, 1: 1, 3: 2, 12: 8}.get(int(tag.dtype), 4)
            found[tag.code] = (int(tag.dtype), data if order == "<" else data_in_order(data, size))
    return found


def data_in_order(data: bytes, size: int) -> bytes:
    return np.frombuffer(data, f">u{size}").astype(f"<u{size}").tobytes() if size > 1 else data


def text(value: str) -> bytes:
    return value.encode() + b"\0"


def doubles(*numbers: float) -> bytes:
    return np.array(numbers, "<f8").tobytes()


PLACES = {
    33550: (12, doubles(0.5, 0.25, 0)),
    33922: (12, doubles(0, 0, 0, 500000, 4600000, 0)),
    34735: (3, np.array([1, 1, 0, 2, 1024, 0, 1, 1, 1025, 0, 1, 1], "<u2").tobytes()),
    34736: (12, doubles(6378137.0)),
    34737: (2, text("WGS 84 / UTM zone 33N|")),
    42113: (2, text("-9999")),
}
WORDS = {270: (2, text("Straße")), 305: (2, text("Scän 2")), 315: (2, text("Jörg")), 33432: (2, text(AUTHOR))}
VENDOR = {65000: (7, b"\0\1own\xff"), 65001: (4, struct.pack("<2I", 7, 2**31)), 51123: (2, text('{"µm": 0.1}'))}


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize(
    "tags", [PLACES, WORDS, VENDOR, {700: (1, b"<x:xmpmeta/>")}, {33723: (7, b"\x1c\2\x69\0\4abcd")}]
)
def test_each_tag_of_a_tiff(order: str, big: bool, tags: dict[int, tuple[int, bytes]], tmp_path: Path) -> None:
    pixels = noise(23, 31, 3)
    sizes = {3: 2, 4: 4, 12: 8}
    extra = [
        (tag, kind, 0, data if order == "<" or kind not in sizes else data_in_order(data, sizes[kind]), True)
        for tag, (kind, data) in tags.items()
    ]
    tifffile.imwrite(
        tmp_path / "a.tif", pixels, photometric="rgb", byteorder=order, bigtiff=big, extratags=extra, metadata=None,
        resolution=(300, 150), resolutionunit="INCH", software=False,
    )  # fmt: skip
    before = raw_tags(tmp_path / "a.tif")
    assert tags.items() <= before.items()
    after = raw_tags(write_photo(tmp_path / "b.tif", read_photo(tmp_path / "a.tif")))
    assert tags.items() <= after.items()
    assert {tag: after[tag] for tag in (282, 283, 296)} == {tag: before[tag] for tag in (282, 283, 296)}
    again = raw_tags(write_photo(tmp_path / "d.tif", read_photo(silently(tmp_path / "c.png", tmp_path / "a.tif"))))
    assert tags.items() <= again.items()  # and by way of a PNG


def larger(photo: Photo, factor: int = 2) -> Photo:
    return photo.replace(pixels=photo.pixels.repeat(factor, 0).repeat(factor, 1))


def test_places_and_sizes_of_more_pixels(tmp_path: Path) -> None:
    """The corner that a pixel had lies where it lay; so does the middle, where places count from there."""
    extra = [(tag, kind, 0, data, True) for tag, (kind, data) in PLACES.items()]
    tifffile.imwrite(tmp_path / "a.tif", noise(23, 31), extratags=extra, metadata=None, resolution=(300, 150))
    with tifffile.TiffFile(write_photo(tmp_path / "b.tif", larger(read_photo(tmp_path / "a.tif")))) as file:
        tags = file.pages[0].tags  # type: ignore[union-attr]
        assert tags[33550].value == (0.25, 0.125, 0)
        assert tags[33922].value == (0, 0, 0, 500000, 4600000, 0)
        assert tags[282].value == (600, 1)
        assert tags[283].value == (300, 1)
    point = {**PLACES, 34735: (3, np.array([1, 1, 0, 1, 1025, 0, 1, 2], "<u2").tobytes())}
    extra = [(tag, kind, 0, data, True) for tag, (kind, data) in point.items()]
    tifffile.imwrite(tmp_path / "a.tif", noise(23, 31), extratags=extra, metadata=None)
    with tifffile.TiffFile(write_photo(tmp_path / "b.tif", larger(read_photo(tmp_path / "a.tif")))) as file:
        assert file.pages[0].tags[33922].value[:2] == (0.5, 0.5)  # type: ignore[union-attr]
    tifffile.imwrite(tmp_path / "a.tif", noise(23, 31), metadata=None)  # whose resolution is one a unit of none
    with tifffile.TiffFile(write_photo(tmp_path / "b.tif", larger(read_photo(tmp_path / "a.tif")))) as file:
        assert file.pages[0].get_resolution() == (1, 1)  # type: ignore[union-attr]


def test_units_and_channels_of_a_microscope(tmp_path: Path) -> None:
    extra = [(270, 2, 0, text(OME), True)]
    tifffile.imwrite(tmp_path / "a.tif", noise(23, 31, deep=True), extratags=extra, metadata=None)
    same = raw_tags(write_photo(tmp_path / "b.tif", read_photo(tmp_path / "a.tif")))[270][1]
    assert same == text(OME.replace('<UUID FileName="a.tif">urn:uuid:1</UUID>', ""))  # the planes lie in this file
    with tifffile.TiffFile(write_photo(tmp_path / "c.tif", larger(read_photo(tmp_path / "a.tif"), 4))) as file:
        image = tifffile.xml2dict(file.ome_metadata)["OME"]["Image"]["Pixels"]
        assert (image["SizeX"], image["SizeY"]) == (124, 92)
        assert (image["PhysicalSizeX"], image["PhysicalSizeY"]) == (0.025, 0.05)
        assert (image["PhysicalSizeXUnit"], image["Channel"]["Name"]) == ("µm", "DAPI")
        assert file.series[0].shape == (92, 124)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_tiff_that_lies_on_its_side(orientation: int, deep: bool, channels: int, tmp_path: Path) -> None:
    pixels = noise(8, 9, channels, deep=deep)
    kind = "rgb" if channels == 3 else "minisblack"
    extra = [(274, 3, 1, orientation, True)]
    tifffile.imwrite(tmp_path / "a.tif", pixels.squeeze(), metadata=None, photometric=kind, extratags=extra)
    upright = pixels.swapaxes(0, 1) if orientation > 4 else pixels
    upright = upright[::-1] if orientation in (3, 4, 7, 8) else upright
    upright = upright[:, ::-1] if orientation in (2, 3, 6, 7) else upright
    assert np.array_equal(read_photo(tmp_path / "a.tif").pixels, upright)


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize(
    ("channels", "photometric", "extra", "planar"),
    [(4, "rgb", ["unspecified"], "contig"), (5, "rgb", ["unassalpha", "unspecified"], "contig"),
     (5, "minisblack", ["unspecified"] * 4, "separate"), (2, "minisblack", ["unspecified"], "contig")],
)  # fmt: skip
def test_channels_besides_color(
    channels: int, photometric: str, extra: list[str], planar: str, deep: bool, tmp_path: Path
) -> None:
    pixels = noise(16, 24, channels, deep=deep)
    given = np.moveaxis(pixels, -1, 0) if planar == "separate" else pixels
    options = {"photometric": photometric, "planarconfig": planar, "extrasamples": extra}
    tifffile.imwrite(tmp_path / "a.tif", given, metadata=None, **options)
    found = read_photo(tmp_path / "a.tif")
    assert np.array_equal(found.samples(), pixels)
    assert np.array_equal(tifffile.imread(write_photo(tmp_path / "b.tif", found)), pixels)
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        assert [kind.name.lower() for kind in file.pages[0].extrasamples] == extra  # type: ignore[union-attr]
    with pytest.warns(Note, match=r"cannot hold channels besides color; \.tif can"):
        write_photo(tmp_path / "b.png", found)


def test_of_a_folder_a_tiff_stays_one_where_it_has_to(tmp_path: Path) -> None:
    """Of many notes of one kind, three are shown."""
    place = tmp_path / "in"
    place.mkdir()
    for name, tags in (("geo", PLACES), ("words", WORDS)):
        extra = [(tag, kind, 0, data, True) for tag, (kind, data) in tags.items()]
        tifffile.imwrite(place / f"{name}.tif", noise(16, 24, 3), photometric="rgb", extratags=extra, metadata=None)
    near = {"photometric": "rgb", "extrasamples": ["unspecified"]}
    tifffile.imwrite(place / "near.tif", noise(16, 24, 4), **near, metadata=None)
    tifffile.imwrite(place / "stack.tif", noise(3, 16, 24, deep=True), photometric="minisblack")
    for number in range(5):
        image = Image.fromarray(noise(16, 24, 3))
        image.save(place / f"{number}.jpg", format="MPO", save_all=True, append_images=[image])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", Note)
        isthmus.denoise(place, model="denoise-color", out=tmp_path / "out")
    said = [str(one.message) for one in caught]
    assert sum("left out: the pictures beside" in text for text in said) == 3
    assert "and 2 more such notes" in said
    tiffs = sorted(path.name for path in (tmp_path / "out").glob("*.tif"))
    assert tiffs == ["geo.tif", "near.tif", "stack.tif"]
    assert tifffile.imread(tmp_path / "out" / "near.tif").shape == (16, 24, 4)
    assert tifffile.imread(tmp_path / "out" / "stack.tif").shape == (3, 16, 24)
    notes = " ".join(open_data(place).notes)
    assert "1 of 9 files have channels besides color" in notes
    assert "1 of 9 files hold several pictures" in notes


def press() -> bytes:
    """A profile of inks, with two points an axis: cyan is a dull blue, paper is white, all else is dark."""
    points = np.full((2, 2, 2, 2, 3), (20, 128, 128), np.uint8)
    points[0, 0, 0, 0], points[1, 0, 0, 0] = (255, 128, 128), (140, 91, 78)
    same = struct.pack(">9i", *(65536 * value for value in (1, 0, 0, 0, 1, 0, 0, 0, 1)))
    table = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + same
    table += bytes(range(256)) * 4 + points.tobytes() + bytes(range(256)) * 3
    white = struct.pack(">3i", 63190, 65536, 54061)
    tags, at, names = {b"A2B0": table, b"wtpt": b"XYZ " + bytes(4) + white}, 128 + 4 + 2 * 12, b""
    body = b""
    for name, data in tags.items():
        names += name + struct.pack(">2I", at + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    head = struct.pack(">I4sI4s4s4s", at + len(body), b"none", 0x02400000, b"prtr", b"CMYK", b"Lab ")
    head += struct.pack(">6H", 2024, 1, 1, 0, 0, 0) + b"acsp"
    return (head.ljust(68, b"\0") + white).ljust(128, b"\0") + struct.pack(">I", 2) + names + body


@pytest.mark.parametrize("suffix", ["tif", "jpg"])
def test_inks_have_the_colors_of_their_press(suffix: str, tmp_path: Path) -> None:
    image = Image.new("CMYK", (16, 16), (255, 0, 0, 0))
    image.paste((0, 0, 0, 0), (0, 0, 8, 16))
    image.save(tmp_path / f"a.{suffix}", icc_profile=press())
    found = read_photo(tmp_path / f"a.{suffix}")
    assert found.pixels[8, 2].tolist() == [255, 255, 255]
    assert np.abs(found.pixels[8, 13].astype(int) - [0, 151, 218]).max() < 8  # and not 0, 255, 255
    assert found.info.icc == b""
