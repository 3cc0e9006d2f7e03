"""Which shipped denoiser a picture needs, by the noise and the JPEG blocks that are found in it."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from isthmus.errors import Note
from isthmus.jobs.restoration.degradation import is_dithered, is_drawn, jpeg_quality, noise_in
from isthmus.jobs.restoration.value_range import window_of
from isthmus.media.image_file import Photo
from isthmus.media.video.base import Film
from isthmus.media.video.reader import is_lossy

REAL, XRAY = "denoise-real", "xray"
PROJECTIONS = ("CR", "DR", "DX", "IO", "MG", "PX", "RF", "XA")  # modalities of DICOM that are X-rays, and no slices
NOISY = 2.5  # σ of 255 below which a denoiser takes away as much texture as noise
SMALLEST = 40  # pixels of a side; clean pictures of 32 seem to have noise of σ 16
NEARLY = 1.5  # σ from which on it is said that there may be noise below NOISY
CORRELATED = 1.6  # white noise has 1, the noise of a developed photo 2 to 5
ALIKE = 0.8  # correlation of the channels from which on the noise is one of brightness, not of each channel
WHITE = 1.3  # correlation up to which it cannot be texture, whose high frequencies are weaker
KEPT = 0.66  # of σ: where more is found after a denoiser than that, it is texture, which the denoiser knows as such
AGAIN = 5  # how much lower a quality by pixels has to be to be that of an earlier JPEG, not that of the file
TONES, MOVED = 32, 1.0  # pixels of a side, and the change of their means, of 255, from which on a result is no good
LOOKED_AT = 5  # frames of a film, spread over it
CODED = 85  # JPEG quality up to which removing its blocks gains, on training pictures that were held back


class Choice(NamedTuple):
    """names: of shipped models, the best first, none where nothing needs doing. why: in a few words. sigma: of the
    noise, of 255. quality: of the JPEG that the pixels went through, None where none is found. doubtful: whether the
    noise may be texture, which the result of the model tells."""

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
        """Whether there are JPEG blocks that are worth removing."""
        return self.quality is not None and self.quality <= CODED

    @property
    def blocks_alone(self) -> bool:
        return self.coded and (self.sigma or 0) < NOISY

    def withdrawn(self) -> Choice:
        """The same without a model, because the chosen one would do harm."""
        return self._replace(names=(), why=f"{self.why}; {REAL} shifts its tones, so nothing is changed")

    def checked(self, photo: Photo, pixels: np.ndarray, strength: float = 1.0) -> Choice:
        """Itself, or the same without a model where `pixels`, its result for a photo, lost tones or texture."""
        if self.blocks_alone:
            return self if keeps_tones(photo.pixels, pixels) else self.withdrawn()
        left = noise_in(pixels, window_of(photo) or photo.range) if self.doubtful else None
        if left is None or left.sigma <= (1 - strength * (1 - KEPT)) * (self.sigma or 0):
            return self
        why = f"what looks like noise of σ {self.sigma:.1f} is mostly texture, so nothing is changed"
        return self._replace(names=(), why=f"{why}; --model {self.model} denoises it all the same")

    @property
    def figures(self) -> dict[str, Any]:
        return {"sigma": self.sigma, "jpeg_quality": self.quality, "model": self.model, "why": self.why}


def denoiser_for(photo: Photo) -> Choice:
    """The model for a photo: by its pixels (of a DICOM as its window shows them) and by the tables of a JPEG file."""
    quality, seen = photo.info.quality, jpeg_quality(photo.pixels)
    if seen is not None and (quality is None or seen < quality - AGAIN):
        quality = seen
    noise = noise_in(photo.pixels, window_of(photo) or photo.range)
    color = photo.pixels.shape[-1] == 3
    if noise is None or min(photo.size) < SMALLEST:
        why = "too small to tell noise from texture, so nothing is changed; --model NAME denoises it all the same"
        return Choice((), why, noise and noise.sigma, quality)
    sigma, noisy, correlated = noise.sigma, noise.sigma >= NOISY, noise.correlation >= CORRELATED
    alike = color and noise.channels > ALIKE
    white = ("denoise-color", "denoise-gray")[:: 1 if color and not alike else -1]
    found = Choice((REAL, *white), f"JPEG of quality {quality}", sigma, quality)
    if noisy and is_dithered(photo.pixels, noise):
        why = "dithered, or a screen of dots, which is no noise, so nothing is changed"
        return found._replace(names=(), why=f"{why}; --model {white[0]} smooths it all the same")
    if found.coded:
        return found._replace(why=f"{found.why}, noise of σ {sigma:.1f}") if noisy else found
    if not noisy and sigma < NEARLY:
        return found._replace(names=(), why="neither noise nor JPEG blocks found, so nothing is changed")
    if not noisy:
        limit = f"σ {sigma:.2f} of 255, below the limit of {NOISY:g} where texture goes with it, so nothing is changed"
        name = REAL if correlated else white[0]
        return found._replace(names=(), why=f"noise of {limit}; --model {name} removes it all the same")
    if is_drawn(photo.pixels):
        return Choice((), "a drawing or a screenshot: large parts of it are even, so it has no noise", 0.0, quality)
    found = found._replace(doubtful=noise.correlation > WHITE)
    if not correlated:
        why = f"white noise of σ {sigma:.1f}" + (", the same in all channels" if alike else "")
        return found._replace(names=white, why=why)
    return found._replace(why=f"noise of σ {sigma:.1f}, correlated from pixel to pixel")


def advice(named: Any, photo: Photo) -> str:
    """Why another model than the one that was named is better for a photo; "" where nothing is known against it."""
    modality = "" if photo.info.dicom is None else str(photo.info.dicom.get("Modality") or "")
    if named != XRAY or not modality or modality in PROJECTIONS:
        return ""
    return f"{XRAY} learned from X-rays, and this is of modality {modality}: without --model more noise goes"


def keeps_tones(before: np.ndarray, after: np.ndarray) -> bool:
    """Whether the means of 32×32 pixels of uint8 stay: JPEG keeps them, so a net that moves them errs."""
    height, width = (side // TONES * TONES for side in before.shape[:2])
    change = (after[:height, :width].astype(np.float32) - before[:height, :width]).mean(-1)
    means = change.reshape(height // TONES, TONES, width // TONES, TONES).mean((1, 3))
    return not means.size or float(np.sqrt((means**2).mean())) < MOVED


class Choices:
    """denoiser_for each picture, or once for each film; and a summary of what was chosen.

    check: a choice for a photo, or without a model where its result would do harm. It is asked once a film.
    """

    def __init__(self, check: Callable[[Photo, Choice], Choice]) -> None:
        self.check = check
        self.film: Choice | None = None  # while a film is worked on: that of all of its frames
        self.found, self.films = list[Choice](), 0

    def __call__(self, photo: Photo) -> Choice:
        if self.film is not None:
            return self.film
        self.found.append(denoiser_for(photo))
        return self.found[-1]

    def last(self, choice: Choice) -> Choice:
        """The choice for the last picture, once its result has been seen; as it is told at the end."""
        self.found[-1] = choice
        return choice

    @contextmanager
    def of_film(self, film: Film) -> Iterator[None]:
        """What is called inside is for frames of this film, which would flicker if each of them had its own model."""
        photos = film.sample_frames(LOOKED_AT)
        choice = choice_of_frames([denoiser_for(photo) for photo in photos])
        if choice.names and REAL not in choice.names and is_lossy(film.path):  # a codec leaves no noise white
            why = f"{choice.why}, which the film's codec has changed"
            choice = choice._replace(names=(REAL, *choice.names), why=why)
        if choice.names:
            choice = self.check(photos[len(photos) // 2], choice)
        self.found.append(choice)
        self.film, self.films = choice, self.films + 1
        try:
            yield
        finally:
            self.film = None

    def tell(self) -> None:
        """One Note: the model and the reason, or of several pictures how many each model has done."""
        if not self.found:
            return
        last, counts = self.found[-1], Counter(one.model or "no model" for one in self.found)
        kinds = ["pictures"] * (self.films < len(self.found)) + ["films"] * (self.films > 0)
        whole = f"{len(self.found)} {' and '.join(kinds)}"
        several = ", ".join(f"{name} for {count} of {whole}" for name, count in counts.most_common())
        told = f"{last.model or 'no model'}: {last.why}" if len(self.found) == 1 else several
        warnings.warn(told, Note, stacklevel=3)


def choice_of_frames(found: Sequence[Choice]) -> Choice:
    """The one choice for a film of which `found` are those of some frames.

    No model where most of the frames need none; else the model that most of the others need, by the frame whose noise
    is the middle one of theirs.
    """
    needed = [one for one in found if one.names]
    if 2 * len(needed) < len(found):
        return Counter([one for one in found if not one.names]).most_common(1)[0][0]
    names = Counter(one.names for one in needed).most_common(1)[0][0]
    alike = sorted((one for one in needed if one.names == names), key=lambda one: one.sigma or 0.0)
    middle = alike[len(alike) // 2]
    return middle._replace(why=f"{middle.why}, in {len(alike)} of {len(found)} frames that were looked at")
