"""Videos with sound through the verbs of restoration, with stand-ins for the networks."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.restoration import noise
from helpers.videos import CLEAN, IDENTITY, NEGATIVE, TWICE, needs_av, nothing_left, video

import isthmus
from isthmus.errors import BadInput, Note
from isthmus.media.video.open import open_video


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
