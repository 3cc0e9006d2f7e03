"""What cameras and JPEG do, taken away: noise of developed color pictures, blocks of gray ones and before enlarging."""

from __future__ import annotations

import time
import warnings
from collections import Counter
from statistics import fmean
from typing import Any

import numpy as np
import torch

import isthmus
from isthmus import metrics
from isthmus.bicubic import shrink
from isthmus.errors import Note
from restoring import damage
from restoring.comparison import Comparison, Net, Pictures, files, in_bytes, psnr, read, restored, ssim
from restoring.published import DEBLOCKED

DOSES = {"bright": (2000, 0.003), "indoors": (400, 0.008), "night": (120, 0.02)}  # photons at white, σ of the reading
SOME = 4  # every fourth picture: none is chosen by hand, and there are enough to compare models
QUALITIES = (None, 75)  # of the JPEG that the noisy picture is saved as
BLOCKY = (10, 20, 30, 40)
SMALL = (30, 60, 85)  # qualities of small pictures that are enlarged


def real(comparison: Comparison) -> None:
    """Color pictures as a camera makes them."""
    began = time.perf_counter()
    models = comparison.models("denoise-real") | comparison.models("denoise-color")
    for folder in ("cbsd68",):
        truths = [read(path) for path in comparison.few(files(folder)[::SOME])]
        for place, (dose, (photons, reading)) in enumerate(DOSES.items()):
            noisy = [damage.developed(truth, photons, reading, i, place) for i, truth in enumerate(truths)]
            for quality in QUALITIES:
                bad = noisy if quality is None else [damage.as_jpeg(picture, quality) for picture in noisy]
                known = {"set": folder, "dose": dose, "photons": photons, "reading": reading, "quality": quality}
                compared(comparison, models, bad, truths, **known)
        compared(comparison, models, truths, truths, set=folder, dose="none: clean")
    comparison.end(
        "every fourth picture by name; "
        "photons counted behind a Bayer mosaic in linear light, Gaussian noise of σ `reading`, white balance, "
        "bilinear demosaicing of the noise, gamma 2.2, 8 bits, and where a quality is named JPEG by Pillow (4:2:0); "
        "seeded by picture and dose; PSNR and SSIM on RGB, mean over pictures, at most 60 dB a picture; chosen: by a "
        "look at each",
        time.perf_counter() - began,
    )


def compared(comparison: Comparison, models: dict[str, Net], bad: Pictures, truths: Pictures, **known: object) -> None:
    """A row for doing nothing, for each model, and for the one that isthmus denoise chooses for each picture."""
    done = {"nothing done": bad} | {label: [restored(net, picture) for picture in bad] for label, net in models.items()}
    each: list[dict[str, Any]] = []
    done["chosen"] = [chosen(picture, each) for picture in bad]
    names = [one["model"] or "nothing done" for one in each]
    for label, pictures in done.items():
        figures = {"psnr": fmean(min(60.0, psnr([a], [b])) for a, b in zip(pictures, truths, strict=True))}
        choices = {"choices": dict(Counter(names))} if label == "chosen" else {}
        comparison.add(label, **known, **figures, ssim=ssim(pictures, truths), **choices)


def chosen(picture: np.ndarray, each: list[dict[str, Any]]) -> np.ndarray:
    """What isthmus denoise makes of C×H×W, and its figures."""
    pixels = np.rint(255 * picture).astype(np.uint8).transpose(1, 2, 0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Note)
        found = isthmus.denoise(pixels.squeeze(), each=each.append)
    return found.reshape(pixels.shape).transpose(2, 0, 1) / 255


def jpeg(comparison: Comparison) -> None:
    """Blocks: of gray pictures, and of small ones before they are enlarged."""
    began = time.perf_counter()
    models = comparison.models("denoise-real")
    truths = [read(path, gray=True) for path in comparison.few(files("classic5"))]
    for place, quality in enumerate(BLOCKY):
        bad = [damage.as_jpeg(truth, quality) for truth in truths]
        compared(comparison, models, bad, truths, set="classic5", quality=quality)
        comparison.check(psnr(bad, truths), DEBLOCKED["JPEG"][place], f"classic5, quality {quality}")
        for model, figures in DEBLOCKED.items():
            comparison.add(f"{model} (published)", set="classic5", quality=quality, psnr=figures[place])
    net = comparison.models("upscale-2").get("upscale-2")
    for quality in SMALL if net and models else ():
        enlarged(comparison, net, models, quality)
    comparison.end(
        "JPEG by Pillow with its defaults; classic5: PSNR and SSIM of gray, 8 bits, mean over pictures; set14: small "
        "by half with MATLAB's bicubic, saved as JPEG, ×2 by upscale-2, PSNR of the luma without a border of 2 pixels, "
        "with the blocks removed first or not",
        time.perf_counter() - began,
    )


def enlarged(comparison: Comparison, net: Net, models: dict[str, Net], quality: int) -> None:
    figures: dict[str, list[float]] = {}
    for path in comparison.few(files("set14")):
        truth = read(path)
        truth = truth[:, : truth.shape[1] // 2 * 2, : truth.shape[2] // 2 * 2]
        small = damage.as_jpeg(in_bytes(shrink(torch.from_numpy(truth)[None], 2)[0].numpy()), quality)
        seen = {"upscale-2": small} | {
            f"{label}, then upscale-2": restored(one, small) for label, one in models.items()
        }
        for label, picture in seen.items():
            y = torch.from_numpy(restored(net, picture))[None]
            figures.setdefault(label, []).append(float(metrics.psnr_y(y, torch.from_numpy(truth)[None], 2)))
    for label, values in figures.items():
        comparison.add(label, set="set14", scale=2, quality=quality, psnr_y=fmean(values))
