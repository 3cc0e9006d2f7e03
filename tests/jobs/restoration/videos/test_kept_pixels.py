"""The pixel format, colors and times of a video are kept."""

from __future__ import annotations

import importlib.util
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from helpers.restoration import identity
from helpers.video_files import TICK, UNSAID, denoised, film, pixels, seen, stays

import isthmus
from isthmus.errors import BadInput
from isthmus.media.video.containers import CONTAINERS, READ_ONLY, VIDEOS
from isthmus.media.video.encoders import choose
from isthmus.media.video.frame import frame_of, photo_of

pytestmark = pytest.mark.skipif(importlib.util.find_spec("av") is None, reason="PyAV (isthmus[film]) is not installed")
# Of frames as a master for HDR10 holds them: x265's words, and what they say again on decoding.
DISPLAY = "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1)"


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi", "a.mov", "a.ts"])
def test_the_pixel_aspect(name: str) -> None:
    tick = Fraction(1, 25) if name == "a.avi" else TICK
    assert stays(film(name, aspect=Fraction(32, 27), tick=tick)) == []
    assert seen(name)["aspect"] == Fraction(32, 27)


def test_a_lost_pixel_aspect_is_noted() -> None:
    (note,) = denoised(film("a.mp4", aspect=Fraction(32, 27)), "out.webm")[1]
    assert "pixel aspect 32/27 is lost; .mp4 and .mov would keep it" in note


@pytest.mark.parametrize(
    ("name", "pix_fmt", "codec"),
    [
        ("a.mkv", "yuv422p", "libx264"),
        ("a.mkv", "yuv444p", "libx264"),
        ("a.mp4", "yuv444p", "libx264"),
        ("a.mkv", "yuv420p10le", "libx265"),
        ("a.mp4", "yuv422p10le", "libx265"),
        ("a.mp4", "gray", "libx265"),
        ("a.mkv", "gray10le", "ffv1"),
        ("a.mp4", "bgr0", "libx264rgb"),
        ("a.mkv", "bgr0", "ffv1"),
        ("a.mov", "yuv422p10le", "prores_ks"),
        ("a.webm", "yuv444p", "libvpx-vp9"),
    ],
)
def test_chroma_bits_rgb_and_gray(name: str, pix_fmt: str, codec: str) -> None:
    options = {"x265-params": "log-level=none"} if codec == "libx265" else {}
    colors = (0, 2, 2, 2) if pix_fmt == "bgr0" else (5, 2, 2, 1)
    assert stays(film(name, pix_fmt, codec, options=options, colors=colors)) == []


@pytest.mark.parametrize(
    ("name", "pix_fmt", "codec"),
    [
        ("a.webm", "yuva420p", "libvpx-vp9"),
        ("a.mov", "argb", "qtrle"),
        ("a.mov", "rgba", "png"),
        ("a.mkv", "bgra", "ffv1"),
        ("a.mov", "yuva444p10le", "prores_ks"),
    ],
)
def test_transparency(name: str, pix_fmt: str, codec: str) -> None:
    options = {"profile": "4444"} if codec == "prores_ks" else {"auto-alt-ref": "0"} if codec == "libvpx-vp9" else {}
    notes = stays(film(name, pix_fmt, codec, options=options), but=("colors",))
    assert [note.split(": ", 1)[1] for note in notes] == (
        ["in .mov 12 bits are written as 10"] if codec == "prores_ks" else []
    )
    assert pixels("out" + Path(name).suffix)[0].shape[-1] == 4


def test_each_loss_is_noted_once() -> None:
    film("a.mov", "argb", "qtrle")
    out, notes = denoised("a.mov", "out.mp4")
    assert len(notes) == 2
    assert (
        "a.mov: in .mp4 transparency is lost (the pixels are composited over black); .mov, .mkv, .webm would"
        in notes[0]
    )
    assert "lossless coding is lost; .mov, .mkv would keep it" in notes[1]
    assert seen(out)["format"] == "gbrp"
    assert np.abs(pixels(out)[0] - pixels("a.mov")[0][..., :3] * (np.arange(64)[:, None] * 4 / 255)).mean() < 2
    notes = denoised(film("b.mkv", "yuv444p10le", "ffv1"), "out.wmv")[1]
    assert ["4:2:0, not as 4:4:4" in notes[0], "10 bits are written as 8" in notes[1]] == [True, True]


@pytest.mark.parametrize(
    "colors",
    [(1, 1, 1, 1), (6, 6, 6, 1), (5, 5, 5, 2), (9, 9, 16, 1), UNSAID],
    ids=["709", "601", "full", "pq", "unsaid"],
)
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.webm"])
def test_the_tags_of_colors(name: str, colors: tuple[int, int, int, int]) -> None:
    codec = "libvpx-vp9" if name == "a.webm" else "libx264"
    assert stays(film(name, codec=codec, colors=colors), but=("format",)) == []
    if codec == "libx264":
        assert seen("out" + Path(name).suffix)["colors"] == colors


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_the_master_of_hdr10(name: str) -> None:
    options = {"x265-params": f"log-level=none:hdr10=1:master-display={DISPLAY}:max-cll=1000,400"}
    film(name, "yuv420p10le", "libx265", options=options, colors=(9, 9, 16, 1))
    assert stays(name) == []
    assert len(seen("out" + Path(name).suffix)["light"]) == 2
    notes = denoised(name, "out.webm")[1]
    assert any("mastering display" in note for note in notes)


