"""denoise, unwatermark, inpaint and upscale: restore an array, a file, a folder, a data set or a video by a model."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from pathlib import Path
from typing import Any, Unpack

import numpy as np

from isthmus.errors import BadInput, Note, at_least
from isthmus.inference.frames import FRAME
from isthmus.inference.mask_regions import MAX_SHARE, MIN_PROBABILITY
from isthmus.inference.result import MASK, Result
from isthmus.inference.runner import run
from isthmus.jobs.restoration.apply_model import apply_in_window, apply_model, comparison_image, with_range
from isthmus.jobs.restoration.comparison import COMPARISON
from isthmus.jobs.restoration.deep_holes import check_not_inverted, deep_part, fill_smoothly
from isthmus.jobs.restoration.masks import check_hole, hole_from_mask, mask_loader
from isthmus.jobs.restoration.model_choice import (
    REAL,
    ModelChoice,
    ModelChooser,
    choose_denoiser,
    keeps_tones,
    model_warning,
)
from isthmus.jobs.restoration.options import RestoreFn, RestoreOptions, RestoreResult
from isthmus.jobs.restoration.pretrained import PretrainedModels
from isthmus.jobs.restoration.scores import restore_and_score, truth_loader
from isthmus.jobs.restoration.upscaling import make_upscaler
from isthmus.media.photo import Photo


def denoise(
    source: Any,
    *,
    strength: float = 1.0,
    scale: int | None = None,
    to: str | tuple[int, int] | None = None,
    upscale_model: Any = None,
    **options: Unpack[RestoreOptions],
) -> Any:
    """Remove noise of any strength, and JPEG artifacts.

    Without `model` a shipped model is chosen for each image, or for a few frames of a video (see model_choice.py), or
    none for a clean image; the metrics passed to `each` give the model and the reason, else a Note does.

    source: a file, which may be a video, a folder, a data set, or an array of integers or floats, H×W, H×W×C, C×H×W,
    N×H×W, N×C×H×W or N×H×W×C (see media/array_axes.py). options: see RestoreOptions. strength: share of the change,
    x + strength · (f(x) − x).
    scale, to or upscale_model (a shipped model, a run folder or a model): also enlarge the result, as upscale does.

    Returns the same kind of array, or the path of the output. Raises BadInput for unusable input or options.
    """
    at_least("strength", strength, 0)
    models = PretrainedModels(
        "denoise", options.get("model"), options.get("device", "auto"), "denoise-gray", "denoise-color"
    )
    is_named, enlarge = options.get("model") is not None, None
    if (scale, to, upscale_model) != (None, None, None):
        enlarge = make_upscaler(scale, to, upscale_model, options)

    def cleaned(photo: Photo, choice: ModelChoice) -> np.ndarray:
        model = models(*choice.names)
        return apply_in_window(
            model, photo, apply_model(model, photo, options, strength=strength)[0], options, strength
        )

    choices = ModelChooser(lambda photo, choice: choice.checked(photo, cleaned(photo, choice), strength))

    def restore(photo: Photo, name: str) -> RestoreResult:
        photo = with_range(photo, models() if is_named else None, options)
        choice, after = choose_denoiser(photo) if is_named else choices(photo), photo
        if text := model_warning(options.get("model"), photo):
            warnings.warn(f"{name}: {text}", Note, stacklevel=4)
        if is_named or choice.names:
            pixels = cleaned(photo, choice)
            choice = (
                choice if is_named or choices.video else choices.replace_last(choice.checked(photo, pixels, strength))
            )
            if is_named or choice.names:
                after = photo.replace(pixels=pixels, done="denoised")
        after = enlarge(after, name) if enlarge else after
        return RestoreResult(
            after, comparison_image(photo, after, options), {"sigma": choice.sigma} if is_named else choice.figures
        )

    result = restored(source, restore, options, None if is_named else choices.video_context)
    if options.get("each") is None:  # else the metrics of each image give the choice
        choices.report()
    return result


def unwatermark(
    source: Any, *, sure: float = MIN_PROBABILITY, save_mask: bool = False, **options: Unpack[RestoreOptions]
) -> Any:
    """Remove a logo or text over an image (experimental). Pixels outside of the predicted mask stay as they were.

    sure: least probability of a watermark. If no region reaches it, or the mask would cover most of the image, the
    image stays unchanged, with a Note. save_mask: also write the mask, NAME-mask.png, or return it as a second result,
    H×W bool. The rest as for denoise.
    """
    if not 0 <= sure <= 1:
        raise BadInput(f"sure is {sure}: a probability between 0 and 1 is accepted")
    models = PretrainedModels("unwatermark", options.get("model"), options.get("device", "auto"), "unwatermark")

    def restore(photo: Photo, name: str) -> RestoreResult:
        photo = with_range(photo, models("unwatermark"), options)
        pixels, mask = apply_model(models("unwatermark"), photo, options, sure=sure)
        if mask is None:
            return RestoreResult(photo.replace(pixels=pixels, done="freed of a watermark"), photo)
        if not mask.any():
            text = f"no watermark of probability {sure:g}, so the image stays unchanged; a lower --sure finds more"
        elif mask.mean() > MAX_SHARE:
            text = f"{mask.mean():.0%} of it looks like a watermark, which is too much, so the image stays unchanged"
        else:
            return RestoreResult(photo.replace(pixels=pixels, done="freed of a watermark"), photo, _share(mask), mask)
        if FRAME.search(name) is None:  # for a video the metrics of the frames show it
            warnings.warn(f"{name}: {text}", Note, stacklevel=4)
        return RestoreResult(photo, photo, _share(mask & False), mask & False)

    return restored(source, restore, options, save_mask=save_mask)


def inpaint(
    source: Any,
    mask: Any = None,
    *,
    invert: bool = False,
    dilate: int = 0,
    threshold: float = 0.5,
    **options: Unpack[RestoreOptions],
) -> Any:
    """Fill the hole of an image; pixels outside of it are unchanged to the bit.

    mask: one image for all, a folder with one for each, or an array H×W; white or transparent in the hole. The masks of
    video frames are numbered from 1, or from 0 if there is a 0; a frame without a mask stays unchanged. None: the
    transparent part of the image is the hole, and becomes opaque. invert: invert the mask. dilate: grow the hole by so
    many pixels. threshold: share of white, or of opacity, that separates the hole. The rest as for denoise.
    """
    at_least("dilate", dilate, 0)
    if not 0 <= threshold <= 1:
        raise BadInput(f"threshold is {threshold}: a share between 0 and 1 is accepted")
    models = PretrainedModels("inpaint", options.get("model"), options.get("device", "auto"), "inpaint", masks=True)
    mask_of = mask_loader(mask, folder=isinstance(source, (str, Path)) and Path(source).is_dir())

    def restore(photo: Photo, name: str) -> RestoreResult:
        mask_photo, label = mask_of(photo, name)
        model = models("inpaint")
        hole = hole_from_mask(mask_photo, label, threshold=threshold, invert=invert, dilate=dilate)
        hole = check_hole(hole, photo, label)
        if not hole.any():
            return RestoreResult(photo, photo, {"hole_share": 0.0}, hole)
        deep = deep_part(hole, model.reach)
        check_not_inverted(hole, deep, label)
        photo = with_range(photo, model, options)
        if deep.any():
            text = f"{label}: a hole is deeper than the model can fill, so its inner part is smooth, without detail"
            warnings.warn(text, Note, stacklevel=2)
            photo = photo.replace(pixels=fill_smoothly(photo.pixels, hole, deep))
        pixels, _ = apply_model(model, photo, options, hole=hole & ~deep, reveals=mask is None)
        alpha = photo.alpha if mask is not None else None
        after = photo.replace(pixels=pixels, alpha=alpha, done="inpainted")
        return RestoreResult(after, photo, {"hole_share": float(hole.mean())}, hole)

    return restored(source, restore, options)


def upscale(
    source: Any,
    *,
    scale: int | None = None,
    to: str | tuple[int, int] | None = None,
    deblock: bool = True,
    **options: Unpack[RestoreOptions],
) -> Any:
    """Enlarge an image by `scale` 2, 3 or 4 (2 by default), or `to` a size WxH.

    deblock: first remove the artifacts of a JPEG of quality 85 or less, which enlarging would amplify. Other sizes are
    reduced by a bicubic filter from the next larger factor; factors above 4 take several steps. With truth the metrics
    are psnr_y and ssim_y, of the luma without a border of `scale` pixels. The rest as for denoise.
    """
    enlarge = make_upscaler(scale, to, options.get("model"), options)
    deblocker = cache(lambda: PretrainedModels("denoise", None, options.get("device", "auto"), REAL)(REAL))

    def deblocked(photo: Photo) -> np.ndarray:
        return apply_model(deblocker(), photo, options)[0]

    def checked(photo: Photo, choice: ModelChoice) -> ModelChoice:
        return choice if not choice.coded or keeps_tones(photo.pixels, deblocked(photo)) else choice.withdrawn()

    choices = ModelChooser(checked)

    def restore(photo: Photo, name: str) -> RestoreResult:
        figures, deblocked_photo = dict[str, Any](), photo
        if deblock and (choice := choices(photo)).names and choice.coded:
            pixels = deblocked(photo)
            if choices.video or keeps_tones(photo.pixels, pixels):
                deblocked_photo = photo.replace(pixels=pixels)
                figures = {"why": f"{choice.why}: its artifacts are removed first, by {REAL}"}
        after = enlarge(deblocked_photo, name)
        border = math.ceil(max(new / old for new, old in zip(after.size, photo.size, strict=True)))
        return RestoreResult(after, comparison_image(photo, after, options), figures, border=border)

    return restored(source, restore, options, choices.video_context if deblock else None)


def restored(
    source: Any,
    restore: RestoreFn,
    options: RestoreOptions,
    context: Callable[[Any], AbstractContextManager[None]] | None = None,
    *,
    save_mask: bool = False,
) -> Any:
    """Run a restoration on `source`. context: entered for each video. Raises TypeError for an unknown option."""
    if unexpected := set(options) - set(RestoreOptions.__annotations__):
        accepted = ", ".join(RestoreOptions.__annotations__)
        raise TypeError(f"unexpected argument {min(unexpected)!r}; accepted are {accepted}")
    truth = truth_loader(options.get("truth"))
    kinds = {"mask": MASK} if save_mask else {}
    kinds |= {"side-by-side": COMPARISON} if options.get("side_by_side") else {}

    def apply(photo: Photo, name: str) -> Result:
        return restore_and_score(restore, photo, name, options, truth)

    def film(opened: Any, name: str) -> AbstractContextManager[Any]:
        from isthmus.jobs.restoration.films import restoring_film

        return restoring_film(opened, name, restore, options, context or (lambda film: nullcontext()))

    return run(source, apply, options, kinds=kinds, film=film)


def _share(mask: np.ndarray) -> dict[str, float]:
    return {"mask_share": float(mask.mean())}
