"""Video files with many properties, written and read by PyAV."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.restoration import identity

import isthmus
from isthmus.errors import Note
from isthmus.media.video.containers import CONTAINERS
from isthmus.media.video.open import open_video

TICK = Fraction(1, 90000)
SCENE = np.add.outer(np.arange(48) * 2, np.arange(64) * 2)[..., None] + np.array([20, 10, 0])
UNSAID = (2, 2, 2, 0)


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
        isthmus.denoise(name, model=identity(), out=out, force=True)
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
