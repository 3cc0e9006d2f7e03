"""Options, errors, masks, metrics and memory are the same for all kinds of videos."""

from __future__ import annotations

import importlib.util
import signal
import threading
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch.nn.functional as F
from helpers.restoration import RANDOM, StandIn, noise
from helpers.videos import IDENTITY, NEGATIVE, gif, needs_av, nothing_left, video
from torch import Tensor

import isthmus
from isthmus.errors import BadInput, Note
from isthmus.jobs.restoration.films import Flicker
from isthmus.media.image_file import read_photo, write_photo
from isthmus.media.photo import Photo


def stack(name: str, frames: list[np.ndarray]) -> str:
    with tifffile.TiffWriter(name) as file:
        for frame in frames:
            file.write(frame, metadata=None, contiguous=False)
    return name


def test_invalid_options_are_refused_before_the_work() -> None:
    stack("a.tif", [noise(9, 9)] * 3)
    stack("there.tif", [noise(9, 9)] * 3)
    stack("short.tif", [noise(9, 9)] * 2)
    write_photo("b.png", Photo(noise(9, 9, 1)))
    never = StandIn(lambda x, **side: pytest.fail("worked"))
    cases: list[tuple[dict[str, Any], str]] = [
        ({}, "is a video, so out is needed"),
        ({"out": "there.tif"}, "exists already"),
        ({"out": "b.gif"}, "it can end in .tif"),
        ({"out": "out"}, "it can end in .tif"),
        ({"out": "out.tif", "side_by_side": True}, "masks and side-by-side images are not written"),
        ({"out": "out.tif", "truth": "b.png"}, "b.png: not a film"),
    ]
    for how, says in cases:
        with pytest.raises(BadInput, match=says):
            isthmus.denoise("a.tif", model=never, **how)
    with pytest.raises(BadInput, match="frame 3: the truth has fewer frames"):
        isthmus.denoise("a.tif", model=IDENTITY, out="out.tif", truth="short.tif")
    with pytest.raises(TypeError, match="strenght"):
        isthmus.denoise("a.tif", model=never, out="out.tif", strenght=1)  # type: ignore[call-arg]
    assert nothing_left()


@pytest.mark.parametrize("suffix", [".tif", ".gif", pytest.param(".mp4", marks=needs_av)])
def test_an_error_in_a_video_leaves_no_files(suffix: str) -> None:
    frames = [noise(48, 64) for _ in range(5)]
    name = f"a{suffix}"
    if suffix == ".mp4":
        video(name, [np.repeat(frame[..., None], 3, -1) for frame in frames])
    else:
        gif(name, frames) if suffix == ".gif" else stack(name, frames)
    done: list[int] = []

    def net(x: Tensor) -> Tensor:
        done.append(1)
        if len(done) == 3:
            raise KeyboardInterrupt
        return x

    with pytest.raises(KeyboardInterrupt):
        isthmus.denoise(name, model=StandIn(net), out=f"out{suffix}")
    assert nothing_left()


def test_a_full_disk_leaves_nothing() -> None:
    resource = pytest.importorskip("resource")
    if threading.current_thread() is not threading.main_thread():
        pytest.skip("signals are for the main thread")
    frames = [noise(48, 64) for _ in range(5)]
    kinds = [gif("a.gif", frames), stack("a.tif", frames)]
    if importlib.util.find_spec("av"):
        kinds.append(video("a.mp4", [noise(48, 64, 3) for _ in range(9)]))
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, before[1]))
    try:
        for name in kinds:
            with pytest.raises(BadInput, match=r"out\..*cannot be written"):
                isthmus.denoise(name, model=IDENTITY, out="out" + Path(name).suffix)
            assert nothing_left()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_masks_go_by_the_number_of_the_frame() -> None:
    frames = [noise(12, 16) for _ in range(4)]
    stack("a.tif", frames)
    hole = np.zeros((12, 16), bool)
    hole[3:6, 4:9] = True
    write_photo("mask.png", Photo((hole * 255).astype(np.uint8)[..., None]))
    isthmus.inpaint("a.tif", "mask.png", model=NEGATIVE, out="out.tif")
    for x, y in zip(frames, tifffile.imread("out.tif"), strict=True):
        assert np.array_equal(y, np.where(hole, 255 - x, x))
    for first in (0, 1):
        own = Path(f"masks{first}")
        for number in (0, 1, 3):
            shifted = np.roll(hole, number, 1)
            write_photo(own / f"take2_{number + first:04d}.png", Photo((shifted * 255).astype(np.uint8)[..., None]))
        with pytest.warns(Note, match="frame 3: has no hole"):
            isthmus.inpaint("a.tif", own, model=NEGATIVE, out="out.tif", force=True)
        for number, (x, y) in enumerate(zip(frames, tifffile.imread("out.tif"), strict=True)):
            expected = x if number == 2 else np.where(np.roll(hole, number, 1), 255 - x, x)
            assert np.array_equal(y, expected)
    write_photo("words/a.png", read_photo("mask.png"))
    with pytest.raises(BadInput, match="words: no mask there has a frame number"):
        isthmus.inpaint("a.tif", "words", model=NEGATIVE, out="out.tif", force=True)
    stack("long.tif", [noise(12, 16) for _ in range(9)])
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        isthmus.inpaint("long.tif", np.zeros((12, 16)), model=NEGATIVE, out="out.tif", force=True)
        isthmus.inpaint("long.tif", "masks1", model=NEGATIVE, out="out.tif", force=True)
    assert len(told) == 1 + 3 + 1
    assert "and 3 more" in str(told[-1].message)


