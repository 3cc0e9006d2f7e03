"""Reading of videos through PyAV: frames with time stamps, transparency and color properties."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from isthmus.errors import BadInput, Note
from isthmus.media.video.base import Film, Frame, WriteFrame
from isthmus.media.video.containers import CONTAINERS
from isthmus.media.video.encoders import LOSSLESS
from isthmus.media.video.frame import photo_of, properties_of
from isthmus.media.video.streams import lost_metadata
from isthmus.media.video.writer import Writer

TOLERANCE = 0.5  # seconds that a file may be shorter than its stated duration
# Decoders that decode transparency, which FFmpeg's own decoders of the same codecs drop.
WITH_ALPHA = {"vp8": "libvpx", "vp9": "libvpx-vp9"}


def import_av(path: Path) -> Any:
    try:
        import av
    except ImportError as error:
        raise BadInput(f"{path}: a video needs PyAV: pip install 'isthmus[film]'") from error
    return av


def is_lossy(path: Path) -> bool:
    """Whether a file is a video with a lossy codec; animations and stacks are lossless."""
    if path.suffix.lower() not in CONTAINERS or not path.is_file():
        return False
    av = import_av(path)
    with suppress(av.FFmpegError, IndexError), av.open(str(path)) as container:
        return container.streams.video[0].codec_context.name not in LOSSLESS
    return False


class Video(Film):
    """A video file: the best of its video streams."""

    suffixes = tuple(CONTAINERS)

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._opened() as container:
            stream = self._pictures(container)
            stated = 0 if container.format.name == "avi" else stream.frames  # an AVI counts empty frames at its end
            self.count, end = 0, 0.0
            for packet in container.demux():
                if packet.size and packet.stream is stream:
                    self.count += 1
                if packet.size and packet.pts is not None and packet.time_base is not None:
                    end = max(end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
            duration = (container.duration or 0) / 1e6
        if not self.count:
            raise BadInput(f"{path}: holds no frames")
        if self.count < stated:
            raise BadInput(f"{path}: truncated ({self.count} of {stated} frames)")
        if end + TOLERANCE < duration:
            raise BadInput(f"{path}: truncated (ends after {end:.1f} of {duration:.1f} s)")

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        """The open container; FFmpeg's errors inside become a one-line BadInput."""
        av = import_av(self.path)
        try:
            with av.open(str(self.path)) as container:
                yield container
        except av.error.FFmpegError as error:
            raise BadInput(f"{self.path}: not a film, or a broken one ({reason(error)})") from error

    def _pictures(self, container: Any) -> Any:
        stream = container.streams.best("video")
        if stream is None or stream.codec_context is None:
            raise BadInput(f"{self.path}: holds no frames that can be read")
        return stream

    def frames(self) -> Iterator[Frame]:
        with self._opened() as container:
            stream = self._pictures(container)
            stream.thread_type = "AUTO"
            decoder = decoder_of(stream)
            step = max(1, round(1 / ((stream.average_rate or 25) * stream.time_base)))
            start, damaged = -step, 0
            times: deque[int] = deque()  # an AVI has time stamps of packets only, which come in decoding order
            for packet in container.demux(stream):
                if packet.dts is not None and container.format.name == "avi":
                    times.append(packet.dts)
                for frame in decoder.decode(packet if packet.size else None):
                    known = times.popleft() if times else frame.pts
                    start = start + step if known is None else known
                    damaged += frame.is_corrupt
                    yield Frame(photo_of(frame), start, frame.duration or step, properties_of(frame, stream))
        if damaged:
            warnings.warn(f"{self.path}: {damaged} of its frames were damaged", Note, stacklevel=2)

    @contextmanager
    def writing(self, path: Path, suffix: str) -> Iterator[WriteFrame]:
        with self._opened() as source, path.open("w+b") as file:
            writer = Writer(source, self._pictures(source), file, suffix, self.path)
            try:
                yield writer.put
                writer.finish()
                file.flush()
                with import_av(self.path).open(str(path)) as written:
                    lost = lost_metadata(source, written)
            except import_av(self.path).error.FFmpegError as error:
                raise BadInput(f"{self.path}: cannot be written as {suffix} ({reason(error)})") from error
            finally:
                with suppress(Exception):  # the first error is reported already
                    writer.close()
        if lost:
            names = f"{', '.join(lost[:5])}{', …' if len(lost) > 5 else ''}"
            warnings.warn(f"{self.path}: in {suffix} metadata is lost: {names}", Note, stacklevel=4)


def decoder_of(stream: Any) -> Any:
    """The codec context that decodes a video stream with its transparency."""
    from av import CodecContext

    own = stream.codec_context
    if stream.metadata.get("alpha_mode") != "1" or own.name not in WITH_ALPHA:
        return own
    try:
        decoder = CodecContext.create(WITH_ALPHA[own.name], "r")
    except ValueError:
        message = f"{stream.container.name}: its transparency is lost, because this PyAV has no {WITH_ALPHA[own.name]}"
        warnings.warn(message, Note, stacklevel=3)
        return own
    decoder.extradata = own.extradata
    return decoder


def reason(error: Any) -> str:
    return str(error.strerror or error).lower()
