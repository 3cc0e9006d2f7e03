"""Choice of the encoder and pixel format that lose least of a video: transparency, chroma, bits, RGB, fields."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

from isthmus.media.video.containers import CONTAINERS

# Decoders of lossless formats. Their films are also written losslessly, if the container has such an encoder.
LOSSLESS = {"ffv1", "ffvhuff", "huffyuv", "lagarith", "magicyuv", "png", "qtrle", "rawvideo", "utvideo", "v210", "v410"}
LOOKAHEAD = {"rc-lookahead": "12"}  # frames that an encoder holds in memory


class Encoder(NamedTuple):
    """name: FFmpeg's, in PyAV. codec: its name as a decoder. formats: of pixels; empty: all it lists, without alpha.

    even: height and width have to be multiples of the chroma step. bits: maximum to use. fields: keeps interlaced
    frames. full: keeps full-range YUV. aspect: writes the pixel aspect itself, as not every container does.
    """

    name: str
    codec: str
    options: dict[str, str]
    formats: tuple[str, ...] = ()
    even: bool = True
    bits: int = 16
    fields: bool = True
    full: bool = True
    aspect: bool = True


QUALITY = {"flags": "+qscale", "global_quality": str(2 * 118)}  # 118 is FFmpeg's unit of the quantizer
X265 = {"crf": "16", "x265-params": "log-level=none:rc-lookahead=12"}
VP9 = {"crf": "18", "b:v": "0", "row-mt": "1", "cpu-used": "4", "lag-in-frames": "12"}
ENCODERS = {
    "h264": Encoder("libx264", "h264", {"crf": "16", **LOOKAHEAD}, bits=8),
    "h264-rgb": Encoder("libx264rgb", "h264", {"crf": "16", **LOOKAHEAD}),
    "h264-deep": Encoder(
        "libx264", "h264", {"crf": "16", **LOOKAHEAD}
    ),  # hardly any player supports it, so it comes last
    "h265": Encoder("libx265", "hevc", X265, fields=False),
    "vp9": Encoder("libvpx-vp9", "vp9", VP9, even=False, fields=False, aspect=False),
    "vp9-alpha": Encoder(
        "libvpx-vp9", "vp9", VP9 | {"auto-alt-ref": "0"}, ("yuva420p",), even=False, fields=False, aspect=False
    ),
    "prores": Encoder("prores_ks", "prores", {"profile": "hq"}, ("yuv422p10le",), full=False, aspect=False),
    "prores-4444": Encoder(
        "prores_ks", "prores", {"profile": "4444", "alpha_bits": "16"}, ("yuv444p10le", "yuva444p10le"), full=False
    ),
    "qtrle": Encoder("qtrle", "qtrle", {}, ("rgb24", "argb"), even=False, fields=False),
    "png": Encoder("png", "png", {}, ("rgb24", "rgba", "rgb48be", "rgba64be", "gray", "gray16be"), False, fields=False),
    "ffv1": Encoder("ffv1", "ffv1", {"level": "3", "slicecrc": "1"}, even=False),
    "mpeg2": Encoder("mpeg2video", "mpeg2video", QUALITY, even=False, full=False),
    "wmv2": Encoder("wmv2", "wmv2", QUALITY, fields=False, full=False, aspect=False),
}


class Traits(NamedTuple):
    """Properties of a pixel format. chroma: pixels, across and down, that share one chroma sample."""

    color: bool
    alpha: bool
    chroma: tuple[int, int]
    bits: int
    rgb: bool


class Loss(NamedTuple):
    """A property of a video that is lost, as text; rank: 0 is the worst."""

    rank: int
    words: str


class Choice(NamedTuple):
    """An encoder with one of its pixel formats, and the properties of the video that it loses."""

    encoder: Encoder
    format: str
    traits: Traits
    losses: tuple[Loss, ...]


@cache
def traits(format: str) -> Traits:
    """Traits of a pixel format, by FFmpeg's name."""
    import av

    pixels = av.VideoFormat(format, 16, 16)
    parts = pixels.components
    if pixels.has_palette:
        return Traits(True, True, (1, 1), 8, True)
    alpha = any(part.is_alpha for part in parts)
    color, rgb = len(parts) - alpha > 1, pixels.is_rgb
    if not color:
        return Traits(color, alpha, (16, 16), parts[0].bits, rgb)
    chroma = (1, 1) if rgb else (16 // pixels.chroma_width(), 16 // pixels.chroma_height())
    return Traits(color, alpha, chroma, parts[0].bits, rgb)


@cache
def formats(key: str) -> tuple[str, ...]:
    """Pixel formats to use with the encoder of this key; none if this PyAV lacks the encoder."""
    import av

    encoder = ENCODERS[key]
    try:
        listed = av.codec.Codec(encoder.name, "w").video_formats or ()
    except ValueError:
        return ()
    names = [format.name for format in listed]
    if encoder.formats:
        return tuple(name for name in encoder.formats if name in names)
    # Floats are not written; yuvj is an older name of yuv, and nv another order of the same samples.
    names = [
        name for name in names if not name.startswith(("yuvj", "nv", "yaf")) and "f16" not in name and "f32" not in name
    ]
    alpha = encoder.codec == "ffv1"
    return tuple(name for name in names if traits(name).bits <= encoder.bits and alpha >= traits(name).alpha)


def choose(suffix: str, format: str, codec: str, *, fields: bool) -> Choice | None:
    """The encoder for a film of this pixel format and codec, with interlaced `fields`, in a container; None: none can.

    The least loss is preferred, then the film's own codec, then the fewest bits per pixel.
    """
    wanted, lossless = traits(format), codec in LOSSLESS

    def cost(item: tuple[Encoder, str]) -> tuple[Any, ...]:
        encoder, name = item
        has = traits(name)
        return (
            wanted.color and not has.color,
            wanted.alpha and not has.alpha,
            fields and not encoder.fields,
            *(max(0, own - needed) for own, needed in zip(has.chroma, wanted.chroma, strict=True)),
            encoder.codec != codec,
            max(0, wanted.bits - has.bits),
            wanted.rgb and not has.rgb,
            lossless != (encoder.codec in LOSSLESS),
            has.rgb and not wanted.rgb,
            has.color - wanted.color + has.alpha - wanted.alpha,
            -sum(has.chroma),
            has.bits,
        )

    candidates = [(ENCODERS[key], name) for key in CONTAINERS[suffix].encoders for name in formats(key)]
    if not candidates:
        return None
    encoder, name = min(candidates, key=cost)
    return Choice(encoder, name, traits(name), tuple(losses(wanted, encoder, name, lossless, fields)))


def losses(wanted: Traits, encoder: Encoder, format: str, lossless: bool, fields: bool) -> Iterator[Loss]:
    """The traits that an encoder loses with this pixel format, the worst first."""
    has = traits(format)
    if wanted.alpha and not has.alpha:
        yield Loss(0, "transparency is lost (the pixels are composited over black)")
    if any(own > needed for own, needed in zip(has.chroma, wanted.chroma, strict=True)):
        yield Loss(1, f"color is written as {sampling(has)}, not as {sampling(wanted)}")
    elif wanted.rgb and not has.rgb:
        yield Loss(1, "RGB is written as YUV")
    if wanted.bits > has.bits:
        yield Loss(2, f"{wanted.bits} bits are written as {has.bits}")
    if fields and not encoder.fields:
        yield Loss(3, "interlaced frames are written as progressive frames")
    if lossless and encoder.codec not in LOSSLESS:
        yield Loss(4, "lossless coding is lost")


def suffixes_without(loss: Loss, format: str, codec: str, *, fields: bool) -> list[str]:
    """Suffixes of the common containers that avoid this loss and worse ones."""
    choices = {suffix: choose(suffix, format, codec, fields=fields) for suffix in (".mp4", ".mov", ".mkv", ".webm")}
    return [
        suffix
        for suffix, choice in choices.items()
        if choice is not None and all(other.rank > loss.rank for other in choice.losses)
    ]


def sampling(traits: Traits) -> str:
    """The chroma as J:a:b."""
    across, down = traits.chroma
    if traits.rgb or not traits.color:
        return "RGB" if traits.rgb else "gray"
    return f"4:{4 // across}:{4 // across if down == 1 else 0}"
