"""Noise taken away: Gaussian on gray and on color pictures, Poisson-Gaussian on X-rays."""

from __future__ import annotations

import itertools
import time
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from isthmus import metrics
from restoring import damage
from restoring.comparison import Comparison, Pictures, each, files, means, psnr, read, restored, ssim
from restoring.published import DENOISED, NOISY

DOSES = {"high": (400, 0.01), "middle": (100, 0.02), "low": (25, 0.03)}  # photons at white, σ of the reading
TOLD = 25  # the σ at which BM3D itself is run on gray pictures, seconds each; its other figures are the published ones
TRAINED, SIDE = 36, 128  # X-rays that parameters are chosen on, by a square out of the middle of each
STRENGTHS = {  # times the noise's σ, and what else is tried
    "nlm": ((0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.2), [{"patch": 5}, {"patch": 7}, {"patch": 9}]),
    "tv": ((0.3, 0.45, 0.6, 0.8, 1.0, 1.3, 1.7, 2.2), [{}]),
    "wavelets": ((0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.2, 1.5), [{}]),
}
XRAY_PEERS = {"nlm": "non-local means", "tv": "total variation", "wavelets": "wavelets"}


def gray(comparison: Comparison) -> None:
    _gaussian(comparison, ("set12", "bsd68"), "denoise-gray")


def color(comparison: Comparison) -> None:
    _gaussian(comparison, ("cbsd68",), "denoise-color")


def _gaussian(comparison: Comparison, sets: tuple[str, ...], name: str) -> None:
    began = time.perf_counter()
    models = comparison.models(name)
    for folder in sets:
        paths = comparison.few(files(folder))
        truths = [read(path, gray=comparison.part == "gray") for path in paths]
        for place, (sigma, published) in enumerate(NOISY.items()):
            noisy = [damage.noisy(truth, sigma, i, sigma) for i, truth in enumerate(truths)]
            known = {"set": folder, "sigma": sigma}

            def add(
                model: str,
                pictures: Pictures,
                known: dict = known,
                truths: Pictures = truths,
                paths: list[Path] = paths,
            ) -> float:
                figures = means("psnr", paths, each(metrics.psnr, pictures, truths))
                return comparison.add(model, **known, **figures, ssim=ssim(pictures, truths))["psnr"]

            comparison.check(add("noisy", noisy), published, f"{folder}, σ {sigma}, noisy")
            for label, net in models.items():
                add(label, [restored(net, picture) for picture in noisy])
            if sigma == TOLD and comparison.part == "gray":
                for pictures in comparison.run_peers([("bm3d", {"sigma": sigma / 255})], noisy):
                    add("BM3D, told σ 25", pictures)
            for model, figures in DENOISED[folder].items():
                comparison.add(f"{model} (published)", **known, psnr=figures[place])
    comparison.end(
        "Gaussian noise of σ (of 255), not clipped, seeded by picture and σ; outputs rounded to 8 bits; PSNR and SSIM, "
        "mean over pictures; ours is not told σ; BM3D, which is, was run on gray pictures at σ 25; psnr_apart: "
        "without the pictures that training sets show a part of (benchmarks/overlap.py)",
        time.perf_counter() - began,
    )


def xray(comparison: Comparison) -> None:
    """12 chest X-rays that nothing is trained or calibrated on, at three doses."""
    began = time.perf_counter()
    models = comparison.models("xray")
    paths = files("covid_xray48/images")
    middles = [_middle(read(path, gray=True)) for path in comparison.few(paths[:TRAINED])]
    truths = [read(path, gray=True) for path in comparison.few(paths[TRAINED:])]
    chosen: dict[str, Any] = {}
    for place, (dose, (photons, reading)) in enumerate(DOSES.items()):
        noisy = [damage.photographed(truth, photons, reading, i, place) for i, truth in enumerate(truths)]
        known = {"dose": dose, "photons": photons, "reading": reading}

        def add(model: str, pictures: Pictures, known: dict = known) -> None:
            comparison.add(model, **known, psnr=psnr(pictures, truths), ssim=ssim(pictures, truths))

        add("noisy", noisy)
        for label, net in models.items():
            add(label, [restored(net, picture) for picture in noisy])
        physics = {"photons": photons, "read": reading}
        squares = [damage.photographed(m, photons, reading, 100 + i, place) for i, m in enumerate(middles)]
        best = calibrated(comparison, squares, middles, physics)
        chosen[dose] = {method: options | {"psnr_on_training": figure} for method, (options, figure) in best.items()}
        methods = [(method, physics | options) for method, (options, _) in best.items()]
        for method, pictures in zip(best, comparison.run_peers(methods, noisy) if best else [], strict=False):
            add(f"{XRAY_PEERS[method]}, calibrated", pictures)
    means = {}
    for model in dict.fromkeys(row["model"] for row in comparison.rows):
        means[model] = fmean(row["psnr"] for row in comparison.rows if row["model"] == model)
        comparison.add(model, dose="mean", psnr=means[model])
    comparison.end(
        "the last 12 of 48 chest X-rays by file name, gray of 8 bits, at their own size; Poisson noise of so many "
        "photons at white, and Gaussian noise of σ `reading`, not clipped, seeded by picture and dose; outputs rounded "
        "to 8 bits; PSNR and SSIM, mean over pictures. Peers know the photons and the reading, and have the strength, "
        "with or without Anscombe's scale, that was best at that dose on the middles of the first 36",
        time.perf_counter() - began,
        calibrated=chosen,
    )


def _middle(picture: np.ndarray) -> np.ndarray:
    top, left = ((side - SIDE) // 2 for side in picture.shape[1:])
    return picture[:, top : top + SIDE, left : left + SIDE]


Chosen = dict[str, tuple[dict[str, Any], float]]


def calibrated(comparison: Comparison, noisy: Pictures, truths: Pictures, physics: dict[str, float]) -> Chosen:
    """The options of each peer with the highest mean PSNR on these pictures, and that; nothing where none can run."""
    methods = [
        (method, {"strength": strength, "stabilize": stabilize, **other})
        for method, (strengths, others) in STRENGTHS.items()
        for strength, stabilize, other in itertools.product(strengths, (False, True), others)
    ]
    done = comparison.run_peers([(method, physics | options) for method, options in methods], noisy)
    best: Chosen = {}
    for (method, options), pictures in zip(methods, done, strict=False):
        figure = psnr(pictures, truths)
        if method not in best or figure > best[method][1]:
            best[method] = options, figure
    return best
