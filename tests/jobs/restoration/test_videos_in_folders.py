"""A folder of pictures and films: each film under its own name, each picture as before."""

from __future__ import annotations

import importlib.util
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

import isthmus
from isthmus.data import open_data
from isthmus.errors import BadInput, Note
from isthmus.media.image_file import read_photo, write_photo
from isthmus.media.photo import Photo
from isthmus.media.video.open import film_like, open_video

RANDOM = np.random.default_rng(0)
NO_AV = importlib.util.find_spec("av") is None


class StandIn(nn.Module):
    shape, reach, stride = (3, 16, 16), 9, 1

    def __init__(self, scale: int = 1) -> None:
        super().__init__()
        self.scale = scale

    def restore(self, x: Tensor, **side: Tensor) -> Tensor:
        return 1 - F.interpolate(x, scale_factor=self.scale)


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_thread: None) -> None:
    monkeypatch.chdir(tmp_path)


def noise(*shape: int) -> np.ndarray:
    return RANDOM.integers(0, 256, shape, dtype=np.uint8)


def mixed() -> dict[str, list[np.ndarray]]:
    """The folder `in`, and the frames of its films."""
    films = {"stack.tif": [noise(16, 20) for _ in range(3)], "sub/moving.gif": [noise(16, 20) for _ in range(4)]}
    write_photo("in/photo.png", Photo(noise(16, 20, 3)))
    write_photo("in/sub/page.tif", Photo(noise(16, 20, 1)))
    with tifffile.TiffWriter("in/stack.tif") as file:
        for frame in films["stack.tif"]:
            file.write(frame, metadata=None, contiguous=False)
    images = [Image.fromarray(frame) for frame in films["sub/moving.gif"]]
    images[0].save("in/sub/moving.gif", save_all=True, append_images=images[1:], duration=40)
    return films


def notes_of(**how: Any) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        isthmus.denoise("in", model=StandIn(), out="out", **how)
    return [str(one.message) for one in caught if issubclass(one.category, Note)]


def frames_of(name: str) -> list[np.ndarray]:
    return [frame.photo.pixels[..., 0] for frame in open_video(name).frames()]


def test_films_among_pictures() -> None:
    films = mixed()
    rows: list[dict[str, Any]] = []
    assert notes_of(each=rows.append) == []
    assert {row["file"]: row.get("frames") for row in rows} == {
        "photo.png": None, "stack.tif": 3, "sub/moving.gif": 4, "sub/page.tif": None
    }  # fmt: skip
    for name, frames in films.items():
        assert np.array_equal(frames_of(f"out/{name}"), [255 - frame for frame in frames])
    for name, result in (("photo.png", "photo.png"), ("sub/page.tif", "sub/page.png")):
        assert np.array_equal(read_photo(f"out/{result}").pixels, 255 - read_photo(f"in/{name}").pixels)
    isthmus.upscale("in", model=StandIn(2), out="large")
    assert frames_of("large/stack.tif")[0].shape == (32, 40)


def test_resume_leaves_films_that_are_there() -> None:
    mixed()
    notes_of()
    Path("out/photo.png").unlink()
    before = Path("out/stack.tif").stat().st_mtime_ns
    rows: list[dict[str, Any]] = []
    notes_of(resume=True, each=rows.append)
    assert [row["file"] for row in rows] == ["photo.png"]
    assert Path("out/stack.tif").stat().st_mtime_ns == before


def test_a_broken_film_is_named_and_the_rest_is_done() -> None:
    mixed()
    Path("in/broken.gif").write_bytes(Path("in/sub/moving.gif").read_bytes()[:-300])
    caught = notes_of()
    assert any("1 broken of 5 files skipped: broken.gif" in note for note in caught)
    assert Path("out/stack.tif").exists()
    assert not Path("out/broken.gif").exists()


def test_neither_masks_nor_pairs_of_pictures_are_written_of_films() -> None:
    mixed()
    (note,) = notes_of(side_by_side=True)
    assert "for its 2 videos no side-by-side is written" in note
    assert Path("out/photo-side-by-side.png").exists()


def test_masks_of_films_in_a_folder() -> None:
    films = mixed()
    hole = np.zeros((16, 20), bool)
    hole[4:8, 5:9] = True
    mask = Photo((hole * 255).astype(np.uint8)[..., None])
    for name in ("photo", "sub/page", "stack", "sub/moving/frame_0002"):  # one for all frames, and of one frame
        write_photo(f"masks/{name}.png", mask)
    with pytest.warns(Note, match="moving.gif frame 1: has no hole"):
        isthmus.inpaint("in", "masks", model=StandIn(), out="out")
    expected = [np.where(hole, 255 - frame, frame) for frame in films["stack.tif"]]
    assert np.array_equal(frames_of("out/stack.tif"), expected)
    frames = films["sub/moving.gif"]
    assert np.array_equal(frames_of("out/sub/moving.gif")[1], np.where(hole, 255 - frames[1], frames[1]))
    assert np.array_equal(frames_of("out/sub/moving.gif")[0], frames[0])
    Path("masks/stack.png").unlink()
    with pytest.warns(Note, match=r"1 broken of 4 .*stack.tif \(there is no mask of this name in masks"):
        isthmus.inpaint("in", "masks", model=StandIn(), out="out", force=True)


@pytest.mark.skipif(NO_AV, reason="PyAV (isthmus[film]) is not installed")
def test_videos_among_pictures_and_their_truth() -> None:
    import av

    mixed()
    with av.open("in/sub/a.mp4", "w") as out:
        stream = out.add_stream("libx264", 25, width=32, height=16)
        for _ in range(3):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((16, 32, 3), 90, np.uint8), "rgb24")))
        out.mux(stream.encode(None))
    with av.open("in/b.ogv", "w", format="ogg") as out:
        stream = out.add_stream("libvpx", 25, width=32, height=16)
        for _ in range(3):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((16, 32, 3), 90, np.uint8), "rgb24")))
        out.mux(stream.encode(None))
    rows: list[dict[str, Any]] = []
    notes_of(each=rows.append, truth="in")
    assert {row["file"]: row.get("frames") for row in rows if "psnr" in row}["sub/a.mp4"] == 3
    assert len(frames_of("out/sub/a.mp4")) == len(frames_of("out/b.ogv.mkv")) == 3
    film = open_video("in/sub/a.mp4")
    with film_like(film, Path("again.mp4")) as put:
        for frame in film.frames():
            put(frame.photo, frame)
    assert len(frames_of("again.mp4")) == 3


def test_training_leaves_videos_out_with_a_note() -> None:
    mixed()
    Path("in/a.mp4").write_bytes(b"film")
    assert any("in/: 1 film is left out; frames of films are used once" in note for note in open_data("in").notes)
    Path("only").mkdir()
    Path("only/a.mts").write_bytes(b"film")
    with pytest.raises(BadInput, match=r"it holds .mts; frames of films are used once they are saved as pictures"):
        open_data("only")
