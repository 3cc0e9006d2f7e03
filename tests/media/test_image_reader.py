"""Every kind of picture file is read to the right numbers, or refused in one line that names it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from isthmus.data import peek, pixels_of, read_picture
from isthmus.errors import BadInput
from isthmus.media import image_reader

RAMP = np.arange(6, dtype=np.uint8).reshape(2, 3) * 50
COLOR = np.stack([RAMP, RAMP[::-1], 255 - RAMP], -1)
DEEP = (np.arange(2 * 3 * 3).reshape(2, 3, 3) * 3001 + 7).astype(np.uint16)


GRAY_MODES, COLOUR_MODES = "1 L LA La", "P PA RGB RGBA RGBX RGBa CMYK YCbCr HSV LAB"


@pytest.mark.parametrize(
    ("mode", "channels"), [*((m, 1) for m in GRAY_MODES.split()), *((m, 3) for m in COLOUR_MODES.split())]
)
def test_white_is_white_in_every_8_bit_mode(mode: str, channels: int) -> None:
    """Made from white RGB, so that a wrong conversion (inverted ink, premultiplied alpha) shows."""
    steps = {"LA": ["L"], "PA": ["P"], "La": ["L", "LA"], "RGBa": ["RGBA"]}.get(mode, [])
    image = Image.new("RGB", (3, 2), (255, 255, 255))
    image.putpixel((0, 0), (255, 0, 0))
    if mode == "LAB":
        image = Image.new("LAB", (3, 2), (255, 128, 128))
    else:
        for step in [*steps, mode]:
            image = image.convert(step)
    pixels = pixels_of(image)
    assert pixels.shape == (2, 3, channels)
    assert pixels.dtype == np.uint8
    assert pixels[1].min() >= 254


def test_red_stays_red_through_palette_and_ink(save) -> None:
    for name, mode in [("a.tif", "CMYK"), ("b.png", "P"), ("c.tif", "YCbCr"), ("d.gif", "P")]:
        image = Image.new("RGB", (2, 2), (255, 0, 0)).convert(mode)
        red, green, blue = read_picture(save(image, name))[:, 0, 0].astype(int)
        assert red > 250, name
        assert green < 5, name
        assert blue < 5, name


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "webp", "ppm"])
def test_lossless_color_is_exact(save, suffix: str) -> None:
    path = save(COLOR, f"a.{suffix}", **({"lossless": True} if suffix == "webp" else {}))
    assert np.array_equal(read_picture(path), np.moveaxis(COLOR, -1, 0))
    assert peek(path)[:4] == (2, 3, False, False)


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "gif", "pgm"])
def test_gray_stays_one_channel(save, suffix: str) -> None:
    path = save(RAMP, f"a.{suffix}")
    assert np.array_equal(read_picture(path), RAMP[None])
    assert peek(path).gray


def test_alpha_is_laid_over_white(save) -> None:
    rgba = np.zeros((1, 3, 4), np.uint8)
    rgba[0, :, 3] = [0, 128, 255]
    assert read_picture(save(rgba, "a.png"))[0, 0].tolist() == [255, 127, 0]
    palette = Image.new("P", (2, 1))
    palette.putpalette([10, 20, 30, 40, 50, 60])
    palette.putpixel((1, 0), 1)
    path = save(palette, "p.png", transparency=0)
    assert read_picture(path)[:, 0].T.tolist() == [[255, 255, 255], [40, 50, 60]]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(save, orientation: int) -> None:
    """Against Pillow's own transposition, through a lossless format and the deep readers too."""
    from PIL import ImageOps

    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(COLOR, "a.png", exif=exif)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(path)))
    assert np.array_equal(read_picture(path), np.moveaxis(expected, -1, 0))
    assert peek(path)[:2] == expected.shape[:2]
    gray = RAMP.astype(np.uint16) * 200
    deep = read_picture(save(gray, "deep.png", exif=exif))
    rotated = np.asarray(ImageOps.exif_transpose(Image.open(save(RAMP, "b.png", exif=exif))))
    assert np.array_equal(deep[0], rotated.astype(np.uint16) * 200)


def test_a_turned_jpeg_is_seen_upright(save) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = save(np.full((8, 24, 3), 90, np.uint8), "a.jpg", exif=exif)
    assert read_picture(path).shape == (3, 24, 8)
    assert peek(path)[:2] == (24, 8)


