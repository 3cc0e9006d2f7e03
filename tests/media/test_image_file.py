"""A photo is written as it was read: pixels, alpha, depth, EXIF, profile, resolution; or one line says why not."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from isthmus.errors import BadInput, Note
from isthmus.media.image_file import Info, read_photo, write_photo
from isthmus.media.photo import Photo

RANDOM = np.random.default_rng(0)
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def noise(*shape: int, deep: bool = False) -> np.ndarray:
    return RANDOM.integers(0, 65536 if deep else 256, shape, dtype=np.uint16 if deep else np.uint8)


def photo(channels: int, alpha: bool, deep: bool, side: int = 23) -> Photo:
    return Photo(noise(side, 31, channels, deep=deep), noise(side, 31, deep=deep) if alpha else None)


def camera(orientation: int = 1) -> Image.Exif:
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "Maker", orientation
    exif[0x8769] = {0x829A: (1, 200), 0x9003: "2020:01:01 00:00:00", 0xA002: 31, 0xA003: 23, 0x927C: b"own\0\1"}
    exif[0x8825] = {1: "N", 2: (51.0, 30.0, 0.0)}
    return exif


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_written_file_is_read_again_to_the_bit(
    channels: int, alpha: bool, deep: bool, suffix: str, tmp_path: Path
) -> None:
    given = photo(channels, alpha, deep)
    found = read_photo(write_photo(tmp_path / f"a.{suffix}", given))
    assert found.deep == deep
    assert np.array_equal(found.pixels, given.pixels)
    assert (found.alpha is None) == (not alpha)
    assert not alpha or np.array_equal(found.alpha, given.alpha)
    if not deep:  # and others read the same
        with Image.open(tmp_path / f"a.{suffix}") as image:
            assert np.array_equal(np.asarray(image).reshape(23, 31, -1), given.samples())


@pytest.mark.parametrize("shape", [(1, 1), (1, 4000), (4000, 1), (700, 900)])
def test_a_png_of_several_stripes_and_of_one_pixel(shape: tuple[int, int], tmp_path: Path) -> None:
    given = Photo(noise(*shape, 3, deep=True))
    assert np.array_equal(read_photo(write_photo(tmp_path / "a.png", given)).pixels, given.pixels)
    smooth = Photo(np.broadcast_to(np.arange(shape[1]) // 4 % 256, (*shape,)).astype(np.uint8)[..., None])
    path = write_photo(tmp_path / "b.png", smooth)
    assert np.array_equal(np.asarray(Image.open(path)), smooth.pixels[..., 0])
    assert path.stat().st_size < 900 + smooth.pixels.size / 20  # the filter is worth something


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "LAB"])
def test_every_mode_of_pillow(mode: str, tmp_path: Path) -> None:
    """Red on white, half of it transparent where the mode knows that; by the suffix that can hold the mode."""
    image = Image.new("RGBA", (4, 2), (255, 255, 255, 255))
    image.putpixel((0, 0), (255, 0, 0, 255))
    image.putpixel((1, 0), (255, 255, 255, 0))
    steps = {"RGBA": [], "LA": [], "PA": ["RGB", "P"]}.get(mode, ["RGB"])
    for step in [*steps, mode] if mode != "LAB" else []:
        image = image.convert(step)
    if mode == "LAB":
        lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        image = ImageCms.applyTransform(image.convert("RGB"), ImageCms.buildTransform(srgb, lab, "RGB", "LAB"))
    name = "a.png" if mode in ("1", "L", "LA", "P", "RGB", "RGBA") else "a.tif"
    image.save(tmp_path / name)
    found = read_photo(tmp_path / name)
    gray = mode in ("1", "L", "LA")
    assert found.pixels.shape == (2, 4, 1 if gray else 3)
    assert found.pixels[1].min() >= 254
    if not gray:
        assert np.abs(found.pixels[0, 0].astype(int) - [255, 0, 0]).max() < 6
    if mode in ("LA", "RGBA"):
        assert found.alpha is not None
        assert found.alpha.tolist() == [[255, 0, 255, 255], [255] * 4]


def test_transparency_of_a_palette_and_of_one_color(tmp_path: Path) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putpixel((1, 0), 1)
    image.save(tmp_path / "p.png", transparency=0)
    found = read_photo(tmp_path / "p.png")
    assert found.alpha.tolist() == [[0, 255]]  # type: ignore[union-attr]
    assert found.pixels[0].tolist() == [[10, 20, 30], [40, 50, 60]]
    Image.fromarray(np.array([[7, 9]], np.uint8)).save(tmp_path / "l.png", transparency=9)
    found = read_photo(tmp_path / "l.png")
    assert found.pixels[..., 0].tolist() == [[7, 9]]
    assert found.alpha.tolist() == [[255, 0]]  # type: ignore[union-attr]


def test_a_deep_tiff_that_was_multiplied_by_alpha(tmp_path: Path) -> None:
    alpha = np.array([[[65535], [32768], [0]]], np.uint16)
    color = np.array([[[60000, 30000, 1], [20000, 10000, 500], [0, 0, 0]]], np.uint16)
    whole = np.concatenate([color, alpha], -1)
    tifffile.imwrite(tmp_path / "a.tif", whole, photometric="rgb", extrasamples=["assocalpha"])
    found = read_photo(tmp_path / "a.tif")
    assert np.array_equal(found.alpha, alpha[..., 0])
    assert found.pixels.tolist() == [[[60000, 30000, 1], [39999, 20000, 1000], [0, 0, 0]]]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "tif"])
def test_exif_stays_and_the_picture_is_upright(orientation: int, suffix: str, tmp_path: Path) -> None:
    from PIL import ImageOps

    Image.fromarray(noise(23, 31, 3)).save(tmp_path / f"a.{suffix}", exif=camera(orientation).tobytes(), dpi=(300, 300))
    found = read_photo(tmp_path / f"a.{suffix}")
    upright = np.asarray(ImageOps.exif_transpose(Image.open(tmp_path / f"a.{suffix}")))
    assert np.array_equal(found.pixels, upright)
    for name in ("b.png", "b.tif", "b.jpg"):
        with Image.open(write_photo(tmp_path / name, found)) as image:
            exif = image.getexif()
            assert exif.get(0x0112, 1) == 1  # turned once, not twice
            assert exif[0x010F] == "Maker"
            own, place = exif.get_ifd(0x8769), exif.get_ifd(0x8825)
            assert own[0x9003] == "2020:01:01 00:00:00"
            assert own[0x927C] == b"own\0\1"
            assert (own[0xA002], own[0xA003]) == image.size
            assert place[2] == (51.0, 30.0, 0.0)
            assert image.info["dpi"] == pytest.approx((300, 300), abs=0.1)
            assert np.asarray(image).shape == upright.shape


def test_exif_and_profile_of_a_deep_color_tiff(tmp_path: Path) -> None:
    """Which Pillow would make 8 bits, and of which it may not even know the pixels."""
    with_notes = Photo(noise(23, 31, 3, deep=True), info=Info(camera().tobytes(), SRGB, (118.11, 118.11)))
    path = write_photo(tmp_path / "a.tif", with_notes)
    again = read_photo(write_photo(tmp_path / "b.tif", read_photo(path)))
    assert again.info.icc == SRGB
    assert again.info.dpi == pytest.approx((118.11, 118.11), abs=0.01)
    assert np.array_equal(again.pixels, with_notes.pixels)
    exif = Image.Exif()
    exif.load(again.info.exif)
    assert exif[0x010F] == "Maker"
    assert exif.get_ifd(0x8769)[0x9003] == "2020:01:01 00:00:00"
    planes = np.moveaxis(with_notes.pixels, -1, 0)
    extra = [(271, 2, 0, "Maker", True)]
    tifffile.imwrite(
        path,
        planes,
        photometric="rgb",
        planarconfig="separate",
        iccprofile=SRGB,
        extratags=extra,
        resolution=(100, 100),
        resolutionunit="CENTIMETER",
    )
    found = read_photo(path)
    assert (found.info.icc, found.info.dpi) == (SRGB, pytest.approx((254, 254)))
    assert b"Maker" in found.info.exif


@pytest.mark.parametrize("name", ["b.png", "b.tif", "b.jpg", "b.webp"])
def test_a_color_profile_is_kept_if_it_fits(name: str, tmp_path: Path) -> None:
    Image.fromarray(noise(9, 9, 3)).save(tmp_path / "a.png", icc_profile=SRGB)
    with Image.open(write_photo(tmp_path / name, read_photo(tmp_path / "a.png"))) as image:
        assert image.info["icc_profile"] == SRGB
    Image.fromarray(noise(9, 9)).save(tmp_path / "gray.png", icc_profile=SRGB)
    assert read_photo(tmp_path / "gray.png").info.icc == b""


XMP = b"""<x:xmpmeta xmlns:x="adobe:ns:meta/"><a tiff:Orientation="6" dc:title="a \xc3\xa9"/>
<tiff:Orientation>6</tiff:Orientation></x:xmpmeta>"""


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("first", ["png", "jpg", "tif", "webp"])
def test_xmp_stays_but_for_which_way_was_up(first: str, deep: bool, tmp_path: Path) -> None:
    path = tmp_path / f"a.{first}"
    if deep and first in ("png", "tif"):
        write_photo(path, Photo(noise(9, 9, 3, deep=True), info=Info(xmp=XMP)))
    elif first in ("png", "tif"):
        write_photo(path, Photo(noise(9, 9, 3), info=Info(xmp=XMP)))
    else:
        Image.fromarray(noise(9, 9, 3)).save(path, xmp=XMP)
    with Image.open(path) if not deep else Image.new("L", (1, 1)) as image:
        assert deep or image.info["xmp"] == XMP  # others find it
    found = read_photo(path)
    assert b"Orientation" not in found.info.xmp
    assert b'dc:title="a \xc3\xa9"' in found.info.xmp
    for name in ("b.png", "b.tif", "b.jpg", "b.webp"):
        assert (
            read_photo(write_photo(tmp_path / name, Photo(noise(9, 9, 3), info=found.info))).info.xmp == found.info.xmp
        )


def test_texts_of_a_png_stay_wherever_they_stand(tmp_path: Path) -> None:
    from PIL.PngImagePlugin import PngInfo

    notes = PngInfo()
    notes.add_text("Title", "first")
    notes.add_text("Comment", "long " * 100, zip=True)
    notes.add_itxt("Author", "Zoë", "de", "Urheber")
    notes.add_text("Raw profile type exif", "an orientation that is no longer so")
    Image.fromarray(noise(9, 9, 3)).save(tmp_path / "a.png", pnginfo=notes)
    whole = (tmp_path / "a.png").read_bytes()
    last = b"tEXtdate:create\0today"
    late = (len(last) - 4).to_bytes(4, "big") + last + zlib.crc32(last).to_bytes(4, "big")
    (tmp_path / "a.png").write_bytes(whole[:-12] + late + whole[-12:])
    found = read_photo(tmp_path / "a.png")
    for deep in (False, True):
        path = write_photo(tmp_path / "b.png", Photo(noise(9, 9, 3, deep=deep), info=found.info))
        with Image.open(path) as image:
            expected = {"Title": "first", "Comment": "long " * 100, "Author": "Zoë", "date:create": "today"}
            assert image.text == expected  # type: ignore[attr-defined]
            assert image.text["Author"].lang == "de"  # type: ignore[attr-defined]
    (tmp_path / "c.png").write_bytes(whole[:60])
    with pytest.raises(BadInput):
        read_photo(tmp_path / "c.png")
    assert write_photo(tmp_path / "d.jpg", found).is_file()


@pytest.mark.parametrize("notes", [b"Exif\0\0", b"Exif\0\0nonsense", b"Exif\0\0II*\0\xff\xff\xff\xff", b"\0" * 40])
def test_broken_notes_of_a_camera_are_no_reason_to_refuse(notes: bytes, tmp_path: Path) -> None:
    Image.fromarray(noise(9, 9, 3)).save(tmp_path / "a.jpg", exif=notes, icc_profile=b"no profile")
    found = read_photo(tmp_path / "a.jpg")
    assert found.info.icc == b""
    write_photo(tmp_path / "b.png", found)


def test_losses_of_a_format_are_noted(tmp_path: Path) -> None:
    given = Photo(np.zeros((4, 4, 1), np.uint16), np.zeros((4, 4), np.uint16))
    with pytest.warns(Note) as told:
        write_photo(tmp_path / "a.jpg", given)
    said = " ".join(str(warning.message) for warning in told)
    assert "cannot hold 16 bits, transparency; .png, .tif can" in said
    assert np.asarray(Image.open(tmp_path / "a.jpg")).tolist() == [[255] * 4] * 4  # on white
    frames = [Image.new("L", (3, 3), value) for value in (9, 200)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    with pytest.warns(Note, match="holds 2 pictures; the first"):
        found = read_photo(tmp_path / "a.gif")
    assert found.pixels.max() == 9


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("a.CR2", "raw file"),
        ("a.dng", "raw file"),
        ("a.heic", "save it as .jpg"),
        ("a.avif", "AVIF"),
        ("phone.jpg", "is HEIC in spite of its suffix"),
        ("a.png", "no such"),
    ],
)
def test_unsupported_formats_are_refused_in_one_line(name: str, says: str, tmp_path: Path) -> None:
    if "raw" in says:  # a raw file is a TIFF, whose first page is a tiny picture
        Image.new("L", (3, 3)).save(tmp_path / name, format="TIFF")
    if name == "phone.jpg":
        (tmp_path / name).write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    with pytest.raises(BadInput, match=says) as error:
        read_photo(tmp_path / name)
    assert str(error.value).startswith(str(tmp_path / name))
    assert "\n" not in str(error.value)


def test_a_failed_write_leaves_no_file(tmp_path: Path) -> None:
    wide: Any = Photo(np.zeros((1, 17000, 3), np.uint8))
    for name, says in (("a.webp", "16383 pixels a side"), ("a.gif", "it can end in .png"), ("a", "it can end in")):
        with pytest.raises(BadInput, match=says):
            write_photo(tmp_path / name, wide)
    with pytest.raises(BadInput, match="cannot be written"):
        write_photo(tmp_path / ("n" * 300 + ".png"), wide)
    assert list(tmp_path.iterdir()) == []
