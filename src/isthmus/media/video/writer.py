"""Writing of videos through PyAV, with all properties of the source that the container and its encoders support."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

from isthmus.errors import BadInput, Note
from isthmus.media.photo import Photo
from isthmus.media.video.base import Frame
from isthmus.media.video.containers import CONTAINERS
from isthmus.media.video.encoders import Choice, Encoder, choose, suffixes_without, traits
from isthmus.media.video.frame import BT709, FULL, NARROW, RGB, UPPER_FIRST, FrameProperties, frame_of
from isthmus.media.video.pixels import is_full
from isthmus.media.video.streams import OtherStreams

BOXED = ("mp4", "mov", "3gp")  # formats that store the pixel aspect, whatever the codec
STREAMED = ("mpegts", "mpeg")  # formats whose first time stamp is arbitrary
FASTEST = 120  # frames per second
DISC_RATES = [Fraction(rate * 1000, by) for rate, by in ((24, 1001), (24, 1000), (25, 1000), (30, 1001), (30, 1000))]
DISC_RATES += [Fraction(50), Fraction(60000, 1001), Fraction(60)]


class Writer:
    """Writes photos to a file as frames of a video like `pictures`, a stream of the container `source`."""

    def __init__(self, source: Any, pictures: Any, file: Any, suffix: str, path: Path) -> None:
        import av

        self.source, self.pictures, self.suffix, self.path = source, pictures, suffix, path
        self.container = CONTAINERS[suffix]
        options = dict(self.container.options)
        if self.container.format in BOXED and any(key.lower().startswith("com.") for key in source.metadata):
            options["movflags"] = "use_metadata_tags"  # keeps the metadata keys of phones
        self.out = av.open(file, "w", format=self.container.format, container_options=options)
        self.stream: Any = None
        self.last = -(2**62)
        self.gapless = False  # whether the codec has a frame for every tick
        self.previous: Any = None  # the frame before
        self.phase = Fraction(0)  # seconds from the grid of the frame rate to the frames
        self.shift = Fraction(0)  # seconds, at most, that a frame is shown too early or late
        self.durations: dict[int, int] = {}  # of the frames in the encoder
        self.not_kept: set[str] = set()
        streamed = source.format.name in STREAMED and self.container.format not in (*STREAMED, "vob")
        self.origin = Fraction(source.start_time or 0, 10**6) if streamed else Fraction(0)

    def begin(self, photo: Photo, properties: FrameProperties) -> None:
        """Create the streams, once the size and the properties of the first frame are known."""
        film: dict[str, Any] = {
            "format": properties.format, "codec": self.pictures.codec_context.name, "fields": bool(properties.order)
        }  # fmt: skip
        choice = choose(self.suffix, **film)
        if choice is None:
            raise BadInput(f"{self.path}: this PyAV has no encoder for {self.suffix}; .mkv may do")
        for loss in choice.losses:
            others = suffixes_without(loss, **film)
            self._note(f"in {self.suffix} {loss.words}" + (f"; {', '.join(others)} would keep it" if others else ""))
        self.choice, encoder = choice, choice.encoder
        height, width = sides(photo.size, choice, bool(properties.order) and encoder.fields)
        if (height, width) != photo.size:
            self._note(f"its codec holds even sides only, so {width}×{height} pixels are written")
        rate, finest = self.pictures.average_rate or Fraction(25), self.pictures.base_rate
        if self.container.constant and finest and rate < finest <= FASTEST:
            rate = finest  # the grid of all uneven times of the film
        if encoder.name == "mpeg2video":
            rate = min(DISC_RATES, key=lambda known: abs(known - rate))
        self.tick = 1 / rate if self.container.constant else self.pictures.time_base
        shape: dict[str, Any] = {"time_base": self.tick, "width": width, "height": height}
        stream = self.out.add_stream(encoder.name, rate, self._options(encoder, properties), **shape)
        context: Any = stream.codec_context
        context.pix_fmt = choice.format
        self.matrix, self.full = self._colors(context, properties)
        if properties.aspect:
            context.sample_aspect_ratio = properties.aspect
        if properties.aspect not in (0, 1) and not (encoder.aspect or self.container.format in BOXED):
            self._note(f"in {self.suffix} the pixel aspect {properties.aspect} is lost; .mp4 and .mov would keep it")
        if self.suffix == ".avi":
            context.max_b_frames = 0
        elif encoder.codec == "hevc" and self.container.format in BOXED:
            context.codec_tag = "hvc1"  # otherwise a Mac does not play it
        self.fields = bool(properties.order) and encoder.fields
        if self.fields:
            context.field_order = properties.order
            self._note("is interlaced, and stays so; each frame is processed with both of its fields at once")
        marks = {"setfield": "tff" if properties.order in UPPER_FIRST else "bff"} if self.fields else {}
        marks |= {"setsar": str(properties.aspect)} if properties.aspect not in (0, 1) else {}
        self.marks = marking(marks, choice.format, width, height, self.tick) if marks else None
        self.stream = stream
        self.other_streams = OtherStreams(self.source, self.pictures, self.out, self.suffix, self.path, self.origin)

    def _colors(self, context: Any, properties: FrameProperties) -> tuple[int, bool]:
        """Tag the stream with the color properties of the film; returns (matrix, whether the range is full)."""
        has, was_rgb = self.choice.traits, traits(properties.format).rgb
        matrix = RGB if has.rgb else BT709 if was_rgb else properties.matrix
        full = has.rgb or (is_full(properties.format, properties.range) and not was_rgb and self.choice.encoder.full)
        context.colorspace, context.color_primaries, context.color_trc = (
            matrix,
            properties.primaries,
            properties.transfer,
        )
        if full:
            context.color_range = FULL if properties.range or has.color else properties.range
        else:
            context.color_range = NARROW if was_rgb or properties.range == FULL else properties.range
        return matrix, full

    def _options(self, encoder: Encoder, properties: FrameProperties) -> dict[str, str]:
        options = dict(encoder.options)
        if properties.order and encoder.fields:
            options["flags"] = options.get("flags", "") + "+ilme+ildct"
        if encoder.name == "libx265":
            options["x265-params"] += "".join(f":{key}={value}" for key, value in hdr10(properties).items())
        elif properties.mastering or properties.light:
            self._note(
                f"the mastering display and light levels of HDR10 are lost in {self.suffix}; .mp4 and .mkv hold them"
            )
        return options

    def put(self, photo: Photo, frame: Frame) -> None:
        properties: FrameProperties = frame.properties
        if self.stream is None:
            self.begin(photo, properties)
            self.gapless = self.choice.encoder.name == "mpeg2video"
            if self.gapless:
                first = frame.start * self.pictures.time_base - self.origin
                self.phase = first - round(first / self.tick) * self.tick
        self.not_kept |= properties.not_kept
        context = self.stream.codec_context
        size = (context.height, context.width)
        if sides(photo.size, self.choice, self.fields) != size:
            raise BadInput(f"{self.path}: its frames change in size; frames of one size can be written")
        picture = frame_of(photo, self.choice.format, size, self.matrix, self.full)
        start = (frame.start * self.pictures.time_base - self.origin - self.phase) / self.tick
        time = max(round(start), self.last + 1)
        if self.gapless and self.previous is not None:
            while self.last + 1 < time:  # a frame that is shown longer is repeated
                self._encode(self.previous, self.last + 1, 1)
        self.shift = max(self.shift, abs(time - start) * self.tick)
        self._encode(picture, time, round(frame.duration * self.pictures.time_base / self.tick))
        self.previous = picture
        self.other_streams.until(time * self.tick + self.phase)

    def _encode(self, picture: Any, time: int, duration: int) -> None:
        """Write a frame at `time`, in ticks."""
        self.last = picture.pts = time
        picture.time_base = self.tick
        context = self.stream.codec_context
        for name in ("colorspace", "color_range", "color_primaries", "color_trc"):  # ProRes reads them from the frames
            setattr(picture, name, getattr(context, name))
        self.durations[time] = duration
        if self.marks is not None:
            self.marks.push(picture)
            picture = self.marks.pull()
        self._mux(self.stream.encode(picture))

    def _mux(self, packets: list[Any]) -> None:
        for packet in packets:
            packet.duration = self.durations.pop(packet.pts, 0)
            if self.phase:
                packet.pts, packet.dts, packet.duration = (
                    round((at * self.tick + offset) * 90000)
                    for at, offset in ((packet.pts, self.phase), (packet.dts, self.phase), (packet.duration, 0))
                )
                packet.time_base = Fraction(1, 90000)
            self.out.mux(packet)

    def finish(self) -> None:
        if self.stream is not None:
            self._mux(self.stream.encode(None))
            self.other_streams.until(None)
            if self.shift > self.tick * Fraction(51, 100):
                shift = f"frames are shown up to {float(self.shift):.3f} s early or late, as {self.suffix} has one rate"
                self._note(f"{shift}; .mp4 and .mkv keep their times")
            if self.not_kept:
                self._note(f"not written again: {', '.join(sorted(self.not_kept))}")
        self.out.close()

    def close(self) -> None:
        self.out.close()

    def _note(self, message: str) -> None:
        warnings.warn(f"{self.path}: {message}", Note, stacklevel=4)


def sides(size: tuple[int, int], choice: Choice, fields: bool) -> tuple[int, int]:
    """(height, width) rounded up to multiples of an encoder's chroma step; height of interlaced frames: twice it."""
    across, down = choice.traits.chroma if choice.encoder.even and choice.traits.color else (1, 1)
    height, width = size
    return -(-height // (down * (1 + fields))) * down * (1 + fields), -(-width // across) * across


def marking(marks: Mapping[str, str], format: str, width: int, height: int, tick: Fraction) -> Any:
    """A filter graph that sets properties of frames (filter name: mode), for which PyAV has no other way."""
    from av import VideoFormat
    from av.filter import Graph

    graph = Graph()
    nodes = [graph.add_buffer(width=width, height=height, format=VideoFormat(format), time_base=tick)]
    nodes += [graph.add(name, mode) for name, mode in marks.items()]
    graph.link_nodes(*nodes, graph.add("buffersink")).configure()
    return graph


def hdr10(properties: FrameProperties) -> Mapping[str, str]:
    """x265's parameters of the mastering display (chromaticities in 1/50000, cd/m² in 1/10000) and the light levels."""
    parameters: dict[str, str] = {}
    if len(properties.mastering) >= 88:  # AVMasteringDisplayMetadata: red, green, blue, white, least, most; two flags
        numbers = struct.unpack("<22i", properties.mastering[:88])
        values = [
            Fraction(*pair) if pair[1] else Fraction(0) for pair in zip(numbers[:20:2], numbers[1:20:2], strict=True)
        ]
        red, green, blue, white = ([round(50000 * value) for value in values[at : at + 2]] for at in (0, 2, 4, 6))
        least, most = (round(10000 * value) for value in values[8:])
        points = zip("GBR", (green, blue, red), strict=True)
        chromaticities = "".join(f"{name}({x},{y})" for name, (x, y) in [*points, ("WP", white)])
        parameters["master-display"] = f"{chromaticities}L({most},{least})"
    if len(properties.light) >= 8:
        most, mean = struct.unpack("<2I", properties.light[:8])
        parameters["max-cll"] = f"{most},{mean}"
    return {"hdr10": "1", **parameters} if parameters else {}
