"""Videos out, through PyAV: like the one they come from, in whatever of it the container and its encoders can hold."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

from isthmus.errors import BadInput, Note
from isthmus.media.image_file import Photo
from isthmus.media.video.base import Frame
from isthmus.media.video.containers import CONTAINERS
from isthmus.media.video.encoders import Choice, Encoder, choose, keepers, traits
from isthmus.media.video.frame import BT709, FULL, NARROW, RGB, UPPER_FIRST, Look, frame_of
from isthmus.media.video.pixels import is_full
from isthmus.media.video.streams import Sound

BOXED = ("mp4", "mov", "3gp")  # which hold the pixel aspect, whatever the codec
STREAMED = ("mpegts", "mpeg")  # whose first time stamp means nothing
FASTEST = 120  # frames a second
DISC_RATES = [Fraction(rate * 1000, by) for rate, by in ((24, 1001), (24, 1000), (25, 1000), (30, 1001), (30, 1000))]
DISC_RATES += [Fraction(50), Fraction(60000, 1001), Fraction(60)]


class Writer:
    """Puts pictures into a file as frames of a video like `pictures`, a stream of the container `source`."""

    def __init__(self, source: Any, pictures: Any, file: Any, suffix: str, path: Path) -> None:
        import av

        self.source, self.pictures, self.suffix, self.path = source, pictures, suffix, path
        self.container = CONTAINERS[suffix]
        options = dict(self.container.options)
        if self.container.format in BOXED and any(key.lower().startswith("com.") for key in source.metadata):
            options["movflags"] = "use_metadata_tags"  # the words of phones, as phones write them
        self.out = av.open(file, "w", format=self.container.format, container_options=options)
        self.stream: Any = None
        self.last = -(2**62)
        self.gapless = False  # whether the codec has a frame for every tick
        self.held: Any = None  # the frame before
        self.phase = Fraction(0)  # seconds from the grid of the frame rate to the frames, where packets can tell it
        self.moved = Fraction(0)  # seconds, at most, that a frame is shown too early or late
        self.durations: dict[int, int] = {}  # of the frames that the encoder holds
        self.unkept: set[str] = set()
        streamed = source.format.name in STREAMED and self.container.format not in (*STREAMED, "vob")
        self.origin = Fraction(source.start_time or 0, 10**6) if streamed else Fraction(0)

    def begin(self, photo: Photo, look: Look) -> None:
        """Now that the size and the look are known."""
        film: dict[str, Any] = {
            "format": look.format, "codec": self.pictures.codec_context.name, "fields": bool(look.order)
        }  # fmt: skip
        choice = choose(self.suffix, **film)
        if choice is None:
            raise BadInput(f"{self.path}: this PyAV has no encoder for {self.suffix}; .mkv may do")
        for loss in choice.losses:
            others = keepers(loss, **film)
            self._tell(f"in {self.suffix} {loss.words}" + (f"; {', '.join(others)} would keep it" if others else ""))
        self.choice, encoder = choice, choice.encoder
        height, width = sides(photo.size, choice, bool(look.order) and encoder.fields)
        if (height, width) != photo.size:
            self._tell(f"its codec holds even sides only, so {width}×{height} pixels are written")
        rate, finest = self.pictures.average_rate or Fraction(25), self.pictures.base_rate
        if self.container.constant and finest and rate < finest <= FASTEST:
            rate = finest  # at which all uneven times of the film lie
        if encoder.name == "mpeg2video":
            rate = min(DISC_RATES, key=lambda known: abs(known - rate))
        self.tick = 1 / rate if self.container.constant else self.pictures.time_base
        shape: dict[str, Any] = {"time_base": self.tick, "width": width, "height": height}
        stream = self.out.add_stream(encoder.name, rate, self._options(encoder, look), **shape)
        context: Any = stream.codec_context
        context.pix_fmt = choice.format
        self.matrix, self.full = self._colors(context, look)
        if look.aspect:
            context.sample_aspect_ratio = look.aspect
        if look.aspect not in (0, 1) and not (encoder.aspect or self.container.format in BOXED):
            self._tell(f"in {self.suffix} the pixel aspect {look.aspect} is lost; .mp4 and .mov would keep it")
        if self.suffix == ".avi":
            context.max_b_frames = 0
        elif encoder.codec == "hevc" and self.container.format in BOXED:
            context.codec_tag = "hvc1"  # or a Mac does not play it
        self.fields = bool(look.order) and encoder.fields
        if self.fields:
            context.field_order = look.order
            self._tell("is interlaced, and stays so; each frame is processed with both of its fields at once")
        marks = {"setfield": "tff" if look.order in UPPER_FIRST else "bff"} if self.fields else {}
        marks |= {"setsar": str(look.aspect)} if look.aspect not in (0, 1) else {}
        self.marks = marking(marks, choice.format, width, height, self.tick) if marks else None
        self.stream = stream
        self.sound = Sound(self.source, self.pictures, self.out, self.suffix, self.path, self.origin)

    def _colors(self, context: Any, look: Look) -> tuple[int, bool]:
        """Tag the stream with the colors of the film: the matrix and whether the range is the full one."""
        has, was_rgb = self.choice.traits, traits(look.format).rgb
        matrix = RGB if has.rgb else BT709 if was_rgb else look.matrix
        full = has.rgb or (is_full(look.format, look.range) and not was_rgb and self.choice.encoder.full)
        context.colorspace, context.color_primaries, context.color_trc = matrix, look.primaries, look.transfer
        if full:
            context.color_range = FULL if look.range or has.color else look.range
        else:
            context.color_range = NARROW if was_rgb or look.range == FULL else look.range
        return matrix, full

    def _options(self, encoder: Encoder, look: Look) -> dict[str, str]:
        options = dict(encoder.options)
        if look.order and encoder.fields:
            options["flags"] = options.get("flags", "") + "+ilme+ildct"
        if encoder.name == "libx265":
            options["x265-params"] += "".join(f":{key}={value}" for key, value in hdr10(look).items())
        elif look.mastering or look.light:
            self._tell(
                f"the mastering display and light levels of HDR10 are lost in {self.suffix}; .mp4 and .mkv hold them"
            )
        return options

    def put(self, photo: Photo, frame: Frame) -> None:
        look: Look = frame.beside
        if self.stream is None:
            self.begin(photo, look)
            self.gapless = self.choice.encoder.name == "mpeg2video"
            if self.gapless:
                first = frame.start * self.pictures.time_base - self.origin
                self.phase = first - round(first / self.tick) * self.tick
        self.unkept |= look.unkept
        context = self.stream.codec_context
        size = (context.height, context.width)
        if sides(photo.size, self.choice, self.fields) != size:
            raise BadInput(f"{self.path}: its frames change their size, which cannot be written")
        picture = frame_of(photo, self.choice.format, size, self.matrix, self.full)
        start = (frame.start * self.pictures.time_base - self.origin - self.phase) / self.tick
        place = max(round(start), self.last + 1)
        if self.gapless and self.held is not None:
            while self.last + 1 < place:  # what is shown longer is there more than once
                self._encode(self.held, self.last + 1, 1)
        self.moved = max(self.moved, abs(place - start) * self.tick)
        self._encode(picture, place, round(frame.duration * self.pictures.time_base / self.tick))
        self.held = picture
        self.sound.until(place * self.tick + self.phase)

    def _encode(self, picture: Any, place: int, duration: int) -> None:
        """Write a frame at a time, in ticks."""
        self.last = picture.pts = place
        picture.time_base = self.tick
        context = self.stream.codec_context
        for name in ("colorspace", "color_range", "color_primaries", "color_trc"):  # ProRes asks the frames
            setattr(picture, name, getattr(context, name))
        self.durations[place] = duration
        if self.marks is not None:
            self.marks.push(picture)
            picture = self.marks.pull()
        self._mux(self.stream.encode(picture))

    def _mux(self, packets: list[Any]) -> None:
        for packet in packets:
            packet.duration = self.durations.pop(packet.pts, 0)
            if self.phase:
                packet.pts, packet.dts, packet.duration = (
                    round((at * self.tick + late) * 90000)
                    for at, late in ((packet.pts, self.phase), (packet.dts, self.phase), (packet.duration, 0))
                )
                packet.time_base = Fraction(1, 90000)
            self.out.mux(packet)

    def finish(self) -> None:
        if self.stream is not None:
            self._mux(self.stream.encode(None))
            self.sound.until(None)
            if self.moved > self.tick * Fraction(51, 100):
                told = f"frames are shown up to {float(self.moved):.3f} s early or late, as {self.suffix} has one rate"
                self._tell(f"{told}; .mp4 and .mkv keep their times")
            if self.unkept:
                self._tell(f"not written again: {', '.join(sorted(self.unkept))}")
        self.out.close()

    def close(self) -> None:
        self.out.close()

    def _tell(self, told: str) -> None:
        warnings.warn(f"{self.path}: {told}", Note, stacklevel=4)


def sides(size: tuple[int, int], choice: Choice, fields: bool) -> tuple[int, int]:
    """Height and width as an encoder takes them: none smaller, multiples of the chroma step, of it twice for fields."""
    across, down = choice.traits.chroma if choice.encoder.even and choice.traits.color else (1, 1)
    height, width = size
    return -(-height // (down * (1 + fields))) * down * (1 + fields), -(-width // across) * across


def marking(marks: Mapping[str, str], format: str, width: int, height: int, tick: Fraction) -> Any:
    """Filters that mark frames, by name with their mode, of which PyAV has no other way."""
    from av import VideoFormat
    from av.filter import Graph

    graph = Graph()
    nodes = [graph.add_buffer(width=width, height=height, format=VideoFormat(format), time_base=tick)]
    nodes += [graph.add(name, mode) for name, mode in marks.items()]
    graph.link_nodes(*nodes, graph.add("buffersink")).configure()
    return graph


def hdr10(look: Look) -> Mapping[str, str]:
    """x265's parameters of the mastering display (chromaticities in 1/50000, cd/m² in 1/10000) and the light levels."""
    found: dict[str, str] = {}
    if len(look.mastering) >= 88:  # AVMasteringDisplayMetadata: red, green, blue, white, least, most; two flags
        numbers = struct.unpack("<22i", look.mastering[:88])
        values = [
            Fraction(*pair) if pair[1] else Fraction(0) for pair in zip(numbers[:20:2], numbers[1:20:2], strict=True)
        ]
        red, green, blue, white = ([round(50000 * value) for value in values[at : at + 2]] for at in (0, 2, 4, 6))
        least, most = (round(10000 * value) for value in values[8:])
        points = zip("GBR", (green, blue, red), strict=True)
        told = "".join(f"{name}({x},{y})" for name, (x, y) in [*points, ("WP", white)])
        found["master-display"] = f"{told}L({most},{least})"
    if len(look.light) >= 8:
        most, mean = struct.unpack("<2I", look.light[:8])
        found["max-cll"] = f"{most},{mean}"
    return {"hdr10": "1", **found} if found else {}
