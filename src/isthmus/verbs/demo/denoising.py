"""Noise in, clean pictures out."""

from __future__ import annotations

import torch
from skimage.filters import gaussian

from isthmus.metrics import squared_error
from isthmus.report import Page, as_pictures, rows
from isthmus.types import Context, Noise, Sample
from isthmus.verbs.demo.bench import Bench, decibels

SIGMA = 0.4


def noise(bench: Bench, page: Page) -> None:
    """Noisy, blurred, cleaned, original."""
    model = bench.learn("denoising", "denoising", 64, epochs=90, lr=1e-3, corruption=f"gaussian:{SIGMA}")
    assert model.corruption is not None
    seen, kept = (
        model.corruption(Sample.of(x), Context(Noise(0, 0, len(x)))).x for x in (bench.test, bench.validation)
    )
    cleaned = model.reconstruct(seen)
    # The blur gets the width that suits it best, chosen like our own sizes on the validation part.
    width = max((w / 10 for w in range(3, 13)), key=lambda w: decibels(blurred(kept, w), bench.validation))
    blur = blurred(seen, width)
    before, simple, after = (decibels(x, bench.test) for x in (seen, blur, cleaned))

    page.section(
        "Noise away: the denoising autoencoder",
        "This one is given a spoilt picture and compared with the clean one. To do well it has to know what digits "
        "look like, and so it can tell pen from noise. The noise is drawn anew at every step: it never meets "
        "the same spoilt picture twice.\n\n"
        "A blur also takes noise away, but it knows nothing of digits, and takes the strokes away with it.",
    )
    page.picture(
        rows(*(as_pictures(x[bench.ten]) for x in (seen, blur, cleaned, bench.test))),
        f"From top to bottom: noisy, {before:.1f} dB; the best blur, {simple:.1f} dB; cleaned by the autoencoder, "
        f"{after:.1f} dB; the original. More decibels (PSNR) are nearer to the original; "
        f"mean over {len(bench.test)} digits that were not in the training.",
    )
    error = float(squared_error(cleaned, bench.test).mean())
    bench.row("denoising", "64", error, after, before, "decibels; before")


def blurred(x: torch.Tensor, width: float) -> torch.Tensor:
    return torch.from_numpy(gaussian(x.numpy(), (0, 0, width, width), preserve_range=True)).float()
