"""Choice of a shipped denoiser by the noise and JPEG artifacts of an image."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from isthmus.errors import Note
from isthmus.jobs.restoration.apply_model import window_of
from isthmus.jobs.restoration.degradation import estimate_noise, is_dithered, is_drawing, jpeg_quality
from isthmus.media.photo import Photo
from isthmus.media.video.base import Film
from isthmus.media.video.reader import is_lossy

REAL, XRAY = "denoise-real", "xray"
PROJECTIONS = ("CR", "DR", "DX", "IO", "MG", "PX", "RF", "XA")  # DICOM modalities that are projections, not slices
NOISY = 2.5  # σ of 255 below which a denoiser removes as much texture as noise
SMALLEST = 40  # side in pixels; clean images of 32 pixels seem to have noise of σ 16
NEARLY = 1.5  # σ from which the reason mentions noise below NOISY
CORRELATED = 1.6  # correlation; 1 for white noise, 2 to 5 for the noise of a developed photo
ALIKE = 0.8  # correlation of the channels above which the noise is equal in all channels
WHITE = 1.3  # correlation up to which noise cannot be texture, whose high frequencies are weaker
KEPT = 0.66  # share of σ; if more remains after denoising, it is texture, which the denoiser keeps
AGAIN = 5  # how much lower a quality estimated from pixels must be to indicate an earlier JPEG compression
TONES, MOVED = 32, 1.0  # side of blocks in pixels; change of block means, of 255, above which a result is rejected
LOOKED_AT = 5  # frames of a video, evenly spaced
CODED = 85  # JPEG quality up to which removing artifacts helps, measured on held-back training images


class ModelChoice(NamedTuple):
    """names: of shipped models in order of preference, empty if none is needed. why: the reason. sigma: of noise, of
    255. quality: estimated JPEG quality or None. doubtful: the noise may be texture, which the result must show."""

    names: tuple[str, ...]
    why: str
    sigma: float | None
    quality: int | None
    doubtful: bool = False

    @property
    def model(self) -> str | None:
        return self.names[0] if self.names else None

    @property
    def coded(self) -> bool:
        """Whether there are JPEG artifacts worth removing."""
        return self.quality is not None and self.quality <= CODED

    @property
    def blocks_alone(self) -> bool:
        return self.coded and (self.sigma or 0) < NOISY

    def withdrawn(self) -> ModelChoice:
        """This choice without a model, because the chosen one would do harm."""
        return self._replace(names=(), why=f"{self.why}; {REAL} shifts its tones, so nothing is changed")

    def checked(self, photo: Photo, pixels: np.ndarray, strength: float = 1.0) -> ModelChoice:
        """This choice, or no model if `pixels`, the result for a photo, lost tones or texture."""
        if self.blocks_alone:
            return self if keeps_tones(photo.pixels, pixels) else self.withdrawn()
        remaining = estimate_noise(pixels, window_of(photo) or photo.range) if self.doubtful else None
        if remaining is None or remaining.sigma <= (1 - strength * (1 - KEPT)) * (self.sigma or 0):
            return self
        why = f"what looks like noise of σ {self.sigma:.1f} is mostly texture, so nothing is changed"
        return self._replace(names=(), why=f"{why}; --model {self.model} denoises it anyway")

    @property
    def figures(self) -> dict[str, Any]:
        return {"sigma": self.sigma, "jpeg_quality": self.quality, "model": self.model, "why": self.why}


def choose_denoiser(photo: Photo) -> ModelChoice:
    """Choose a model for a photo by its pixels (in the window of a DICOM) and the tables of a JPEG file."""
    quality, pixel_quality = photo.info.quality, jpeg_quality(photo.pixels)
    if pixel_quality is not None and (quality is None or pixel_quality < quality - AGAIN):
        quality = pixel_quality
    noise = estimate_noise(photo.pixels, window_of(photo) or photo.range)
    color = photo.pixels.shape[-1] == 3
    if noise is None or min(photo.size) < SMALLEST:
        why = "too small to tell noise from texture, so nothing is changed; --model NAME denoises it anyway"
        return ModelChoice((), why, noise and noise.sigma, quality)
    sigma, noisy, correlated = noise.sigma, noise.sigma >= NOISY, noise.correlation >= CORRELATED
    same_in_channels = color and noise.channels > ALIKE
    white = ("denoise-color", "denoise-gray")[:: 1 if color and not same_in_channels else -1]
    choices = ModelChoice((REAL, *white), f"JPEG of quality {quality}", sigma, quality)
    if noisy and is_dithered(photo.pixels, noise):
        why = "dithered or a halftone, which is not noise, so nothing is changed"
        return choices._replace(names=(), why=f"{why}; --model {white[0]} smooths it anyway")
    if choices.coded:
        return choices._replace(why=f"{choices.why}, noise of σ {sigma:.1f}") if noisy else choices
    if not noisy and sigma < NEARLY:
        return choices._replace(names=(), why="neither noise nor JPEG artifacts found, so nothing is changed")
    if not noisy:
        limit = f"σ {sigma:.2f} of 255, below {NOISY:g}, where denoising removes texture too, so nothing is changed"
        name = REAL if correlated else white[0]
        return choices._replace(names=(), why=f"noise of {limit}; --model {name} removes it anyway")
    if is_drawing(photo.pixels):
        return ModelChoice((), "a drawing or a screenshot: large constant areas, so no noise", 0.0, quality)
    choices = choices._replace(doubtful=noise.correlation > WHITE)
    if not correlated:
        why = f"white noise of σ {sigma:.1f}" + (", the same in all channels" if same_in_channels else "")
        return choices._replace(names=white, why=why)
    return choices._replace(why=f"noise of σ {sigma:.1f}, correlated from pixel to pixel")


def model_warning(named: Any, photo: Photo) -> str:
    """A warning if the model named by the user does not suit a photo, else ""."""
    modality = "" if photo.info.dicom is None else str(photo.info.dicom.get("Modality") or "")
    if named != XRAY or not modality or modality in PROJECTIONS:
        return ""
    return (
        f"{XRAY} was trained on X-rays, and this image has modality {modality}: without --model more noise is removed"
    )


def keeps_tones(before: np.ndarray, after: np.ndarray) -> bool:
    """Whether the means of 32×32 pixels are kept: JPEG preserves them, so a network that changes them is wrong."""
    height, width = (side // TONES * TONES for side in before.shape[:2])
    change = (after[:height, :width].astype(np.float32) - before[:height, :width]).mean(-1)
    means = change.reshape(height // TONES, TONES, width // TONES, TONES).mean((1, 3))
    return not means.size or float(np.sqrt((means**2).mean())) < MOVED


class ModelChooser:
    """Chooses a denoiser for each image, or once for each video, and reports the choices.

    check: returns the choice for a photo, without a model if its result would do harm; called once for each video.
    """

    def __init__(self, check: Callable[[Photo, ModelChoice], ModelChoice]) -> None:
        self.check = check
        self.video: ModelChoice | None = None  # while a video is restored: the choice for all of its frames
        self.choices, self.videos = list[ModelChoice](), 0

    def __call__(self, photo: Photo) -> ModelChoice:
        if self.video is not None:
            return self.video
        self.choices.append(choose_denoiser(photo))
        return self.choices[-1]

    def replace_last(self, choice: ModelChoice) -> ModelChoice:
        """Replace the choice for the last image after its result was checked, for the report."""
        self.choices[-1] = choice
        return choice

    @contextmanager
    def video_context(self, video: Film) -> Iterator[None]:
        """Inside, one choice is used for all frames of the video, because changing models would flicker."""
        photos = video.sample_frames(LOOKED_AT)
        choice = choose_for_video([choose_denoiser(photo) for photo in photos])
        if choice.names and REAL not in choice.names and is_lossy(video.path):  # after a lossy codec no noise is white
            why = f"{choice.why}, changed by the codec of the video"
            choice = choice._replace(names=(REAL, *choice.names), why=why)
        if choice.names:
            choice = self.check(photos[len(photos) // 2], choice)
        self.choices.append(choice)
        self.video, self.videos = choice, self.videos + 1
        try:
            yield
        finally:
            self.video = None

    def report(self) -> None:
        """Report in one Note: the model and the reason, or for several images the number restored by each model."""
        if not self.choices:
            return
        replace_last, counts = self.choices[-1], Counter(choice.model or "no model" for choice in self.choices)
        media = ["images"] * (self.videos < len(self.choices)) + ["videos"] * (self.videos > 0)
        total = f"{len(self.choices)} {' and '.join(media)}"
        summary = ", ".join(f"{name} for {count} of {total}" for name, count in counts.most_common())
        text = f"{replace_last.model or 'no model'}: {replace_last.why}" if len(self.choices) == 1 else summary
        warnings.warn(text, Note, stacklevel=3)


def choose_for_video(choices: Sequence[ModelChoice]) -> ModelChoice:
    """One choice for a video, given the choices for some of its frames.

    No model if most frames need none; else the model that most other frames need, from the frame of median noise.
    """
    with_model = [choice for choice in choices if choice.names]
    if 2 * len(with_model) < len(choices):
        return Counter([choice for choice in choices if not choice.names]).most_common(1)[0][0]
    names = Counter(choice.names for choice in with_model).most_common(1)[0][0]
    candidates = [choice for choice in with_model if choice.names == names]
    median = sorted(candidates, key=lambda choice: choice.sigma or 0.0)[len(candidates) // 2]
    return median._replace(why=f"{median.why}, in {len(candidates)} of {len(choices)} sampled frames")
