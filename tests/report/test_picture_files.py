import io
import re
from base64 import b64decode

import numpy as np
import pytest
import tifffile
from PIL import Image

from isthmus.errors import BadInput
from isthmus.report import as_pictures, data_uri, grid, rows, to_image, write_gif, write_picture

GRAY16 = (np.arange(12, dtype=np.uint16).reshape(1, 3, 4) * 5431) % 65521
COLOR16 = (np.arange(36, dtype=np.uint16).reshape(3, 3, 4) * 1811) % 65521


def test_floats_are_clipped_and_rounded():
    picture = np.array([[-1.0, 0.0, 0.5], [1.0, 2.0, np.nan]])
    assert np.asarray(to_image(picture)).tolist() == [[0, 0, 128], [255, 255, 0]]


@pytest.mark.parametrize(
    ("channels", "mode", "pixel"),
    [(1, "L", 10), (2, "L", 15), (3, "RGB", (10, 20, 30)), (5, "RGB", (10, 20, 30))],
)
def test_channels(channels, mode, pixel):
    picture = np.arange(10, 10 * channels + 1, 10, dtype=np.uint8).reshape(-1, 1, 1).repeat(2, axis=2)
    image = to_image(picture)
    assert (image.mode, image.size, image.getpixel((1, 0))) == (mode, (2, 1), pixel)


def test_tensors_of_every_float_type():
    torch = pytest.importorskip("torch")
    for kind in (torch.float32, torch.bfloat16):
        assert to_image(torch.ones(1, 2, 2, dtype=kind, requires_grad=True)).getpixel((0, 0)) == 255


@pytest.mark.parametrize("wrong", [np.zeros(3), np.zeros((2, 2, 2, 2)), np.zeros((0, 4)), np.zeros((2, 2), int)])
def test_no_picture(wrong):
    with pytest.raises(BadInput, match=r"(is|are) no picture"):
        to_image(wrong)


def test_tables_are_squares_or_strips():
    assert as_pictures(np.zeros((5, 784))).shape == (5, 1, 28, 28)
    assert as_pictures(np.zeros((5, 13))).shape == (5, 1, 1, 13)
    assert as_pictures(np.zeros((5, 3, 4))).shape == (5, 1, 3, 4)
    with pytest.raises(BadInput, match="cannot be drawn"):
        as_pictures(np.zeros(5))


def test_grid_is_exact_to_the_pixel():
    tiles = np.array([[[[0, 255], [100, 50]]], [[[1, 2], [3, 4]]], [[[9, 9], [9, 9]]]], np.uint8)
    sheet = np.asarray(grid(tiles, columns=2, scale=3, gap=1))
    assert sheet.shape == (13, 13, 4)
    assert (sheet[:6, :6, 0] == np.kron(tiles[0, 0], np.ones((3, 3)))).all()
    assert (sheet[:6, 7:, 1] == np.kron(tiles[1, 0], np.ones((3, 3)))).all()
    opaque = np.zeros((13, 13), bool)
    opaque[:6, :6] = opaque[:6, 7:] = opaque[7:, :6] = True
    assert ((sheet[..., 3] == 255) == opaque).all()
    assert (sheet[~opaque] == 0).all()


@pytest.mark.parametrize(("side", "shown"), [(8, 72), (28, 56), (32, 64), (36, 72), (50, 50), (300, 300)])
def test_tiles_are_enlarged_and_never_shrunk(side, shown):
    assert grid(np.zeros((1, 1, side, side))).size == (shown, shown)


def test_rows_stack_and_small_ones_grow():
    small, large = np.ones((2, 1, 2, 2)), np.ones((2, 3, 4, 4))
    sheet = rows(small, list(large), scale=1, gap=0)
    assert sheet.size == (8, 8)
    assert (np.asarray(sheet) == 255).all()
    with pytest.raises(BadInput, match="unequal length cannot be stacked: 2, 1"):
        rows(small, small[:1])
    with pytest.raises(BadInput, match="no images to draw"):
        grid([])


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".TIFF"])
@pytest.mark.parametrize("channels", [1, 3])
def test_8_bits_are_lossless(tmp_path, suffix, channels):
    picture = np.random.default_rng(0).integers(0, 256, (channels, 5, 7), dtype=np.uint8)
    path = write_picture(tmp_path / f"a{suffix}", picture)
    back = np.asarray(Image.open(path))
    assert (back.reshape(5, 7, channels) == picture.transpose(1, 2, 0)).all()


@pytest.mark.parametrize("suffix", [".jpg", ".webp"])
def test_lossy_formats_follow_from_the_suffix(tmp_path, suffix):
    with Image.open(write_picture(tmp_path / f"a{suffix}", grid(np.ones((3, 1, 8, 8))))) as image:
        assert image.format == {".jpg": "JPEG", ".webp": "WEBP"}[suffix]
        assert image.convert("RGB").getpixel((100, 100)) == (255, 255, 255) or suffix == ".webp"


@pytest.mark.parametrize("picture", [GRAY16, COLOR16], ids=["gray", "color"])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_16_bits_are_lossless(tmp_path, picture, suffix):
    path = write_picture(tmp_path / f"a{suffix}", picture / 65535, bits=16)
    if suffix == ".tif":
        back = tifffile.imread(path).reshape(3, 4, -1)
    else:
        import png

        width, height, lines, info = png.Reader(str(path)).read()
        assert (width, height, info["bitdepth"]) == (4, 3, 16)
        back = np.array([list(line) for line in lines]).reshape(3, 4, -1)
    assert (back == picture.transpose(1, 2, 0)).all()


@pytest.mark.parametrize(("name", "bits"), [("a.xyz", 8), ("a", 8), ("a.jpg", 16), ("a.png", 12)])
def test_the_error_of_a_wrong_suffix_lists_the_accepted_ones(tmp_path, name, bits):
    with pytest.raises(BadInput, match=f"{re.escape(name)}: not a name for a picture of {bits} bits"):
        write_picture(tmp_path / name, np.zeros((2, 2)), bits)
    assert not list(tmp_path.iterdir())


def test_nothing_is_left_behind(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="cannot be written"):
        write_picture(tmp_path / "file" / "a.png", np.zeros((2, 2)))

    def half(path, *_):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("isthmus.media.image_file.write_png", half)
    with pytest.raises(BadInput, match="no space left"):
        write_picture(tmp_path / "b.png", np.zeros((2, 2)))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_gif(tmp_path):
    frames = [np.full((1, 4, 6), level) for level in (0.0, 0.5, 1.0)]
    with Image.open(write_gif(tmp_path / "a.gif", frames, milliseconds=120, scale=2)) as film:
        assert (film.n_frames, film.size, film.info["duration"], film.info["loop"]) == (3, (12, 8), 120, 0)
        for i, level in enumerate((0, 128, 255)):
            film.seek(i)
            assert film.convert("L").getpixel((5, 5)) == level
    with pytest.raises(BadInput, match=r"ends in \.gif"):
        write_gif(tmp_path / "a.png", frames)
    with pytest.raises(BadInput, match="all of one size"):
        write_gif(tmp_path / "b.gif", [*frames, np.zeros((2, 2))])


def test_data_uri_is_lossless():
    for image in (grid(np.random.default_rng(0).random((3, 1, 4, 4))), grid(np.random.rand(3, 3, 4, 4))):
        start, data = data_uri(image).split(",")
        assert start == "data:image/png;base64"
        assert (np.asarray(Image.open(io.BytesIO(b64decode(data))).convert("RGBA")) == np.asarray(image)).all()