def test_16_bit_color_png_is_exact(tmp_path: Path) -> None:
    import png

    path = tmp_path / "a.png"
    with path.open("wb") as file:
        png.Writer(3, 2, greyscale=False, bitdepth=16).write(file, DEEP.reshape(2, -1).tolist())
    assert peek(path)[:4] == (2, 3, False, True)
    pixels = read_picture(path)
    assert pixels.dtype == np.uint16
    assert np.array_equal(pixels, np.moveaxis(DEEP, -1, 0))


def test_16_bit_alpha_png(tmp_path: Path) -> None:
    import png

    path = tmp_path / "a.png"
    with path.open("wb") as file:
        writer = png.Writer(2, 1, greyscale=True, alpha=True, bitdepth=16)
        writer.write(file, [[1000, 0, 1000, 65535]])
    assert read_picture(path).tolist() == [[[65535, 1000]]]


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_16_bit_color_tiff_is_exact(tmp_path: Path, planar: str, order: str) -> None:
    pixels = DEEP if planar == "contig" else np.moveaxis(DEEP, -1, 0)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, pixels, photometric="rgb", planarconfig=planar, byteorder=order)
    assert np.array_equal(read_picture(path), np.moveaxis(DEEP, -1, 0))
    assert peek(path)[:4] == (2, 3, False, True)


def test_tiff_variants(tmp_path: Path) -> None:
    gray, path = DEEP[..., 0], tmp_path / "a.tif"
    tifffile.imwrite(path, np.stack([gray, gray + 1]), photometric="minisblack")  # the first page of several
    assert np.array_equal(read_picture(path), gray[None])
    tifffile.imwrite(path, gray, photometric="miniswhite")
    assert np.array_equal(read_picture(path), 65535 - gray[None])
    tifffile.imwrite(path, gray.astype(np.float32) / 65535)
    assert np.array_equal(read_picture(path), gray[None])
    tifffile.imwrite(path, gray, compression="zlib")
    assert np.array_equal(read_picture(path), gray[None])
    rgba = np.concatenate([DEEP, np.zeros((2, 3, 1), np.uint16)], -1)
    tifffile.imwrite(path, rgba, photometric="rgb", extrasamples=["unassalpha"])
    assert (read_picture(path) == 65535).all()
    tifffile.imwrite(path, gray.astype(np.float32))
    with pytest.raises(BadInput, match=r"a\.tif: values from 7 to .*accepted"):
        read_picture(path)
    tifffile.imwrite(path, -gray.astype(np.int32))
    with pytest.raises(BadInput, match="values from -"):
        read_picture(path)


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_deflate", "packbits"])
def test_deep_gray_tiff_in_other_compressions(save, compression: str) -> None:
    path = save(DEEP[..., 0], "a.tif", compression=compression)
    assert np.array_equal(read_picture(path), DEEP[None, ..., 0])


def test_16_bit_ppm(tmp_path: Path) -> None:
    path = tmp_path / "a.ppm"
    path.write_bytes(b"P6\n# made by hand\n3 2\n65535\n" + DEEP.astype(">u2").tobytes())
    assert np.array_equal(read_picture(path), np.moveaxis(DEEP, -1, 0))
    path.write_bytes(b"P3 1 1 1023 0 1023 511\n")
    assert read_picture(path).ravel().tolist() == [0, 65535, 32735]
    path.write_bytes(b"P6\n3 2\n65535\n" + DEEP.astype(">u2").tobytes()[:-4])
    with pytest.raises(BadInput, match="truncated"):
        read_picture(path)


@pytest.mark.parametrize("mode", ["I;16", "I;16B", "I", "F"])
def test_deep_gray_modes(mode: str) -> None:
    gray = DEEP[..., 0]
    image = Image.fromarray(gray.astype({"I": np.int32, "F": np.float32}.get(mode, np.uint16)))
    if mode == "I;16B":
        image = Image.frombytes("I;16B", (3, 2), gray.astype(">u2").tobytes())
    if mode == "F":
        image = Image.fromarray(gray.astype(np.float32) / 65535)
    assert np.array_equal(pixels_of(image)[..., 0], gray)


def test_first_frame_of_an_animation(save) -> None:
    frames = [Image.new("RGB", (4, 4), color) for color in ("red", "blue")]
    path = save(frames[0], "a.gif", save_all=True, append_images=frames[1:])
    assert read_picture(path)[:, 0, 0].tolist() == [255, 0, 0]


def test_names_of_pictures() -> None:
    assert image_reader.is_picture_name("A.JPeG")
    assert not image_reader.is_picture_name("a.txt")


