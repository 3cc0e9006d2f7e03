"""What lies beside the pictures of a video: sound and subtitles, as they are wherever that can be."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

from isthmus.errors import Note

ENCODER = {".webm": "libopus", ".avi": "libmp3lame"}  # where a sound cannot be copied; else AAC
OF_THE_FILE = ("major_brand", "minor_version", "compatible_brands", "encoder")  # said of the old file, not of the film
KEPT = ("language", "title", "handler_name", "creation_time")


class Sound:
    """All streams of `source` but its `pictures`, into `out` as far as the pictures are; words, and chapters, at once.

    Sound that the new kind of file cannot hold is encoded anew; a Note tells what else is left out.
    """

    def __init__(self, source: Any, pictures: Any, out: Any, suffix: str, path: Path) -> None:
        self.out = out
        self.copied: dict[Any, Any] = {}
        self.encoded: dict[Any, Any] = {}
        out.metadata.update({key: value for key, value in source.metadata.items() if key not in OF_THE_FILE})
        out.streams.video[0].metadata.update({key: pictures.metadata[key] for key in KEPT if key in pictures.metadata})
        if chapters := source.chapters():
            out.set_chapters(chapters)
        lost: Counter[str] = Counter()
        for stream in source.streams:
            if stream is pictures:
                continue
            plays = suffix != ".mp4" or not stream.name.startswith("pcm")  # which it may hold, but few can play
            if stream.type in ("audio", "subtitle") and plays and self._copy(stream):
                continue
            if stream.type == "audio" and stream.codec_context is not None:
                self._encode(stream, suffix)
            else:
                lost[stream.type] += 1
        if lost:
            told = ", ".join(f"{count} {kind}" for kind, count in lost.items())
            warnings.warn(f"{path}: streams that are left out: {told}", Note, stacklevel=2)
        self.packets: Iterator[Any] = iter(source.demux(*self.copied, *self.encoded)) if len(self) else iter(())
        self.next = next(self.packets, None)

    def __len__(self) -> int:
        return len(self.copied) + len(self.encoded)

    def _copy(self, stream: Any) -> bool:
        try:
            new = self.out.add_stream_from_template(stream)
        except ValueError:  # this kind of file does not hold it
            return False
        new.metadata.update(stream.metadata)
        self.copied[stream] = new
        return True

    def _encode(self, stream: Any, suffix: str) -> None:
        name, own = ENCODER.get(suffix, "aac"), stream.codec_context
        new = self.out.add_stream(name, rate=own.sample_rate if name == "aac" else 48000)
        several = own.layout if name != "libmp3lame" else "stereo"
        new.codec_context.layout = {1: "mono", 2: "stereo"}.get(own.layout.nb_channels, several)
        new.metadata.update({key: stream.metadata[key] for key in KEPT if key in stream.metadata})
        self.encoded[stream] = new

    def until(self, time: Fraction | None) -> None:
        """Put in what belongs before `time`, in seconds; None: all that is left."""
        while self.next is not None:
            packet = self.next
            if time is not None and packet.dts is not None and packet.dts * packet.time_base > time:
                return
            if packet.stream in self.encoded:
                new = self.encoded[packet.stream]
                for frame in packet.decode():
                    self.out.mux(new.encode(frame))
                if not packet.size:  # the last one
                    self.out.mux(new.encode(None))
            elif packet.size:
                packet.stream = self.copied[packet.stream]
                self.out.mux(packet)
            self.next = next(self.packets, None)