def test_flicker_is_the_sigma_of_changes_between_frames() -> None:
    scene = np.clip(np.add.outer(np.arange(120), np.arange(160))[..., None] * 0.5 + 50, 0, 255)
    for sigma in (3, 20):
        still, moving, deep = Flicker(), Flicker(), Flicker()
        for number in range(6):
            x = scene + 4 * number + sigma * RANDOM.normal(size=scene.shape)  # a light that grows is no flicker
            still.add(np.clip(np.rint(x), 0, 255).astype(np.uint8))
            deep.add(np.clip(np.rint(x * 257), 0, 65535).astype(np.uint16))
            x[20:60, 20 * number : 20 * number + 40] = 255 * (number % 2)
            moving.add(np.clip(np.rint(x), 0, 255).astype(np.uint8))
        assert still.figure() == pytest.approx(sigma, rel=0.05)
        assert deep.figure() == pytest.approx(sigma, rel=0.05)
        assert moving.figure() == pytest.approx(sigma, rel=0.1)
    few = Flicker()
    few.add(scene)
    few.add(scene)
    assert few.figure() is None


def test_figures_are_means_over_frames() -> None:
    clean = [np.full((32, 40), 20 * number + 40, np.uint8) for number in range(5)]
    noisy = [np.clip(x + 10 * RANDOM.normal(size=x.shape), 0, 255).astype(np.uint8) for x in clean]
    stack("clean.tif", clean)
    stack("noisy.tif", noisy)
    rows: list[dict[str, Any]] = []
    smooth = StandIn(lambda x: F.avg_pool2d(F.pad(x, (2, 2, 2, 2), "reflect"), 5, 1), 1)
    isthmus.denoise("noisy.tif", model=smooth, out="out.tif", truth="clean.tif", each=rows.append)
    (row,) = rows
    assert row["frames"] == 5
    assert row["file"] == "noisy.tif"
    errors = [((a / 255.0 - b / 255.0) ** 2).mean() for a, b in zip(noisy, clean, strict=True)]
    assert row["psnr_before"] == pytest.approx(np.mean([-10 * np.log10(error) for error in errors]), rel=1e-4)
    assert row["psnr"] > row["psnr_before"] + 6
    assert row["ssim"] > row["ssim_before"]
    assert row["sigma"] == pytest.approx(10, rel=0.2)
    assert row["flicker_before"] == pytest.approx(10, rel=0.2)
    assert row["flicker_after"] < 4


def test_no_more_than_a_few_frames_are_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every picture that was read is gone again a few frames later."""
    import weakref

    from isthmus.media.video.animation import Pages

    alive: list[weakref.ref] = []
    most = 0
    frames = Pages.frames

    def counted(self: Pages) -> Any:
        nonlocal most
        for frame in frames(self):
            alive.append(weakref.ref(frame.photo))
            most = max(most, sum(ref() is not None for ref in alive))
            yield frame

    monkeypatch.setattr(Pages, "frames", counted)
    stack("a.tif", [noise(20, 20) for _ in range(30)])
    isthmus.denoise("a.tif", model=IDENTITY, out="out.tif")
    assert len(alive) == 30
    assert most <= 4


def test_numbered_frames_are_a_folder_as_any_other() -> None:
    for number in range(3):
        write_photo(f"in/frame_{number:04d}.png", Photo(noise(9, 9, 3)))
    isthmus.denoise("in", model=NEGATIVE, out="out")
    for number in range(3):
        before, after = (read_photo(f"{place}/frame_{number:04d}.png").pixels for place in ("in", "out"))
        assert np.array_equal(after, 255 - before)
