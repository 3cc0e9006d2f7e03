"""denoise, unwatermark, inpaint and upscale: an array, a photo, a folder of them or a film, made good by a model."""

from __future__ import annotations

import math
import warnings
from functools import cache
from pathlib import Path
from typing import Any, Unpack

import numpy as np

from isthmus.errors import BadInput, Note, at_least
from isthmus.inference.mask_regions import MAX_SHARE, MIN_PROBABILITY
from isthmus.jobs.restoration.apply_model import before, by_model, in_window
from isthmus.jobs.restoration.deep_holes import bridged, middle_of, not_inverted
from isthmus.jobs.restoration.masks import FRAME, checked, hole_of, mask_for
from isthmus.jobs.restoration.model_choice import REAL, Choice, Choices, advice, denoiser_for, keeps_tones
from isthmus.jobs.restoration.options import RestoreOptions, RestoreResult
from isthmus.jobs.restoration.pretrained import PretrainedModels
from isthmus.jobs.restoration.upscaling import larger
from isthmus.jobs.restoration.value_range import ranged
from isthmus.jobs.restoration.video_runner import run_videos
from isthmus.media.image_file import Photo


def denoise(
    source: Any,
    *,
    strength: float = 1.0,
    scale: int | None = None,
    to: str | tuple[int, int] | None = None,
    upscale_model: Any = None,
    **how: Unpack[RestoreOptions],
) -> Any:
    """A noisy picture becomes a clean one, whatever the strength of its noise; of a JPEG the blocks are removed.

    Without `model` a look at each picture, or at a few frames of a film, chooses one of the shipped (see choice.py), or
    none where it is clean; the figures for `each` say which and why, and so does a Note where there is no `each`.

    source: a file, which may be a film, a folder, or an array H×W, H×W×C, C×H×W or N×C×H×W of uint8, uint16 or floats
    in [0, 1]. how: model, out, best, side_by_side, truth, force, device, each (see How). strength: of the change,
    x + strength · (f(x) − x). scale or to, or an upscale_model (a shipped one, a run folder or a model): what is clean
    is enlarged, as by upscale.

    Returns the same kind of array, or the path of what was written. Raises BadInput for what cannot be used.
    """
    at_least("strength", strength, 0)
    models = PretrainedModels("denoise", how.get("model"), how.get("device", "auto"), "denoise-gray", "denoise-color")
    named, enlarge = how.get("model") is not None, None
    if (scale, to, upscale_model) != (None, None, None):
        enlarge = larger(scale, to, upscale_model, how)

    def cleaned(photo: Photo, choice: Choice) -> np.ndarray:
        model = models(*choice.names)
        return in_window(model, photo, by_model(model, photo, how, strength=strength)[0], how, strength)

    choices = Choices(lambda photo, choice: choice.checked(photo, cleaned(photo, choice), strength))

    def work(photo: Photo, name: str) -> RestoreResult:
        photo = ranged(photo, models() if named else None, how)
        choice, after = denoiser_for(photo) if named else choices(photo), photo
        if told := advice(how.get("model"), photo):
            warnings.warn(f"{name}: {told}", Note, stacklevel=4)
        if named or choice.names:
            pixels = cleaned(photo, choice)
            choice = choice if named or choices.film else choices.last(choice.checked(photo, pixels, strength))
            if named or choice.names:
                after = photo.replace(pixels=pixels, done="denoised")
        after = enlarge(after, name) if enlarge else after
        return RestoreResult(after, before(photo, after, how), {"sigma": choice.sigma} if named else choice.figures)

    result = run_videos(source, work, how, of_film=None if named else choices.of_film)
    if how.get("each") is None:  # or else the figures of each picture say it
        choices.tell()
    return result


