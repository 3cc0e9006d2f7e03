"""Films of every kind through the verbs of restoration, with stand-ins for the nets."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import threading
import warnings
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

import isthmus
from isthmus.cli import main
from isthmus.errors import BadInput, Note
from isthmus.jobs.restoration.films import Flicker
from isthmus.media.image_file import read_photo, write_photo
from isthmus.media.photo import Photo
from isthmus.media.video.open import open_video

GATHERED = 0x20 | 0x2000 | 0x4000 | 0x40000  # FFmpeg's scaler: chroma is the mean, exactly
RANDOM = np.random.default_rng(0)
needs_av = pytest.mark.skipif(importlib.util.find_spec("av") is None, reason="PyAV (isthmus[film]) is not installed")
STEPS = [512, 1024, 300, 700, 512, 4000, 512]  # of 12800 a second
CLEAN = np.repeat(np.repeat(RANDOM.integers(40, 200, (6, 8, 3), dtype=np.uint8), 8, 0), 8, 1)


class StandIn(nn.Module):
    def __init__(self, function: Callable[..., Tensor], channels: int = 3, scale: int = 1) -> None:
        super().__init__()
        self.function, self.shape, self.scale = function, (channels, 16, 16), scale
        self.reach, self.stride = 9, 1

    def restore(self, x: Tensor, **side: Tensor) -> Tensor:
        return self.function(x, **side)


IDENTITY, NEGATIVE = StandIn(lambda x, **side: x), StandIn(lambda x, **side: 1 - x)
TWICE = StandIn(lambda x: F.interpolate(x, scale_factor=2), scale=2)


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_thread: None) -> None:
    monkeypatch.chdir(tmp_path)


def noise(*shape: int, deep: bool = False) -> np.ndarray:
    return RANDOM.integers(0, 65536 if deep else 256, shape, dtype=np.uint16 if deep else np.uint8)


def nothing_left(*but: str) -> bool:
    return not [name for name in os.listdir() if name.startswith(".") or (name.startswith("out") and name not in but)]


# -- videos --


def video(name: str, frames: list[np.ndarray], sound: str = "aac", codec: str = "libx264", turn: float = 0) -> str:
    """At the uneven times of STEPS, in BT.709, with a tone."""
    import av

    with av.open(name, "w") as out:
        tick = Fraction(1, 25 if name.endswith(".avi") else 12800)
        height, width = frames[0].shape[:2]
        stream = out.add_stream(codec, 25, time_base=tick, width=width, height=height)
        stream.pix_fmt, stream.codec_context.colorspace, stream.codec_context.color_range = "yuv420p", 1, 1
        stream.options = {"crf": "1", "bf": "0"}
        if turn:
            stream.set_display_rotation(turn)
        tone = out.add_stream(sound, rate=48000)
        tone.metadata["language"] = "fra"
        out.metadata["title"] = "Sea"
        start = 0
        for number, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels, "rgb24")
            frame = frame.reformat(format="yuv420p", dst_colorspace=1, dst_color_range=1, interpolation=GATHERED)
            frame.pts, frame.time_base = start, tick
            start += 1 if name.endswith(".avi") else STEPS[number % len(STEPS)]
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
        for number in range(8):
            part = av.AudioFrame.from_ndarray(np.full((2, 1152), 0.1 * number, np.float32), "fltp", "stereo")
            part.sample_rate, part.pts, part.time_base = 48000, number * 1152, Fraction(1, 48000)
            out.mux(tone.encode(part))
        out.mux(tone.encode(None))
    return name


def seen(name: str) -> tuple[list[np.ndarray], list[Fraction], list[bytes], Any]:
    """Pixels H×W×3, times, the packets of the sound, and what is said of it all."""
    import av

    with av.open(name) as film:
        stream = film.streams.video[0]
        frames = list(film.decode(stream))
        # Of an AVI only these times are in the file; the others are guessed from the codec.
        times = [(frame.dts if name.endswith(".avi") else frame.pts) * stream.time_base for frame in frames]
        said = (film.duration, film.metadata.get("title"), film.streams.audio[0].metadata.get("language"))
        said = (*said, stream.codec_context.colorspace, stream.codec_context.name)
    with av.open(name) as film:
        sound = [bytes(packet) for packet in film.demux(film.streams.audio[0]) if packet.size]
    return [frame.photo.pixels for frame in open_video(name).frames()], times, sound, said


@needs_av
@pytest.mark.parametrize(
    ("name", "sound", "codec"),
    [
        ("a.mp4", "aac", "libx264"),
        ("a.mov", "aac", "libx264"),
        ("a.mkv", "aac", "libx264"),
        ("a.avi", "libmp3lame", "mpeg4"),
        ("a.webm", "libopus", "libvpx-vp9"),
    ],
)
def test_sound_times_and_colors_of_a_video_stay(name: str, sound: str, codec: str) -> None:
    frames = [np.roll(CLEAN, 8 * number, 1) for number in range(9)]
    video(name, frames, sound=sound, codec=codec)
    out = f"out{Path(name).suffix}"
    assert isthmus.denoise(name, model=IDENTITY, out=out) == Path(out)
    before, after = seen(name), seen(out)
    assert after[1] == before[1]
    assert after[2] == before[2]
    assert after[3][1:4] == before[3][1:4]
    assert after[3][0] == pytest.approx(before[3][0], abs=100_000 if name == "a.avi" else 1500)  # µs
    assert len(after[0]) == 9
    for x, y in zip(before[0], after[0], strict=True):
        assert np.abs(x.astype(int) - y).mean() < 3  # 6 where the chroma moves by a pixel
        assert np.abs(x.astype(float).mean((0, 1)) - y.mean((0, 1))).max() < 0.7  # no color shift
    assert nothing_left(out)


@needs_av
def test_another_kind_of_video_may_be_written() -> None:
    video("a.mp4", [CLEAN] * 4)
    isthmus.denoise("a.mp4", model=NEGATIVE, out="out.webm")
    frames, times, sound, said = seen("out.webm")
    assert said[-1] == "vp9"
    assert sound
    assert np.abs(frames[0].astype(int) + CLEAN - 255).mean() < 3
    assert [round(float(time), 3) for time in times] == [0, 0.04, 0.12, 0.143]


@needs_av
def test_a_video_is_upright_and_of_even_sides() -> None:
    import av

    if not hasattr(av.video.stream.VideoStream, "set_display_rotation"):
        pytest.skip("this PyAV cannot write a film that is turned")
    video("a.mp4", [CLEAN] * 2, turn=90)
    isthmus.upscale("a.mp4", model=TWICE, out="out.mp4")
    frame = seen("out.mp4")[0][0]
    assert frame.shape == (128, 96, 3)
    assert np.abs(frame[::2, ::2].astype(int) - np.rot90(CLEAN)).mean() < 2
    video("odd.webm", [CLEAN[:47, :63]] * 2, sound="libopus", codec="libvpx-vp9")
    isthmus.denoise("odd.webm", model=IDENTITY, out="out.webm")
    assert seen("out.webm")[0][0].shape == (47, 63, 3)
    with pytest.warns(Note, match="64×48"):
        isthmus.denoise("odd.webm", model=IDENTITY, out="out.mov")
    frame = seen("out.mov")[0][0]
    assert frame.shape == (48, 64, 3)
    assert np.abs(frame[-1].astype(int) - frame[-2]).mean() < 3


@needs_av
def test_a_broken_video_is_refused_in_one_line() -> None:
    import av

    frames = [noise(48, 64, 3) for _ in range(12)]
    video("a.mp4", frames)
    video("a.mkv", frames * 3)
    with av.open("a.mp4") as source, av.open("fast.mp4", "w", options={"movflags": "faststart"}) as out:
        streams = {stream: out.add_stream_from_template(stream) for stream in source.streams}
        for packet in source.demux():
            if packet.size:
                packet.stream = streams[packet.stream]
                out.mux(packet)
    for name, part, says in (("a.mp4", 0.6, "broken"), ("fast.mp4", 0.6, "of 12 frames"), ("a.mkv", 0.4, "ends after")):
        Path("cut" + Path(name).suffix).write_bytes(Path(name).read_bytes()[: int(Path(name).stat().st_size * part)])
        with pytest.raises(BadInput, match=says) as error:
            isthmus.denoise("cut" + Path(name).suffix, model=IDENTITY, out="out.mp4")
        assert "\n" not in str(error.value)
    Path("text.mp4").write_text("no film")
    with av.open("sound.mp4", "w") as out:
        tone = out.add_stream("aac", rate=48000)
        part = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), "fltp", "stereo")
        part.sample_rate = 48000
        out.mux(tone.encode(part))
        out.mux(tone.encode(None))
    for name, says in (("text.mp4", "not a film"), ("sound.mp4", "no frames"), ("none.mp4", "no such file")):
        with pytest.raises(BadInput, match=says):
            isthmus.denoise(name, model=IDENTITY, out="out.mp4")
    assert nothing_left()


def test_without_pyav_one_line_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    Path("a.mp4").write_bytes(b"1234")
    with pytest.raises(BadInput, match=r"a.mp4: a video needs PyAV: pip install 'isthmus\[film\]'"):
        isthmus.denoise("a.mp4", model=IDENTITY, out="out.mp4")


# -- animations and stacks of pages --


def gif(name: str, frames: list[np.ndarray], **how: Any) -> str:
    images = [Image.fromarray(frame) for frame in frames]
    images[0].save(name, save_all=True, append_images=images[1:], **how)
    return name


def gif_frames(name: str) -> tuple[list[np.ndarray], list[int], Any]:
    frames, times = [], []
    with Image.open(name) as image:
        for number in range(image.n_frames):
            image.seek(number)
            frames.append(np.asarray(image.convert("RGBA")))
            times.append(image.info["duration"])
        return frames, times, image.info.get("loop")


def test_a_gif_keeps_its_times_its_loop_and_its_colors() -> None:
    times = [40, 100, 70, 500]
    color = [np.roll(CLEAN, number, 1) for number in range(4)]
    clear = [np.dstack([frame, np.where(np.arange(64) < 20 + number, 255, 0) * np.ones((48, 1))]) for number, frame in
             enumerate(color)]  # fmt: skip
    cases = {
        "color": (color, {"loop": 3}),
        "gray": ([noise(40, 30) for _ in range(4)], {}),
        "clear": ([frame.astype(np.uint8) for frame in clear], {"loop": 0, "disposal": 2}),
    }
    for name, (frames, how) in cases.items():
        gif(f"{name}.gif", frames, duration=times, **how)
        isthmus.denoise(f"{name}.gif", model=NEGATIVE, out=f"out-{name}.gif")
        before, after = gif_frames(f"{name}.gif"), gif_frames(f"out-{name}.gif")
        assert after[1:] == before[1:] == (times, how.get("loop"))
        for x, y in zip(before[0], after[0], strict=True):
            shown = x[..., 3] > 0
            assert np.array_equal(x[..., 3], y[..., 3])
            assert np.array_equal(255 - x[shown, :3], y[shown, :3])
    many = [noise(40, 30, 3) for _ in range(2)]
    gif("many.gif", many, duration=50)
    isthmus.upscale("many.gif", model=TWICE, out="out-many.gif")
    assert gif_frames("out-many.gif")[0][0].shape == (80, 60, 4)


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("color", [False, True])
def test_a_tiff_of_several_pages(deep: bool, color: bool) -> None:
    pages = [noise(20, 30 + number, *([3] if color else []), deep=deep) for number in range(4)]  # of several sizes
    with tifffile.TiffWriter("a.tif") as file:
        for page in pages:
            file.write(page, photometric="rgb" if color else "minisblack", metadata=None, description="cells",
                       resolution=(300, 300), resolutionunit="INCH", contiguous=False)  # fmt: skip
    isthmus.denoise("a.tif", model=NEGATIVE, out="out.tif")
    with tifffile.TiffFile("out.tif") as file:
        assert len(file.pages) == 4
        for page, x in zip(file.pages, pages, strict=True):
            assert np.array_equal(page.asarray(), np.iinfo(x.dtype).max - x)
            assert page.asarray().dtype == x.dtype
            assert page.description == "cells"
            assert page.get_resolution() == (300, 300)
    data = Path("a.tif").read_bytes()
    for part in (0.3, 0.7):
        Path("cut.tif").write_bytes(data[: int(len(data) * part)])
        with pytest.raises(BadInput, match="truncated"):
            isthmus.denoise("cut.tif", model=NEGATIVE, out="out2.tif")
    assert nothing_left("out.tif")


def test_a_still_gif_or_tiff_is_a_picture() -> None:
    Image.fromarray(CLEAN).save("a.gif")
    tifffile.imwrite("a.tif", noise(9, 9))
    for name in ("a.gif", "a.tif"):
        assert isthmus.denoise(name, model=IDENTITY).ndim == 3
    gif("film.gif", [CLEAN, 255 - CLEAN])
    data = Path("film.gif").read_bytes()
    Path("cut.gif").write_bytes(data[:-40])
    with pytest.raises(BadInput, match="truncated"):
        isthmus.denoise("cut.gif", model=IDENTITY, out="out.gif")


# -- what is the same for all --


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


def test_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    isthmus.create("denoise", shape=(1, 32, 32), channels=(8, 16)).save("run")
    gif("a.gif", [noise(33, 41) for _ in range(4)], duration=50)

    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as exit:
            main(["denoise", *arguments, "--model", "run"])
        return int(exit.value.code or 0), *capsys.readouterr()

    code, out, err = run("a.gif", "--out", "b.gif", "--json")
    assert code == 0, err
    found = json.loads(out)
    assert found["files"][0]["frames"] == 4
    assert found["flicker_before"] > 0
    assert "frame 4/4" in err
    code, out, err = run("a.gif", "--out", "b.gif", "--force", "--truth", "a.gif")
    assert code == 0, err
    assert {line.split()[0] for line in out.splitlines()} >= {
        "frames",
        "flicker_before",
        "flicker_after",
        "psnr",
        "sigma",
    }
    code, out, err = run("a.gif", "--out", "b.png")
    assert (code, out, err.count("\n")) == (2, "", 1)


def test_a_stack_keeps_axes_units_and_channels() -> None:
    """Fiji and QuPath write the micro sign as UTF-8, and ImageJ a resolution of no unit that TIFF knows."""
    data = noise(3, 2, 12, 16, deep=True)
    micro = {"axes": "TCYX", "PhysicalSizeX": 0.1, "PhysicalSizeXUnit": "µm", "Channel": {"Name": ["DAPI", "GFP"]}}
    tifffile.imwrite("a.ome.tif", data, ome=True, photometric="minisblack", metadata=micro)
    told = tifffile.TiffFile("a.ome.tif").ome_metadata
    assert told is not None
    tifffile.tiffcomment("a.ome.tif", told.replace("&#181;", "µ").encode("utf-8"))
    metadata = {"axes": "TCYX", "unit": "um", "finterval": 2.5, "spacing": 0.5, "Labels": list("abcdef")}
    tifffile.imwrite("ij.tif", data, imagej=True, resolution=(10, 5), metadata=metadata)
    for name in ("a.ome.tif", "ij.tif"):
        isthmus.denoise(name, model=IDENTITY, out="same.tif", force=True)
        isthmus.upscale(name, model=TWICE, out="twice.tif", force=True)
        with tifffile.TiffFile(name) as given, tifffile.TiffFile("same.tif") as same:
            assert (same.series[0].axes, same.series[0].shape) == ("TCYX", (3, 2, 12, 16))
            assert np.array_equal(same.asarray(), data)
            assert same.pages[0].description == given.pages[0].description  # type: ignore[union-attr]
            assert same.imagej_metadata == given.imagej_metadata
        with tifffile.TiffFile("twice.tif") as twice:
            assert (twice.series[0].axes, twice.series[0].shape) == ("TCYX", (3, 2, 24, 32))
            if name == "ij.tif":
                assert twice.pages[0].get_resolution() == (20, 10)  # type: ignore[union-attr]
                assert twice.imagej_metadata == tifffile.TiffFile(name).imagej_metadata
            else:
                assert b'PhysicalSizeX="0.05" PhysicalSizeXUnit="\xc2\xb5m"' in Path("twice.tif").read_bytes()
