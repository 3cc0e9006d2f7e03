"""An unchanged image is copied to the byte if its format is kept, else equal to the bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import isthmus
from isthmus import models
from isthmus.errors import Note

needs_models = pytest.mark.skipif("unwatermark" not in models.names(), reason="unwatermark is not shipped yet")
pytestmark = pytest.mark.filterwarnings("ignore::isthmus.errors.Note")


@pytest.fixture
def clean(tmp_path: Path) -> Path:
    """A folder of one smooth picture as .jpg with a comment and EXIF, .png, .webp, and a JPEG that is called .png."""
    slope = np.add.outer(np.arange(64), np.arange(96))[..., None] * np.array([1.0, 0.7, 0.4])
    image, exif = Image.fromarray(slope.astype(np.uint8)), Image.Exif()
    exif[0x0112] = 6  # lies on its side
    folder = tmp_path / "in"
    folder.mkdir()
    image.save(folder / "a.jpg", quality=93, exif=exif, comment=b"mine")
    image.save(folder / "b.png")
    image.save(folder / "c.webp", lossless=True)
    (folder / "d.png").write_bytes((folder / "a.jpg").read_bytes())
    return folder


@needs_models
@pytest.mark.parametrize("verb", ["denoise", "unwatermark", "inpaint"])
def test_a_file_is_copied(verb: str, clean: Path, tmp_path: Path) -> None:
    for name, size in (("a.jpg", (64, 96)), ("b.png", (96, 64)), ("c.webp", (96, 64))):
        mask = tmp_path / "mask.png"
        Image.new("L", size).save(mask)
        more = (mask,) if verb == "inpaint" else ()
        out = getattr(isthmus, verb)(clean / name, *more, out=tmp_path / verb / name)
        assert out.read_bytes() == (clean / name).read_bytes()


def test_unchanged_files_of_the_same_format_are_copied_in_folders(clean: Path, tmp_path: Path) -> None:
    isthmus.denoise(clean, out=tmp_path / "out")
    assert (tmp_path / "out" / "b.png").read_bytes() == (clean / "b.png").read_bytes()
    assert np.array_equal(np.asarray(Image.open(tmp_path / "out" / "c.png")), np.asarray(Image.open(clean / "c.webp")))
    assert Image.open(tmp_path / "out" / "d.png").format == "PNG"  # of a JPEG, whatever it is called
    isthmus.denoise(clean, out=tmp_path / "jpg", format="jpg")
    assert (tmp_path / "jpg" / "a.jpg").read_bytes() == (clean / "a.jpg").read_bytes()
    isthmus.denoise(clean, out=tmp_path / "quality", format="jpg", jpeg_quality=50)  # which is asked for
    assert (tmp_path / "quality" / "a.jpg").read_bytes() != (clean / "a.jpg").read_bytes()


def test_a_moving_picture_is_not_copied_for_its_first_frame(clean: Path, tmp_path: Path) -> None:
    frame = Image.open(clean / "b.png")
    frame.save(tmp_path / "moving.webp", save_all=True, append_images=[frame.rotate(180)], lossless=True)
    isthmus.denoise(tmp_path / "moving.webp", out=tmp_path / "first.webp")
    assert not getattr(Image.open(tmp_path / "first.webp"), "is_animated", False)


def test_a_film_is_copied(clean: Path, tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    pixels = np.asarray(Image.open(clean / "b.png"))
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=10)
        stream.height, stream.width, stream.pix_fmt = *pixels.shape[:2], "yuv420p"
        frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
        for packet in (*stream.encode(frame), *stream.encode()):
            container.mux(packet)
    with pytest.warns(Note, match="^no model"):
        isthmus.denoise(tmp_path / "a.mkv", out=tmp_path / "b.mkv")
    assert (tmp_path / "b.mkv").read_bytes() == (tmp_path / "a.mkv").read_bytes()