@pytest.mark.parametrize("order", [2, 3])
@pytest.mark.parametrize(
    ("name", "codec"), [("a.mp4", "libx264"), ("a.mkv", "libx264"), ("a.mts", "libx264"), ("a.mpg", "mpeg2video")]
)
def test_interlaced_frames(name: str, codec: str, order: int) -> None:
    options = {"flags": "+ilme+ildct"}
    tick = Fraction(1, 25) if codec == "mpeg2video" else TICK
    (note,) = stays(film(name, codec=codec, options=options, order=order, tick=tick), but=("times",))
    assert "is interlaced, and stays so" in note
    assert all(seen("out" + Path(name).suffix)["fields"])


@pytest.mark.parametrize("rate", [Fraction(30000, 1001), Fraction(24000, 1001), Fraction(25), Fraction(60)])
@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.avi", "a.ts"])
def test_the_rate_and_uneven_times(name: str, rate: Fraction) -> None:
    tick = 1 / rate if name == "a.avi" else TICK
    stays(film(name, rate=rate, tick=tick))
    if name != "a.avi":
        stays(film("uneven" + Path(name).suffix, rate=rate, times=[0, 3600, 9000, 27000]), but=("rate",))


def test_black_and_white_stays_without_color() -> None:
    film("a.mp4", gray=True)
    assert pixels("a.mp4")[0].shape[-1] == 1
    assert stays("a.mp4") == []


def test_every_suffix_of_videos_is_known_and_written() -> None:
    codecs = {".webm": "libvpx-vp9", ".wmv": "wmv2", ".mpg": "mpeg2video", ".mpeg": "mpeg2video"}
    for suffix in CONTAINERS:
        tick = Fraction(1, 25) if suffix in (".avi", ".mpg", ".mpeg") else TICK
        stays(film(f"a{suffix}", codec=codecs.get(suffix, "libx264"), tick=tick), but=("colors", "times"))
    assert {".m4v", ".mts", ".m2ts", ".ts", ".mpg", ".mpeg", ".3gp", ".wmv", ".flv", ".ogv"} < set(VIDEOS)
    assert READ_ONLY == (".ogv",)
    film("a.ogv", codec="libvpx")
    with pytest.raises(BadInput, match=r"out.ogv: .* can end in .mp4"):
        isthmus.denoise("a.ogv", model=identity(), out="out.ogv")
    assert denoised("a.ogv", "out.mkv")[1] == []


def test_the_choice_of_an_encoder_keeps_the_most() -> None:
    cases = {
        (".mp4", "yuv420p", "hevc"): ("libx265", "yuv420p"),  # a film's own codec first
        (".mp4", "yuv420p", "mpeg4"): ("libx264", "yuv420p"),
        (".mov", "yuv422p10le", "prores"): ("prores_ks", "yuv422p10le"),
        (".mkv", "yuva420p", "vp9"): ("libvpx-vp9", "yuva420p"),
        (".mkv", "gray16le", "ffv1"): ("ffv1", "gray16le"),
        (".mp4", "yuv411p", "dvvideo"): ("libx264", "yuv422p"),  # which holds all of 4:1:1
        (".avi", "yuv420p10le", "h264"): ("libx264", "yuv420p10le"),
        (".webm", "gray", "hevc"): ("libvpx-vp9", "yuv420p"),
    }
    for (suffix, format, codec), wanted in cases.items():
        choice = choose(suffix, format, codec, fields=False)
        assert choice is not None
        assert (choice.encoder.name, choice.format, choice.losses) == (*wanted, ())


YUV = ["yuv420p", "yuv422p", "yuv444p", "yuv411p", "yuv440p", "yuv420p10le", "yuv444p12le", "yuv444p16le"]
ALPHA, GRAY = ["yuva420p", "yuva444p10le", "gbrap", "argb"], ["gray", "gray10le", "gray16le"]


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("format", [*YUV, *ALPHA, *GRAY, "gbrp", "gbrp10le", "bgr24", "rgb48le"])
def test_an_unchanged_frame_is_equal_to_the_bit(format: str, full: bool) -> None:
    """FFmpeg's scaler loses up to a level and a half of full-range and of deep gray frames."""
    import av

    smooth = 110 + 60 * np.sin(np.arange(65) / 17) + 40 * np.cos(np.arange(49) / 9)[:, None]
    smooth = smooth[..., None] * [1, 0.9, 0.8] + np.random.default_rng(0).normal(0, 3, (49, 65, 1))
    alpha = np.broadcast_to(np.arange(65)[:, None] * 3.9, (49, 65, 1))
    samples = np.rint(np.concatenate([smooth, alpha], -1).clip(0, 255) * 257).astype(np.uint16)
    made = av.VideoFrame.from_ndarray(samples, "rgba64le").reformat(
        format=format, dst_colorspace=1, dst_color_range=1 + full
    )
    made.colorspace, made.color_range = 1, 1 + full
    photo = photo_of(made)
    again = frame_of(photo, format, photo.size, 1, full)
    for x, y in zip(made.planes, again.planes, strict=True):
        rows = [np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: plane.height] for plane in (x, y)]
        bytes_wide = min(x.line_size, y.line_size, x.width * (2 if photo.deep else 1))
        assert np.array_equal(rows[0][:, :bytes_wide], rows[1][:, :bytes_wide])
