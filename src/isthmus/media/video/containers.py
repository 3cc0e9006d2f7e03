"""Video containers by suffix: the muxer that writes each, and the encoders whose streams it can hold."""

from __future__ import annotations

from typing import NamedTuple


class Container(NamedTuple):
    """A kind of video file that can be written.

    format: name of FFmpeg's muxer. encoders: keys of encoders.ENCODERS, the first one preferred among equally lossless
    ones. audio: encoder of sound that cannot be copied. copied: decoders, by FFmpeg's names, of the sounds and
    subtitles that can be copied, if the muxer would accept others and spoil them. constant: the file has a frame rate
    and no time stamps. options: of the muxer.
    """

    format: str
    encoders: tuple[str, ...]
    audio: str = "aac"
    copied: tuple[str, ...] = ()
    constant: bool = False
    options: dict[str, str] = {}  # noqa: RUF012 (never written to)


H26X = ("h264", "h264-rgb", "h265", "h264-deep")
MP4 = Container("mp4", H26X, options={"write_tmcd": "1"})
BROADCAST = ("mp2", "mp2float", "mp3", "mp3float", "aac", "aac_latm", "ac3", "eac3", "dca", "dvbsub")
STREAM = Container("mpegts", ("h264", "h265", "h264-deep"), copied=BROADCAST)
CAMERA = STREAM._replace(copied=(*BROADCAST, "truehd", "pcm_bluray", "pgssub"), options={"mpegts_m2ts_mode": "1"})
DISC_SOUNDS = ("mp2", "mp2float", "mp3", "mp3float", "ac3", "dca", "pcm_dvd", "dvdsub")
DISC = Container("vob", ("mpeg2",), audio="mp2", copied=DISC_SOUNDS, constant=True)
CONTAINERS = {
    ".mp4": MP4,
    ".m4v": MP4,
    ".mov": Container("mov", (*H26X, "prores", "prores-4444", "qtrle", "png")),
    ".mkv": Container("matroska", (*H26X, "prores", "prores-4444", "vp9", "vp9-alpha", "ffv1")),
    ".webm": Container("webm", ("vp9", "vp9-alpha"), audio="libopus"),
    ".avi": Container("avi", ("h264", "h264-rgb", "h264-deep", "ffv1"), audio="libmp3lame", constant=True),
    ".3gp": Container("3gp", ("h264",)),
    ".flv": Container("flv", ("h264",)),
    ".wmv": Container("asf", ("wmv2",), audio="wmav2"),
    ".ts": STREAM,
    ".mts": CAMERA,
    ".m2ts": CAMERA,
    ".mpg": DISC,
    ".mpeg": DISC,
}
READ_ONLY = (".ogv",)  # Theora, for which PyAV has no encoder
VIDEOS = (*CONTAINERS, *READ_ONLY)
