"""The sounds, texts, timecode and cover pictures of a video are kept."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.video_files import denoised, film, pixels, seen, stays

from isthmus.media.video.open import open_video

pytestmark = pytest.mark.skipif(importlib.util.find_spec("av") is None, reason="PyAV (isthmus[film]) is not installed")


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
