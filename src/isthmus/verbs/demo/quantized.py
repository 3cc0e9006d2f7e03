"""Chapter: index maps and the codebook of a VQ-VAE."""

from __future__ import annotations

import math
from colorsys import hsv_to_rgb

import torch
import torch.nn.functional as F
from torch import Tensor

from isthmus.autoencoder import Autoencoder
from isthmus.metrics import perplexity
from isthmus.report import Page, as_pictures, rows
from isthmus.verbs.demo.common import Bench, digits

GRID, CODES = 4, 32
IMAGE_BITS = 64 * math.log2(17)  # 64 pixels with 17 gray levels each


def quantized(bench: Bench, page: Page) -> None:
    """Originals, index maps and reconstructions, and the mean patch of each codebook entry."""
    model = bench.train_model("quantized", "quantized", f"{GRID}x{GRID}", epochs=50, codes=CODES, channels=(32,))
    symbols = symbols_of(model, bench.test)
    count = torch.bincount(symbols.flatten(), minlength=CODES)
    used, _ = perplexity(count)
    bits = GRID * GRID * (CODES - 1).bit_length()
    patches = mean_patches(model, bench.training)
    colors = palette(model, patches)
    order = count.argsort(descending=True, stable=True)

    page.section(
        "Vector-quantized autoencoder (VQ-VAE)",
        f"The code is discrete: a grid of {GRID} × {GRID} symbols, each the index of one of {CODES} learned vectors, "
        f"the codebook. A digit takes {bits} bits instead of about {IMAGE_BITS:.0f}.",
    )
    page.picture(
        rows(
            as_pictures(bench.test[bench.ten]),
            colors[symbols[bench.ten]].movedim(-1, 1),
            as_pictures(model.reconstruct(bench.test[bench.ten])),
        ),
        "Rows: originals; symbols, one color each, bright where the decoded patch is bright; reconstructions from the "
        f"symbols alone. Mean squared error {digits(bench.error(model))}.",
    )
    page.picture(
        rows(colors[order].view(-1, 3, 1, 1).expand(-1, -1, 4, 4), as_pictures(patches[order]), scale=7),
        "The codebook, most frequent symbols first: the color of each symbol, and below it the mean decoded patch of "
        f"4 × 4 pixels around it. {used:.0%} of the {CODES} symbols are used on the test digits.",
    )
    bench.row("quantized", f"{GRID}×{GRID}", bench.error(model), used, None, "codebook usage")


def symbols_of(model: Autoencoder, x: Tensor) -> Tensor:
    """N×GRID×GRID indices."""
    symbols = model.symbols(x)
    assert symbols is not None
    return symbols


def palette(model: Autoencoder, patches: Tensor) -> Tensor:
    """CODES×3 colors: brightness from the patch, hue from the principal components of the codebook."""
    codebook = model.bottleneck.codebook
    assert isinstance(codebook, Tensor)
    axes = torch.linalg.svd(codebook - codebook.mean(0))[2][:2]
    axes = axes * axes.sum(1, keepdim=True).sign()  # the sign of a principal component is arbitrary
    position = ((codebook - codebook.mean(0)) @ axes.T).tolist()
    brightness = patches[:, 0, 1:3, 1:3].mean((1, 2)).argsort().argsort() / (CODES - 1)
    hues = [math.atan2(y, x) / (2 * math.pi) % 1 for x, y in position]
    return torch.tensor(
        [hsv_to_rgb(h, 0.75 - 0.3 * v, 0.2 + 0.8 * v) for h, v in zip(hues, brightness.tolist(), strict=True)]
    )


def mean_patches(model: Autoencoder, x: Tensor) -> Tensor:
    """CODES×1×4×4: the mean decoded patch around the positions of each symbol."""
    decoded = F.pad(model.reconstruct(x), (1, 1, 1, 1)).unfold(2, 4, 2).unfold(3, 4, 2)
    patches, symbols = decoded.reshape(-1, 16), symbols_of(model, x).flatten()
    sums = torch.zeros(CODES, 16).index_add_(0, symbols, patches)
    return (sums / torch.bincount(symbols, minlength=CODES).clamp(min=1)[:, None]).view(-1, 1, 4, 4)
