"""Videos in and out, through PyAV: H.264 and the like, with the sound, the time stamps and the colours they had."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from isthmus.data.fitting import to_depth
from isthmus.data.frames import Film, Frame, Put
from isthmus.data.photo import VIDEOS, Photo
from isthmus.data.sound import Sound
from isthmus.errors import BadInput, Note

FORMAT = {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska", ".avi": "avi", ".webm": "webm"}
LATE = 0.5  # seconds that a file may end before it said it would
RGB, BT709, UNKNOWN, NARROW = 0, 1, 2, 1  # numbers of FFmpeg's for matrices of colours, and a range of them
# How FFmpeg's scaler goes from a film's luma and chroma to RGB and back: each number of the chroma stands for its four
# pixels, and becomes their mean again, so a picture that nobody changes stays; rounded, or all would grow darker.
EXACT = 0x2000 | 0x4000 | 0x40000  # full chroma in, full chroma out, accurate rounding
SPREAD, GATHERED = 0x10 | EXACT, 0x20 | EXACT  # nearest; mean over the area


class Codec(NamedTuple):
    name: str
    options: dict[str, str]
    even: bool  # whether the sides must be


# They look ahead but a little, because that is what an encoder holds in memory. Ten bits of H.264 play hardly anywhere.
GOOD = Codec("libx264", {"crf": "16", "rc-lookahead": "12"}, True)
DEEP = Codec("libx265", {"crf": "16", "x265-params": "log-level=none:rc-lookahead=12"}, True)
WEB = Codec("libvpx-vp9", {"crf": "18", "b:v": "0", "row-mt": "1", "cpu-used": "4", "lag-in-frames": "12"}, False)


def needed(path: Path) -> Any:
    try:
        import av
    except ImportError as error:
        raise BadInput(f"{path}: a video needs PyAV: pip install 'isthmus[film]'") from error
    return av


class Video(Film):
    """A film of one of `suffixes`; its best stream of pictures."""

    suffixes = tuple(VIDEOS)

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._opened() as container:
            stream = self._pictures(container)
            told, reached = stream.frames, 0  # an AVI tells, and counts, frames that are empty, too
            self.count, end = 0, 0.0
            for packet in container.demux():
                if packet.size and packet.stream is stream:
                    self.count += 1
                    reached = (
                        packet.dts + 1 if container.format.name == "avi" and packet.dts is not None else self.count
                    )
                if packet.size and packet.pts is not None and packet.time_base is not None:
                    end = max(end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
            whole = (container.duration or 0) / 1e6
        if not self.count:
            raise BadInput(f"{path}: holds no frames")
        if reached < told:
            raise BadInput(f"{path}: truncated ({reached} of {told} frames)")
        if end + LATE < whole:
            raise BadInput(f"{path}: truncated (ends after {end:.1f} of {whole:.1f} s)")

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        """Of FFmpeg's errors, one line."""
        av = needed(self.path)
        try:
            with av.open(str(self.path)) as container:
                yield container
        except av.error.FFmpegError as error:
            raise BadInput(f"{self.path}: no film, or a broken one ({reason(error)})") from error

    def _pictures(self, container: Any) -> Any:
        stream = container.streams.best("video")
        if stream is None or stream.codec_context is None:
            raise BadInput(f"{self.path}: holds no frames that can be read")
        return stream

    def frames(self) -> Iterator[Frame]:
        with self._opened() as container:
            stream = self._pictures(container)
            stream.thread_type = "AUTO"
            step = max(1, round(1 / ((stream.average_rate or 25) * stream.time_base)))
            start, damaged = -step, 0
            times: deque[int] = deque()  # an AVI has only those of the packets, whose order is another one
            for packet in container.demux(stream):
                if packet.dts is not None and container.format.name == "avi":
                    times.append(packet.dts)
                for frame in packet.decode():
                    known = times.popleft() if times else frame.pts
                    start = start + step if known is None else known
                    damaged += frame.is_corrupt
                    yield Frame(photo_of(frame), start, frame.duration or step)
        if damaged:
            warnings.warn(f"{self.path}: {damaged} of its frames were damaged", Note, stacklevel=2)

    @contextmanager
    def writing(self, place: Path, suffix: str) -> Iterator[Put]:
        with self._opened() as source, place.open("w+b") as file:
            writer = Writer(source, self._pictures(source), file, suffix, self.path)
            try:
                yield writer.put
                writer.finish()
            except needed(self.path).error.FFmpegError as error:
                raise BadInput(f"{self.path}: cannot be written as {suffix} ({reason(error)})") from error
            finally:
                with suppress(Exception):  # what was wrong is told already
                    writer.close()


