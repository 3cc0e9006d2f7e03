"""Chapter: the denoising autoencoder beside a Gaussian blur."""

from __future__ import annotations

import torch
from skimage.filters import gaussian

from isthmus.metrics import squared_error
from isthmus.report import Page, as_pictures, rows
from isthmus.types import Context, Noise, Sample
from isthmus.verbs.demo.common import Bench, decibels

SIGMA = 0.4


def denoising(bench: Bench, page: Page) -> None:
    model = bench.train_model("denoising", "denoising", 64, epochs=90, lr=1e-3, corruption=f"gaussian:{SIGMA}")
    assert model.corruption is not None
    noisy, noisy_validation = (
        model.corruption(Sample.of(x), Context(Noise(0, 0, len(x)))).x for x in (bench.test, bench.validation)
    )
    denoised = model.reconstruct(noisy)
    # The width of the blur is the best one on the validation split.
    width = max((w / 10 for w in range(3, 13)), key=lambda w: decibels(blurred(noisy_validation, w), bench.validation))
    blur = blurred(noisy, width)
    before, baseline, after = (decibels(x, bench.test) for x in (noisy, blur, denoised))

    page.section(
        "Denoising autoencoder",
        "The input is a noisy image, and the target is the clean one. The noise is drawn anew at every step. To remove "
        "it, the network has to learn what digits look like.\n\n"
        "A Gaussian blur also removes noise, but it blurs the strokes as well.",
    )
    page.picture(
        rows(*(as_pictures(x[bench.ten]) for x in (noisy, blur, denoised, bench.test))),
        f"Rows: noisy, {before:.1f} dB; the best Gaussian blur, {baseline:.1f} dB; denoised by the autoencoder, "
        f"{after:.1f} dB; original. PSNR, mean of {len(bench.test)} test digits; higher is better.",
    )
    error = float(squared_error(denoised, bench.test).mean())
    bench.row("denoising", "64", error, after, before, "PSNR; noisy input")


def blurred(x: torch.Tensor, width: float) -> torch.Tensor:
    return torch.from_numpy(gaussian(x.numpy(), (0, 0, width, width), preserve_range=True)).float()
