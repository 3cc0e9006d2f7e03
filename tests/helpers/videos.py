"""Videos, animations and stand-ins for networks."""

from __future__ import annotations

import importlib.util
import os
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch.nn.functional as F
from helpers.restoration import RANDOM, StandIn, identity, negative
from PIL import Image

GATHERED = 0x20 | 0x2000 | 0x4000 | 0x40000  # FFmpeg's scaler: chroma is the mean, exactly
needs_av = pytest.mark.skipif(importlib.util.find_spec("av") is None, reason="PyAV (isthmus[film]) is not installed")
STEPS = [512, 1024, 300, 700, 512, 4000, 512]  # of 12800 a second
CLEAN = np.repeat(np.repeat(RANDOM.integers(40, 200, (6, 8, 3), dtype=np.uint8), 8, 0), 8, 1)
IDENTITY, NEGATIVE = identity(), negative()
TWICE = StandIn(lambda x: F.interpolate(x, scale_factor=2), scale=2)


def nothing_left(*but: str) -> bool:
    return not [name for name in os.listdir() if name.startswith(".") or (name.startswith("out") and name not in but)]


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


def gif(name: str, frames: list[np.ndarray], **how: Any) -> str:
    images = [Image.fromarray(frame) for frame in frames]
    images[0].save(name, save_all=True, append_images=images[1:], **how)
    return name
