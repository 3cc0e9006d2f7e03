"""Copying of the other streams of a video: sound, subtitles, cover images, attachments, chapters and metadata."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

from isthmus.errors import Note
from isthmus.media.video.containers import CONTAINERS

# Metadata of the file, not of the film.
FILE_KEYS = {"major_brand", "minor_version", "compatible_brands", "encoder", "duration", "bps", "number_of_frames"}
FILE_KEYS |= {"number_of_bytes", "variant_bitrate", "software"}
VIDEO_KEYS = ("language", "title", "handler_name", "creation_time", "timecode", "reel_name")
TIMECODES = ("mp4", "mov", "matroska")  # formats that write a timecode from the metadata
COVERS = ("mp4",)
AUDIBLE = 0.05  # seconds of offset between picture and sound
# ISO 639 has two codes for some languages; QuickTime knows one of them.
QUICKTIME = {"deu": "ger", "nld": "dut", "zho": "chi", "ell": "gre", "isl": "ice", "sqi": "alb", "mkd": "mac"}
# Codecs to re-encode although FFmpeg's muxer accepts them: few players support PCM in MP4, and the others fail in MOV.
ENCODED = {".mp4": ("pcm",), ".m4v": ("pcm",), ".mov": ("opus", "flac", "vorbis")}


class OtherStreams:
    """Copies all streams of `source` except its video stream `pictures` into `out`, in step with the video.

    Metadata and chapters are copied at once. Sound that the container cannot hold is re-encoded; a Note names what is
    left out. Times are relative to `origin`, in seconds.
    """

    def __init__(self, source: Any, pictures: Any, out: Any, suffix: str, path: Path, origin: Fraction) -> None:
        self.out, self.origin, self.suffix, self.path = out, origin, suffix, path
        self.container = CONTAINERS[suffix]
        self.copied: dict[Any, Any] = {}
        self.encoded: dict[Any, Any] = {}
        self.begun: set[Any] = set()
        out.metadata.update(portable_metadata(source.metadata))
        new = out.streams.video[0]
        new.metadata.update({key: pictures.metadata[key] for key in VIDEO_KEYS if key in pictures.metadata})
        new.disposition = pictures.disposition.value
        self.chapters = source.chapters()
        if self.chapters:
            out.set_chapters(self.chapters)
        lost = Counter(kind for stream in source.streams if stream is not pictures and (kind := self._add(stream)))
        if lost:
            names = ", ".join(f"{count} {kind}" for kind, count in lost.items())
            warnings.warn(f"{path}: streams that {suffix} cannot hold are left out: {names}", Note, stacklevel=4)
        self.packets: Iterator[Any] = iter(source.demux(*self.copied, *self.encoded)) if len(self) else iter(())
        self.next = next(self.packets, None)

    def _add(self, stream: Any) -> str | None:
        """Add an output stream for `stream`; returns its kind if the container cannot hold it."""
        format, kind = self.container.format, str(stream.type)
        if kind == "video" and stream.disposition & stream.disposition.attached_pic:
            if format == "matroska":
                return None if self._attach(stream, cover_of(self.path, stream.index)) else "cover picture"
            return None if format in COVERS and self._copy(stream) else "cover picture"
        if kind == "attachment":
            return None if format == "matroska" and self._attach(stream, bytes(stream.data)) else "attached file"
        if kind == "data" and "timecode" in stream.metadata:
            return None if format in TIMECODES else "timecode"
        if kind == "data" and stream.name == "bin_data" and self.chapters:
            return None  # it holds the names of the chapters
        name, copied = str(stream.name), self.container.copied
        plays = name in copied if copied else not name.startswith(ENCODED.get(self.suffix, ()))
        if kind in ("audio", "subtitle") and plays and self._copy(stream):
            return None
        if kind == "audio" and stream.codec_context is not None:
            self._encode(stream)
            return None
        return kind

    def _attach(self, stream: Any, data: bytes) -> bool:
        kind = {"mjpeg": ("jpg", "image/jpeg"), "png": ("png", "image/png")}.get(stream.name or "")
        name = stream.metadata.get("filename") or (f"cover.{kind[0]}" if kind else "file")
        mime = stream.metadata.get("mimetype") or (kind[1] if kind else "application/octet-stream")
        self.out.add_attachment(name, mime, data)
        return True

    def __len__(self) -> int:
        return len(self.copied) + len(self.encoded)

    def _copy(self, stream: Any) -> bool:
        try:
            new = self.out.add_stream_from_template(stream)
        except ValueError:  # the container cannot hold it
            return False
        self._describe(new, stream)
        self.copied[stream] = new
        return True

    def _encode(self, stream: Any) -> None:
        name, own = self.container.audio, stream.codec_context
        new = self.out.add_stream(name, rate=own.sample_rate if name in ("aac", "wmav2") else 48000)
        several = own.layout if name in ("aac", "libopus") else "stereo"
        new.codec_context.layout = {1: "mono", 2: "stereo"}.get(own.layout.nb_channels, several)
        self._describe(new, stream)
        self.encoded[stream] = new

    def _describe(self, new: Any, stream: Any) -> None:
        metadata = portable_metadata(stream.metadata)
        if self.suffix == ".mov" and "language" in metadata:
            metadata["language"] = QUICKTIME.get(metadata["language"], metadata["language"])
        new.metadata.update(metadata)
        new.disposition = stream.disposition.value

    def until(self, time: Fraction | None) -> None:
        """Write the packets before `time`, in seconds; None: all remaining packets."""
        while self.next is not None:
            packet = self.next
            if packet.stream not in self.begun and packet.pts is not None:
                self.begun.add(packet.stream)
                late = float(packet.pts * packet.time_base - self.origin)
                if self.container.format == "avi" and late > AUDIBLE:
                    message = (
                        f"in .avi a sound begins {late:.3f} s early, as it has no time stamps; .mp4 and .mkv keep them"
                    )
                    warnings.warn(f"{self.path}: {message}", Note, stacklevel=4)
            shift = round(self.origin / packet.time_base)
            if time is not None and packet.dts is not None and (packet.dts - shift) * packet.time_base > time:
                return
            if packet.stream in self.encoded:
                new = self.encoded[packet.stream]
                for frame in packet.decode():
                    if frame.pts is not None:
                        frame.pts -= round(self.origin / frame.time_base)
                    self.out.mux(new.encode(frame))
                if not packet.size:  # the last one
                    self.out.mux(new.encode(None))
            elif packet.size:
                packet.stream = self.copied[packet.stream]
                packet.pts, packet.dts = (None if at is None else at - shift for at in (packet.pts, packet.dts))
                self.out.mux(packet)
            self.next = next(self.packets, None)


def portable_metadata(metadata: Mapping[str, str]) -> dict[str, str]:
    """The metadata that is also valid in another file."""
    return {
        key: value
        for key, value in metadata.items()
        if key.lower() not in FILE_KEYS and not key.upper().startswith("_STATISTICS")
    }


def cover_of(path: Path, index: int) -> bytes:
    """The bytes of a cover image, the only packet of its stream."""
    import av

    with av.open(str(path)) as container:
        return next((bytes(packet) for packet in container.demux(container.streams[index]) if packet.size), b"")


def lost_metadata(source: Any, written: Any) -> list[str]:
    """Keys of the metadata of the container `source` and its streams that are missing in the container `written`."""
    kept = {key.lower() for key in written.metadata}
    lost = {key for key in portable_metadata(source.metadata) if key.lower().split("-")[0] not in kept}
    lost -= {"title"} if "service_name" in kept else set()  # as a transport stream calls it
    streams = [(*film.streams.audio, *film.streams.subtitles) for film in (source, written)]
    for key in ("language", "title") if len(streams[0]) == len(streams[1]) else ():
        before, after = (Counter(same_language(stream.metadata.get(key, "und")) for stream in each) for each in streams)
        lost |= {f"{key} of streams"} if set(before - after) - {"und"} else set()
    if len(source.chapters()) > len(written.chapters()):
        lost.add("chapters")
    return sorted(lost)


def same_language(text: str) -> str:
    """One of the two codes of a language; other text unchanged."""
    return QUICKTIME.get(text, text)