class Writer:
    """Puts pictures into a file as frames of a video like `pictures`, a stream of the container `source`."""

    def __init__(self, source: Any, pictures: Any, file: Any, suffix: str, path: Path) -> None:
        self.av = needed(path)
        self.source, self.pictures, self.suffix, self.path = source, pictures, suffix, path
        self.out = self.av.open(file, "w", format=FORMAT[suffix])
        self.stream: Any = None
        self.last = -(2**62)
        self.durations: dict[int, int] = {}  # of the frames that the encoder holds

    def begin(self, photo: Photo) -> None:
        """Now that the size is known."""
        deep = photo.deep and self.suffix not in (".avi", ".webm")
        if photo.deep and not deep:
            warnings.warn(f"{self.path}: {self.suffix} is written with 8 bits; .mkv keeps more", Note, stacklevel=2)
        self.codec = WEB if self.suffix == ".webm" else DEEP if deep else GOOD
        self.kind = "yuv420p10le" if deep else "yuv420p"
        height, width = (side + (side % 2 if self.codec.even else 0) for side in photo.size)
        if (height, width) != photo.size:
            told = f"{self.path}: its codec holds even sides only, so {width}×{height} pixels are written"
            warnings.warn(told, Note, stacklevel=2)
        seen, rate = self.pictures.codec_context, self.pictures.average_rate or Fraction(25)
        # An AVI has no time stamps, only a rate.
        self.tick = 1 / rate if self.suffix == ".avi" else self.pictures.time_base
        shape = {"time_base": self.tick, "width": width, "height": height}
        stream = self.out.add_stream(self.codec.name, rate, dict(self.codec.options), **shape)
        context = stream.codec_context
        context.pix_fmt, context.color_range = self.kind, NARROW
        self.matrix = BT709 if seen.colorspace == RGB else seen.colorspace
        context.colorspace, context.color_primaries, context.color_trc = (
            self.matrix, seen.color_primaries, seen.color_trc,
        )  # fmt: skip
        if self.suffix == ".avi":
            context.max_b_frames = 0
        elif self.codec is DEEP and self.suffix in (".mp4", ".mov"):
            context.codec_tag = "hvc1"  # or a Mac does not play it
        self.stream = stream
        self.sound = Sound(self.source, self.pictures, self.out, self.suffix, self.path)

    def put(self, photo: Photo, frame: Frame) -> None:
        if self.stream is None:
            self.begin(photo)
        context = self.stream.codec_context
        if any(
            side not in (own, own - 1) for side, own in zip(photo.size, (context.height, context.width), strict=True)
        ):
            raise BadInput(f"{self.path}: its frames change their size, which cannot be written")
        tall, wide = context.height - photo.size[0], context.width - photo.size[1]
        pixels = photo.pixels if photo.pixels.shape[-1] == 3 else np.repeat(photo.pixels, 3, -1)
        if tall or wide:
            pixels = np.pad(pixels, ((0, tall), (0, wide), (0, 0)), "edge")
        deep = self.kind != "yuv420p"
        pixels = np.ascontiguousarray(to_depth(pixels, np.dtype(np.uint16 if deep else np.uint8)))
        picture = self.av.VideoFrame.from_ndarray(pixels, "rgb48le" if deep else "rgb24")
        picture = picture.reformat(
            format=self.kind,
            dst_colorspace=matrix_of(self.matrix),
            dst_color_range=NARROW,
            interpolation=GATHERED,
        )
        start = frame.start * self.pictures.time_base / self.tick
        self.last = picture.pts = max(round(start), self.last + 1)
        picture.time_base = self.tick
        self.durations[self.last] = round(frame.duration * self.pictures.time_base / self.tick)
        self._mux(self.stream.encode(picture))
        self.sound.until(self.last * self.tick)

    def _mux(self, packets: list[Any]) -> None:
        for packet in packets:
            packet.duration = self.durations.pop(packet.pts, 0)
            self.out.mux(packet)

    def finish(self) -> None:
        if self.stream is not None:
            self._mux(self.stream.encode(None))
            self.sound.until(None)
        self.out.close()

    def close(self) -> None:
        self.out.close()


def photo_of(frame: Any) -> Photo:
    """A frame of PyAV's upright, gray or colour, of 8 or 16 bits."""
    deep = frame.format.components[0].bits > 8
    pixels = bare(frame).to_ndarray(
        format="rgb48le" if deep else "rgb24",
        src_colorspace=matrix_of(frame.colorspace),
        src_color_range=frame.color_range,
        interpolation=SPREAD,
    )
    gray = frame.format.name.startswith("gray")
    return Photo(turned(pixels[..., :1] if gray else pixels, frame))


def bare(frame: Any) -> Any:
    """The same numbers without a word of where the chroma lies: the scaler would heed it on the way to RGB only."""
    if len(frame.planes) != 3:
        return frame
    own = type(frame)(frame.width, frame.height, frame.format.name)
    for plane, new in zip(frame.planes, own.planes, strict=True):
        rows, copied = (np.frombuffer(each, np.uint8).reshape(-1, each.line_size) for each in (plane, new))
        width = min(plane.line_size, new.line_size)
        copied[: new.height, :width] = rows[: new.height, :width]
    return own


def turned(pixels: np.ndarray, frame: Any) -> np.ndarray:
    """H×W×C as the camera was held: what the matrix of the display does to rows and columns (x' = ax + cy ...)."""
    found = next((side for side in frame.side_data if side.type.name == "DISPLAYMATRIX"), None)
    if found is None:
        return pixels
    (a, b, _), (c, d, _), _ = np.frombuffer(found, np.int32).reshape(3, 3).tolist()
    if abs(b) > abs(a):
        pixels, a, d = pixels.swapaxes(0, 1), c, b
    return np.ascontiguousarray(pixels[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1])


def matrix_of(colorspace: int) -> int:
    """What FFmpeg's scaler calls a matrix of colours: the same numbers, but for those that it does not know."""
    return colorspace if colorspace in (BT709, 4, 5, 7, 9) else 5


def reason(error: Any) -> str:
    return str(error.strerror or error).lower()