def unwatermark(
    source: Any, *, sure: float = MIN_PROBABILITY, save_mask: bool = False, **how: Unpack[RestoreOptions]
) -> Any:
    """A picture without the logo or the words that lie over it; experimental. Outside of the mask it stays to the bit.

    sure: how likely the model has to be right about a mark. Where it is less, or where marks would cover most of the
    picture, all of it stays as it is, and a Note says so. save_mask: also where something was found: NAME-mask.png, or
    H×W bool as a second result. Else as denoise.
    """
    if not 0 <= sure <= 1:
        raise BadInput(f"sure is {sure}: a probability between 0 and 1 is accepted")
    models = PretrainedModels("unwatermark", how.get("model"), how.get("device", "auto"), "unwatermark")

    def work(photo: Photo, name: str) -> RestoreResult:
        photo = ranged(photo, models("unwatermark"), how)
        pixels, mask = by_model(models("unwatermark"), photo, how, sure=sure)
        if mask is None:
            return RestoreResult(photo.replace(pixels=pixels, done="freed of a watermark"), photo)
        if not mask.any():
            told = f"no mark is found with a probability of {sure:g}, so it stays as it is; a lower --sure finds more"
        elif mask.mean() > MAX_SHARE:
            told = f"{mask.mean():.0%} of it looks like a mark, which is too much to be one, so it stays as it is"
        else:
            return RestoreResult(photo.replace(pixels=pixels, done="freed of a watermark"), photo, _share(mask), mask)
        if FRAME.search(name) is None:  # of a film the figures tell it, frame by frame
            warnings.warn(f"{name}: {told}", Note, stacklevel=4)
        return RestoreResult(photo, photo, _share(mask & False), mask & False)

    return run_videos(source, work, how, save_mask=save_mask)


def inpaint(
    source: Any,
    mask: Any = None,
    *,
    invert: bool = False,
    dilate: int = 0,
    threshold: float = 0.5,
    **how: Unpack[RestoreOptions],
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
    models = PretrainedModels("inpaint", how.get("model"), how.get("device", "auto"), "inpaint", masks=True)
    mask_of = mask_for(mask, folder=isinstance(source, (str, Path)) and Path(source).is_dir())

    def work(photo: Photo, name: str) -> RestoreResult:
        given, shown = mask_of(photo, name)
        model = models("inpaint")
        hole = hole_of(given, shown, threshold=threshold, invert=invert, dilate=dilate)
        hole = checked(hole, photo, shown)
        if not hole.any():
            return RestoreResult(photo, photo, {"hole_share": 0.0}, hole)
        middle = middle_of(hole, model.reach)
        not_inverted(hole, middle, shown)
        photo = ranged(photo, model, how)
        if middle.any():
            told = f"{shown}: a hole is deeper than the model fills, so its middle is smooth, without detail"
            warnings.warn(told, Note, stacklevel=2)
            photo = photo.replace(pixels=bridged(photo.pixels, hole, middle))
        pixels, _ = by_model(model, photo, how, hole=hole & ~middle, reveals=mask is None)
        alpha = photo.alpha if mask is not None else None
        after = photo.replace(pixels=pixels, alpha=alpha, done="inpainted")
        return RestoreResult(after, photo, {"hole_share": float(hole.mean())}, hole)

    return run_videos(source, work, how)


def upscale(
    source: Any,
    *,
    scale: int | None = None,
    to: str | tuple[int, int] | None = None,
    deblock: bool = True,
    **how: Unpack[RestoreOptions],
) -> Any:
    """A picture with more pixels: `scale` 2, 3 or 4 times as wide and high (2 by default), or `to` a size WxH.

    deblock: the blocks of a JPEG of quality 85 or less are removed first, which enlarging would make stand out.
    A size between is reached by a cubic from the next larger factor, one beyond 4 in several steps. With truth the
    figures are psnr_y and ssim_y, those of the luma without a border of `scale` pixels. Else as denoise.
    """
    enlarge = larger(scale, to, how.get("model"), how)
    deblocker = cache(lambda: PretrainedModels("denoise", None, how.get("device", "auto"), REAL)(REAL))

    def deblocked(photo: Photo) -> np.ndarray:
        return by_model(deblocker(), photo, how)[0]

    def checked(photo: Photo, choice: Choice) -> Choice:
        return choice if not choice.coded or keeps_tones(photo.pixels, deblocked(photo)) else choice.withdrawn()

    choices = Choices(checked)

    def work(photo: Photo, name: str) -> RestoreResult:
        figures, seen = dict[str, Any](), photo
        if deblock and (choice := choices(photo)).names and choice.coded:
            pixels = deblocked(photo)
            if choices.film or keeps_tones(photo.pixels, pixels):
                seen = photo.replace(pixels=pixels)
                figures = {"why": f"{choice.why}: its blocks are removed first, by {REAL}"}
        after = enlarge(seen, name)
        border = math.ceil(max(new / old for new, old in zip(after.size, photo.size, strict=True)))
        return RestoreResult(after, before(photo, after, how), figures, border=border)

    return run_videos(source, work, how, of_film=choices.of_film if deblock else None)


def _share(mask: np.ndarray) -> dict[str, float]:
    return {"mask_share": float(mask.mean())}
