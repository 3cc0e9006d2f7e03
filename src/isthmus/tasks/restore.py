"""denoise, unwatermark, inpaint and upscale: an array, a photo, a folder of them or a film, made good by a model."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Unpack

import numpy as np

from isthmus.data.hidden import filled
from isthmus.data.photo import Photo
from isthmus.errors import BadInput, Note, at_least
from isthmus.tasks.choice import REAL, Choices, denoiser_for, keeps_tones
from isthmus.tasks.films import over
from isthmus.tasks.frame import restored, room
from isthmus.tasks.marks import MOST as MOST_MARKED
from isthmus.tasks.marks import SURE
from isthmus.tasks.masks import FRAME, checked, hole_of, mask_for
from isthmus.tasks.photos import Done, How
from isthmus.tasks.scale import ranged, window_of
from isthmus.tasks.shelf import Models

FACTORS = (2, 3, 4)
MOST = 2**29  # pixels of a result, 1.6 GB of them: a photo of 33 megapixels four times as wide and high


def denoise(
    source: Any,
    *,
    strength: float = 1.0,
    scale: int | None = None,
    to: str | tuple[int, int] | None = None,
    upscale_model: Any = None,
    **how: Unpack[How],
) -> Any:
    """A noisy picture becomes a clean one, whatever the strength of its noise; of a JPEG the blocks are removed.

    Without `model` a look at each picture chooses one of the shipped (see choice.py), or none where it is clean; the
    figures for `each` say which and why, and so does a Note where there is no `each`.

    source: a file, which may be a film, a folder, or an array H×W, H×W×C, C×H×W or N×C×H×W of uint8, uint16 or floats
    in [0, 1]. how: model, out, best, side_by_side, truth, force, device, each (see How). strength: of the change,
    x + strength · (f(x) − x). scale or to, or an upscale_model (a shipped one, a run folder or a model): what is clean
    is enlarged, as by upscale.

    Returns the same kind of array, or the path of what was written. Raises BadInput for what cannot be used.
    """
    at_least("strength", strength, 0)
    models = Models("denoise", how.get("model"), how.get("device", "auto"), "denoise-gray", "denoise-color")
    choices = Choices(source)
    enlarge = None
    if (scale, to, upscale_model) != (None, None, None):
        enlarge = larger(scale, to, upscale_model, how)

    def work(photo: Photo, name: str) -> Done:
        named = how.get("model") is not None
        photo = ranged(photo, models() if named else None, how)
        choice, after = denoiser_for(photo) if named else choices(photo), photo
        if named or choice.names:
            model = models(*choice.names)
            pixels, _ = _by(model, photo, how, strength=strength)
            pixels = in_window(model, photo, pixels, how, strength)
            if named or not choice.blocks_alone or keeps_tones(photo.pixels, pixels):
                after = photo.but(pixels=pixels, done="denoised")
            else:
                choice = choice._replace(names=(), why=f"{choice.why}; {REAL} shifts its tones, so nothing is changed")
        after = enlarge(after, name) if enlarge else after
        return Done(after, _before(photo, after, how), {"sigma": choice.sigma} if named else choice.figures)

    result = over(source, work, how)
    if how.get("each") is None or choices.film:  # or else the figures of each picture say it
        choices.tell()
    return result


def unwatermark(source: Any, *, sure: float = SURE, save_mask: bool = False, **how: Unpack[How]) -> Any:
    """A picture without the logo or the words that lie over it; experimental. Outside of the mask it stays to the bit.

    sure: how likely the model has to be right about a mark. Where it is less, or where marks would cover most of the
    picture, all of it stays as it is, and a Note says so. save_mask: also where something was found: NAME-mask.png, or
    H×W bool as a second result. Else as denoise.
    """
    if not 0 <= sure <= 1:
        raise BadInput(f"sure is {sure}: a probability between 0 and 1 is accepted")
    models = Models("unwatermark", how.get("model"), how.get("device", "auto"), "unwatermark")

    def work(photo: Photo, name: str) -> Done:
        photo = ranged(photo, models("unwatermark"), how)
        pixels, mask = _by(models("unwatermark"), photo, how, sure=sure)
        if mask is None:
            return Done(photo.but(pixels=pixels, done="freed of a watermark"), photo)
        if not mask.any():
            told = f"no mark is found with a probability of {sure:g}, so it stays as it is; a lower --sure finds more"
        elif mask.mean() > MOST_MARKED:
            told = f"{mask.mean():.0%} of it looks like a mark, which is too much to be one, so it stays as it is"
        else:
            return Done(photo.but(pixels=pixels, done="freed of a watermark"), photo, _share(mask), mask)
        if FRAME.search(name) is None:  # of a film the figures tell it, frame by frame
            warnings.warn(f"{name}: {told}", Note, stacklevel=4)
        return Done(photo, photo, _share(mask & False), mask & False)

    return over(source, work, how, save_mask=save_mask)


def inpaint(
    source: Any,
    mask: Any = None,
    *,
    invert: bool = False,
    dilate: int = 0,
    threshold: float = 0.5,
    **how: Unpack[How],
) -> Any:
    """A picture whose hole is filled; what is outside of it stays to the bit.

    mask: a picture for all, a folder with one for each, or an array H×W: white or see-through is the hole. The masks of
    a film's frames are numbered, from 1 on, or from 0 where that is there; a frame without one stays as it is. Without
    any the picture's own see-through part is the hole, which then becomes opaque. invert: the rest is the hole. dilate:
    the hole grows by that many pixels. threshold: the share of white, or of opacity, where it begins. Else as denoise.
    """
    at_least("dilate", dilate, 0)
    if not 0 <= threshold <= 1:
        raise BadInput(f"threshold is {threshold}: a share between 0 and 1 is accepted")
    models = Models("inpaint", how.get("model"), how.get("device", "auto"), "inpaint", masks=True)
    mask_of = mask_for(mask, folder=isinstance(source, (str, Path)) and Path(source).is_dir())

    def work(photo: Photo, name: str) -> Done:
        given, shown = mask_of(photo, name)
        model = models("inpaint")
        hole = hole_of(given, shown, threshold=threshold, invert=invert, dilate=dilate)
        hole = checked(hole, photo, shown, model.reach)
        photo = ranged(photo, model, how)
        pixels, _ = _by(model, photo, how, hole=hole)
        alpha = photo.alpha if mask is not None else None
        after = photo.but(pixels=pixels, alpha=alpha, done="inpainted")
        return Done(after, photo, {"hole_share": float(hole.mean())}, hole)

    return over(source, work, how)


def upscale(
    source: Any,
    *,
    scale: int | None = None,
    to: str | tuple[int, int] | None = None,
    deblock: bool = True,
    **how: Unpack[How],
) -> Any:
    """A picture with more pixels: `scale` 2, 3 or 4 times as wide and high (2 by default), or `to` a size WxH.

    deblock: the blocks of a JPEG of quality 85 or less are removed first, which enlarging would make stand out.
    A size between is reached by a cubic from the next larger factor, one beyond 4 in several steps. With truth the
    figures are psnr_y and ssim_y, those of the luma without a border of `scale` pixels. Else as denoise.
    """
    enlarge = larger(scale, to, how.get("model"), how)
    choices = Choices(source)
    deblocker = cache(lambda: Models("denoise", None, how.get("device", "auto"), REAL)(REAL))

    def work(photo: Photo, name: str) -> Done:
        figures, seen = dict[str, Any](), photo
        if deblock and (choice := choices(photo)).coded:
            pixels = _by(deblocker(), photo, how)[0]
            if keeps_tones(photo.pixels, pixels):
                seen = photo.but(pixels=pixels)
                figures = {"why": f"{choice.why}: its blocks are removed first, by {REAL}"}
        after = enlarge(seen, name)
        border = math.ceil(max(new / old for new, old in zip(after.size, photo.size, strict=True)))
        return Done(after, _before(photo, after, how), figures, border=border)

    return over(source, work, how)


def larger(scale: int | None, to: str | tuple[int, int] | None, model: Any, how: How) -> Callable[[Photo, str], Photo]:
    """From a photo and its name to the photo with more pixels, as upscale has them. Raises BadInput."""
    if scale is not None and to is not None:
        raise BadInput("scale and to: name one of the two")
    if scale is not None and scale not in FACTORS:
        raise BadInput(f"scale is {scale}: 2, 3 or 4 is accepted; --to WxH takes any size")
    wanted = None if to is None else size_of(to)
    models = Models("upscale", model, how.get("device", "auto"), *_names(scale or 2), scales=True)
    if model is not None and to is None:
        own = int(models().scale)
        if scale not in (None, own):
            raise BadInput(f"this model enlarges ×{own}, not ×{scale}; --to WxH takes any size")
        scale = own

    def enlarge(photo: Photo, name: str) -> Photo:
        height, width = photo.size
        goal = wanted or (height * (scale or 2), width * (scale or 2))
        if goal[0] <= height and goal[1] <= width:
            raise BadInput(f"{name}: has {width}×{height} pixels already, and {goal[1]}×{goal[0]} are asked for")
        if goal[0] * goal[1] > MOST:
            raise BadInput(f"{name}: {goal[1]}×{goal[0]} pixels are too many; accepted are {MOST // 10**6} megapixels")
        if abs(goal[1] * height / (goal[0] * width) - 1) > 0.01:
            warnings.warn(f"{name}: {width}×{height} pixels are stretched to {goal[1]}×{goal[0]}", Note, stacklevel=5)
        photo = ranged(photo, models(*_names(scale or 2)), how)
        pixels = filled(photo)
        while pixels.shape[0] < goal[0] or pixels.shape[1] < goal[1]:
            factor = math.ceil(max(goal[0] / pixels.shape[0], goal[1] / pixels.shape[1]))
            pixels, _ = restored(models(*_names(factor)), pixels, best=how.get("best", False), range=photo.range)
        alpha = None if photo.alpha is None else resized(photo.alpha[..., None], goal)[..., 0]
        done = " and ".join(filter(None, [photo.done, "enlarged"]))
        return photo.but(pixels=resized(pixels, goal), alpha=alpha, done=done)

    return enlarge


def _share(mask: np.ndarray) -> dict[str, float]:
    return {"mask_share": float(mask.mean())}


def _by(model: Any, photo: Photo, how: How, **keys: Any) -> tuple[np.ndarray, np.ndarray | None]:
    """A photo as `restored` gives it, which sees no hidden color, and keeps it where it changes nothing."""
    pixels, changed = restored(model, filled(photo), best=how.get("best", False), range=photo.range, **keys)
    return pixels if changed is None else np.where(changed[..., None], pixels, photo.pixels), changed


def in_window(model: Any, photo: Photo, pixels: np.ndarray, how: How, strength: float) -> np.ndarray:
    """What a window of a DICOM shows is denoised as it shows it, in which noise is many times as strong.

    The rest is `pixels`, which the whole range has given; with a named model, which may have been trained on what
    windows show, and not on whole ranges, it stays as it was.
    """
    window = window_of(photo)
    if window is None or how.get("white") is not None:
        return pixels
    inside = (photo.pixels > window[0]) & (photo.pixels < window[1])
    seen = photo.but(pixels=np.clip(photo.pixels, *np.rint(window).astype(photo.pixels.dtype)), range=window)
    found, _ = _by(model, seen, how, strength=strength)
    return np.where(inside, found, pixels if how.get("model") is None else photo.pixels)


def _before(photo: Photo, after: Photo, how: How) -> Photo:
    """What the result is compared with, in its size, where it is."""
    compared = how.get("side_by_side") or how.get("truth") is not None
    return photo.but(pixels=resized(photo.pixels, after.size)) if compared else photo


def _names(factor: int) -> list[str]:
    """The shipped models for a factor, the best first: this one, the next larger, the next smaller."""
    order = sorted(FACTORS, key=lambda own: (own < factor, abs(own - factor)))
    return [f"upscale-{own}" for own in order]


def size_of(to: str | tuple[int, int]) -> tuple[int, int]:
    """'1920x1080', or (width, height) -> height and width. Raises BadInput."""
    found = re.fullmatch(r"(\d+)\s*[x×X]\s*(\d+)", to.strip()) if isinstance(to, str) else None
    width, height = (int(side) for side in found.groups()) if found else (0, 0) if isinstance(to, str) else to
    if not (0 < width < 2**20 and 0 < height < 2**20):
        raise BadInput(f"to is {to}: a width and a height are accepted, as in 1920x1080")
    return height, width


def resized(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """H×W×C to another height and width by a cubic, averaging where it becomes smaller; the same type."""
    from PIL import Image

    if pixels.shape[:2] == size:
        return pixels
    result = room((*size, pixels.shape[-1]), pixels.dtype)
    for channel in range(pixels.shape[-1]):
        plane = np.ascontiguousarray(pixels[..., channel])
        image = Image.fromarray(plane if plane.dtype == np.uint8 else plane.astype(np.float32))
        found = np.asarray(image.resize(size[::-1], Image.Resampling.BICUBIC))
        if pixels.dtype.kind != "f" and found.dtype.kind == "f":
            found = np.rint(np.clip(found, np.iinfo(pixels.dtype).min, np.iinfo(pixels.dtype).max))
        result[..., channel] = found
    return result
