"""Properties of a video file besides its pixels, and that they are kept."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import Tensor, nn

import isthmus
from isthmus.errors import BadInput, Note
from isthmus.media.video.containers import CONTAINERS, READ_ONLY, VIDEOS
from isthmus.media.video.encoders import choose
from isthmus.media.video.frame import frame_of, photo_of
from isthmus.media.video.open import open_video

pytestmark = pytest.mark.skipif(importlib.util.find_spec("av") is None, reason="PyAV (isthmus[film]) is not installed")
TICK = Fraction(1, 90000)
SCENE = np.add.outer(np.arange(48) * 2, np.arange(64) * 2)[..., None] + np.array([20, 10, 0])
# Of frames as a master for HDR10 holds them: x265's words, and what they say again on decoding.
DISPLAY = "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1)"
UNSAID = (2, 2, 2, 0)


class StandIn(nn.Module):
    shape, scale, reach, stride = (3, 16, 16), 1, 9, 1

    def restore(self, x: Tensor, **side: Tensor) -> Tensor:
        return x


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_thread: None) -> None:
    monkeypatch.chdir(tmp_path)


def film(
    name: str,
    pix_fmt: str = "yuv420p",
    codec: str = "libx264",
    *,
    colors: tuple[int, int, int, int] = UNSAID,
    times: list[int] | None = None,
    rate: Fraction = Fraction(25),
    tick: Fraction = TICK,
    options: dict[str, str] | None = None,
    order: int = 0,
    aspect: Fraction | None = None,
    gray: bool = False,
    beside: Callable[[Any], Any] | None = None,
    **metadata: str,
) -> str:
    """A film of a moving scene; skips where PyAV lacks the encoder. beside: adds streams, returns their packets."""
    import av

    scene = SCENE.mean(-1, keepdims=True).repeat(3, -1) if gray else SCENE
    times = [round(number / rate / tick) for number in range(4)] if times is None else times
    with av.open(
        name, "w", format=CONTAINERS[Path(name).suffix].format if Path(name).suffix != ".ogv" else "ogg"
    ) as out:
        try:
            stream: Any = out.add_stream(codec, rate, options or {}, time_base=tick, width=64, height=48)
        except ValueError as error:
            pytest.skip(f"this PyAV cannot encode it ({error})")
        context = stream.codec_context
        stream.pix_fmt, context.max_b_frames = pix_fmt, 0
        context.colorspace, context.color_primaries, context.color_trc, context.color_range = colors
        if aspect:
            context.sample_aspect_ratio = aspect
        stream.metadata.update(metadata)
        mark = av.filter.Graph()
        mode = {0: "prog", 2: "tff", 3: "bff"}[order]
        mark.link_nodes(
            mark.add_buffer(width=64, height=48, format=av.VideoFormat(pix_fmt), time_base=tick),
            mark.add("setfield", mode),
            mark.add("buffersink"),
        ).configure()
        more = beside(out) if beside else []
        for number, start in enumerate(times):
            pixels = np.roll(scene, 4 * number, 1).clip(0, 255).astype(np.uint8)
            clear = np.broadcast_to(np.arange(64, dtype=np.uint8)[None, :, None] * 4, (48, 64, 1))
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(np.concatenate([pixels, clear], -1)), "rgba")
            full = 2 if colors[3] == 2 else 1
            frame = frame.reformat(format=pix_fmt, dst_colorspace=1 if colors[0] == 1 else 5, dst_color_range=full)
            frame.pts, frame.time_base = start, tick
            mark.push(frame)
            out.mux(stream.encode(mark.pull()))
        out.mux(stream.encode(None))
        for packet in more:
            out.mux(packet)
    return name


def seen(name: str) -> dict[str, Any]:
    """What is to be the same in the film that comes out."""
    import av

    with av.open(name) as found:
        stream = found.streams.video[0]
        context = stream.codec_context
        frames = list(found.decode(stream))
        metadata = {key.lower(): value for key, value in stream.metadata.items()}
        told: dict[str, Any] = {
            "format": context.pix_fmt,
            "colors": (context.colorspace, context.color_primaries, context.color_trc, context.color_range),
            "aspect": stream.sample_aspect_ratio or 1,
            "fields": [frame.interlaced_frame for frame in frames],
            "order": context.field_order if frames[0].interlaced_frame else 0,
            "times": [float(frame.pts * stream.time_base) for frame in frames],
            "rate": float(stream.average_rate or 0),
            "timecode": metadata.get("timecode"),
            "title": found.metadata.get("title"),
            "sounds": [(one.name, one.metadata.get("language"), one.disposition.value) for one in found.streams.audio],
            "covers": [one.name for one in found.streams.video if one.disposition.value & 1024],
            "light": [
                bytes(data)
                for data in frames[0].side_data
                if data.type.name in ("MASTERING_DISPLAY_METADATA", "CONTENT_LIGHT_LEVEL")
            ],
        }
    with av.open(name) as found:
        sounds = found.streams.audio
        first: dict[int, float] = {}
        for packet in found.demux(*sounds) if sounds else ():
            if packet.pts is not None:
                first.setdefault(packet.stream.index, float(packet.pts * packet.time_base))
    zero = min([told["times"][0], *first.values()])  # a transport stream begins anywhere
    told["times"], told["begin"] = [time - zero for time in told["times"]], [time - zero for time in first.values()]
    return told


def pixels(name: str) -> list[np.ndarray]:
    """H×W×S of each frame."""
    return [
        frame.photo.samples().astype(float) / (257 if frame.photo.deep else 1) for frame in open_video(name).frames()
    ]


def denoised(name: str, out: str = "") -> tuple[str, list[str]]:
    """The film that is written, and the Notes."""
    out = out or f"out{Path(name).suffix}"
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        isthmus.denoise(name, model=StandIn(), out=out, force=True)
    return out, [str(one.message) for one in told if issubclass(one.category, Note)]


def stays(name: str, but: tuple[str, ...] = ()) -> list[str]:
    """Check that a film comes back as it was; the Notes."""
    out, notes = denoised(name)
    before, after = seen(name), seen(out)
    for key in before.keys() - set(but):
        close = key in ("times", "begin", "rate")
        assert after[key] == (pytest.approx(before[key], abs=2e-3) if close else before[key]), key
    for x, y in zip(pixels(name), pixels(out), strict=True):
        assert x.shape == y.shape
        assert np.abs(x - y).mean() < 2
        assert np.abs(x.mean((0, 1)) - y.mean((0, 1))).max() < 1
    return notes


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


def tone(*languages: str, late: float = 0.0) -> Callable[[Any], Any]:
    """Adds a stream of silence for each language."""
    import av

    def beside(out: Any) -> Any:
        streams = [out.add_stream("aac", rate=48000) for _ in languages]
        for stream, language in zip(streams, languages, strict=True):
            stream.metadata["language"] = language
        out.metadata["title"] = "Holiday"

        def packets() -> Any:
            for number in range(6):
                for stream in streams:
                    part = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), "fltp", "stereo")
                    part.sample_rate, part.time_base = 48000, Fraction(1, 48000)
                    part.pts = round(48000 * late) + 1024 * number
                    yield from stream.encode(part)
            for stream in streams:
                yield from stream.encode(None)

        return packets()

    return beside


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv", "a.ts"])
def test_all_sounds_with_their_languages_and_offsets(name: str) -> None:
    stays(film(name, beside=tone("eng", "fra")))
    assert [language for _, language, _ in seen("out" + Path(name).suffix)["sounds"]] == ["eng", "fra"]
    if name != "a.ts":
        assert seen("out" + Path(name).suffix)["title"] == "Holiday"
    stays(film("late" + Path(name).suffix, beside=tone("fra", late=0.4)))
    stays(film("early" + Path(name).suffix, beside=tone("fra"), times=[36000, 39600, 43200, 46800]))


def test_the_words_of_a_phone_stay() -> None:
    def beside(out: Any) -> list[Any]:
        out.metadata["com.apple.quicktime.make"] = "Apple"
        return []

    film("a.mkv", beside=beside)
    assert denoised("a.mkv", "b.mov")[1] == []  # Matroska writes keys in capitals
    assert stays("b.mov") == []


def test_words_that_are_lost_are_named() -> None:
    film("a.mkv", beside=tone("eng", "fra"))
    assert denoised("a.mkv", "out.mp4")[1] == []
    (note,) = denoised("a.mkv", "out.flv")[1]
    assert "a.mkv: in .flv metadata is lost: language of streams" in note


def test_uneven_times_and_late_sound_in_a_file_without_time_stamps() -> None:
    times = [0, 3600, 7200, 14400, 18000, 28800]
    film("a.mkv", times=times)
    film("b.mkv", beside=tone("fra", late=0.4))
    out, notes = denoised("a.mkv", "out.avi")
    assert notes == []
    assert [frame.start for frame in open_video(out).frames()] == [time // 3600 for time in times]
    shown = pixels(denoised("a.mkv", "out.mpg")[0])  # which has a frame for each of 1/25 s
    assert [int(np.abs(x - y).mean() > 1) for x, y in pairwise(shown)] == [1, 1, 0, 1, 1, 0, 0, 1]
    (note,) = denoised("b.mkv", "out.avi")[1][:1]
    assert "s early, as it has no time stamps; .mp4 and .mkv keep them" in note


def test_a_disc_and_a_broadcast_hold_few_kinds_of_sound() -> None:
    film("a.mp4", beside=tone("eng"))
    for out, codec in (("out.mpg", "mp2"), ("out.ts", "aac"), ("out.mov", "aac")):
        assert seen(denoised("a.mp4", out)[0])["sounds"][0][0].startswith(codec)
    film("b.mkv", beside=tone("deu"))
    assert denoised("b.mkv", "out.mov")[1] == []
    assert seen("out.mov")["sounds"][0][1] == "ger"


def test_the_timecode() -> None:
    assert stays(film("a.mov", timecode="01:00:00:00")) == []
    for out in ("out.mov", "out.mp4", "out.mkv"):
        assert denoised("a.mov", out)[1] == []
        assert seen(out)["timecode"] == "01:00:00:00"
    assert ["1 timecode" in note for note in denoised("a.mov", "out.ts")[1]] == [True]


def cover(out: Any) -> Any:
    """A cover picture as its packets, in an MP4."""
    import av

    stream = out.add_stream("mjpeg", 1, width=16, height=16)
    stream.pix_fmt, stream.disposition = "yuvj420p", 1024
    frame = av.VideoFrame.from_ndarray(np.full((16, 16, 3), 99, np.uint8), "rgb24").reformat(format="yuvj420p")
    frame.pts, frame.time_base = 0, Fraction(1, 25)
    return [*stream.encode(frame), *stream.encode(None)]


def test_cover_pictures() -> None:
    assert stays(film("a.mp4", beside=cover)) == []
    out, notes = denoised("a.mp4", "out.mkv")
    assert seen(out)["covers"] == ["mjpeg"]
    assert notes == []
    assert denoised("out.mkv", "out2.mkv")[1] == []
    assert seen("out2.mkv")["covers"] == ["mjpeg"]
    for out in ("out.avi", "out.mov"):
        assert "1 cover picture" in denoised("a.mp4", out)[1][0]


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
        isthmus.denoise("a.ogv", model=StandIn(), out="out.ogv")
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