ABSENT = "import sys; sys.modules['imagecodecs'] = None\n"
READ = """
import sys, numpy as np
from isthmus.media.image_reader import read_picture
from isthmus.errors import BadInput
expected = np.load('expected.npy')
for name in sys.argv[1:]:
    try:
        found = np.moveaxis(read_picture(name), 0, -1)
        print(name, 'exact' if np.array_equal(found, expected[..., : found.shape[-1]]) else 'other')
    except BadInput as error:
        print(name, error)
"""


def test_compressions_of_16_bits_with_imagecodecs_and_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """LZW is the first that editors offer; Pillow's libtiff knows it, but not what microscopes have."""
    import subprocess
    import sys

    codecs = pytest.importorskip("imagecodecs")
    monkeypatch.chdir(tmp_path)
    pixels = np.random.default_rng(0).integers(0, 65536, (20, 30, 3), np.uint16)
    np.save("expected.npy", pixels)
    kinds = ["lzw", "zstd", "zlib", "lzma"]
    for kind in kinds:
        tifffile.imwrite(f"rgb-{kind}.tif", pixels, photometric="rgb", compression=kind, predictor=True)
        tifffile.imwrite(f"gray-{kind}.tif", pixels[..., 0], compression=kind, predictor=True, byteorder=">")
    tifffile.imwrite("tiled-lzw.tif", pixels, photometric="rgb", compression="lzw", tile=(16, 16))
    tifffile.imwrite("rgb-jpegxl.tif", pixels, photometric="rgb", compression="jpegxl", compressionargs={"lossless": 1})
    planes = np.moveaxis(pixels, -1, 0)
    tifffile.imwrite("planes-lzw.tif", planes, photometric="rgb", planarconfig="separate", compression="lzw")
    packed = {"shape": (20, 30, 3), "dtype": "uint16", "bitspersample": 12, "rowsperstrip": 20, "photometric": "rgb"}
    tifffile.imwrite("rgb-packed.tif", iter([codecs.packints_encode(pixels >> 4, 12, runlen=90)]), **packed)
    names = sorted(path.name for path in tmp_path.glob("*.tif"))
    for head in ("", ABSENT):
        command = [sys.executable, "-c", head + READ, *names]
        lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
        told = dict(line.split(" ", 1) for line in lines)
        missing = {name for name, said in told.items() if "imagecodecs" in said}
        assert missing == ({"rgb-jpegxl.tif", "planes-lzw.tif", "rgb-packed.tif"} if head else set()), told
        assert {name for name, said in told.items() if said == "other"} == (set() if head else {"rgb-packed.tif"})
    assert told["rgb-packed.tif"].endswith("packed in 12 bits, which needs imagecodecs: pip install 'isthmus[tiff]'")
    assert told["rgb-jpegxl.tif"].endswith("compressed as JPEGXL, which needs imagecodecs: pip install 'isthmus[tiff]'")


def test_packed_12_bits_are_white_at_4095(tmp_path: Path) -> None:
    codecs = pytest.importorskip("imagecodecs")
    numbers = np.array([[0, 4095, 2048, 1], [7, 4095, 0, 9]], np.uint16)
    packed = codecs.packints_encode(numbers, 12, runlen=4)
    tifffile.imwrite(
        tmp_path / "a.tif",
        iter([packed]),
        shape=(2, 4),
        dtype="uint16",
        bitspersample=12,
        rowsperstrip=2,
        metadata=None,
    )
    found = read_picture(tmp_path / "a.tif")
    assert np.array_equal(found[0], (numbers.astype(int) * 65535 + 2047) // 4095)


def test_a_small_file_is_opened_once_for_its_header_and_once_for_its_pixels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [tmp_path / "a.png", tmp_path / "b.png"]
    for path in paths:
        Image.fromarray(np.zeros((8, 8), np.uint8)).save(path)
    opened: list[str] = []
    real = Path.open

    def counted(path: Path, *how: Any, **keys: Any) -> Any:
        opened.append(path.name)
        return real(path, *how, **keys)

    monkeypatch.setattr(Path, "open", counted)
    for path in paths:
        peek(path)
    assert opened == ["a.png", "b.png"]
    for path in paths:
        peek(path)
        read_picture(path)
    assert opened == ["a.png", "b.png"] * 2
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(paths[0])
    assert peek(paths[0]).height == 4, "a changed file is read again"
