"""Pictures as words: the VQ-VAE's index maps and its codebook."""

from __future__ import annotations

import math
from colorsys import hsv_to_rgb

import torch
import torch.nn.functional as F
from torch import Tensor

from isthmus.autoencoder import Autoencoder
from isthmus.metrics import perplexity
from isthmus.report import Page, as_pictures, rows
from isthmus.verbs.demo.bench import Bench, told

GRID, CODES = 4, 32
BITS_OF_A_PICTURE = 64 * math.log2(17)  # 64 pixels of 17 shades each


def words(bench: Bench, page: Page) -> None:
    """Originals, index maps, reconstructions; and what each symbol stands for."""
    model = bench.learn("quantized", "quantized", f"{GRID}x{GRID}", epochs=50, codes=CODES, channels=(32,))
    symbols = symbols_of(model, bench.test)
    count = torch.bincount(symbols.flatten(), minlength=CODES)
    used, _ = perplexity(count)
    bits = GRID * GRID * (CODES - 1).bit_length()
    pieces = strokes(model, bench.train)
    colours = palette(model, pieces)
    order = count.argsort(descending=True, stable=True)

    page.section(
        "A language of its own: the VQ-VAE",
        f"The last type keeps no numbers at all, but words. It lays a grid of {GRID} × {GRID} over the picture, and "
        f"for each place picks one of {CODES} symbols from a codebook that it learns on the way. A digit is then a "
        f"text of {GRID * GRID} symbols, {bits} bits; as pixels it has about {BITS_OF_A_PICTURE:.0f}.",
    )
    page.picture(
        rows(
            as_pictures(bench.test[bench.ten]),
            colours[symbols[bench.ten]].movedim(-1, 1),
            as_pictures(model.reconstruct(bench.test[bench.ten])),
        ),
        f"From top to bottom: the originals; their symbols, one colour each, light where the symbol draws light; the "
        f"pictures that the decoder draws from the symbols alone. Squared error {told(bench.error(model))}.",
    )
    page.picture(
        rows(colours[order].view(-1, 3, 1, 1).expand(-1, -1, 4, 4), as_pictures(pieces[order]), scale=7),
        f"The codebook, often used symbols first: the colour of each, and under it what it mostly draws, the piece of "
        f"4 × 4 pixels around it. {used:.0%} of the {CODES} symbols are in use on the test digits.",
    )
    bench.row("quantized", f"{GRID}×{GRID}", bench.error(model), used, None, "codebook in use")


def symbols_of(model: Autoencoder, x: Tensor) -> Tensor:
    """N×GRID×GRID indices."""
    symbols = model.symbols(x)
    assert symbols is not None
    return symbols


def palette(model: Autoencoder, pieces: Tensor) -> Tensor:
    """CODES×3 colours: as light as what the symbol draws, in a hue from its place in the codebook."""
    book = model.bottleneck.codebook
    assert isinstance(book, Tensor)
    axes = torch.linalg.svd(book - book.mean(0))[2][:2]
    axes = axes * axes.sum(1, keepdim=True).sign()  # a direction has no sign of its own
    place = ((book - book.mean(0)) @ axes.T).tolist()
    light = pieces[:, 0, 1:3, 1:3].mean((1, 2)).argsort().argsort() / (CODES - 1)
    hues = [math.atan2(y, x) / (2 * math.pi) % 1 for x, y in place]
    return torch.tensor(
        [hsv_to_rgb(h, 0.75 - 0.3 * v, 0.2 + 0.8 * v) for h, v in zip(hues, light.tolist(), strict=True)]
    )


def strokes(model: Autoencoder, x: Tensor) -> Tensor:
    """CODES×1×4×4: the mean of what is drawn at and around each place that has the symbol."""
    drawn = F.pad(model.reconstruct(x), (1, 1, 1, 1)).unfold(2, 4, 2).unfold(3, 4, 2)
    pieces, symbols = drawn.reshape(-1, 16), symbols_of(model, x).flatten()
    sums = torch.zeros(CODES, 16).index_add_(0, symbols, pieces)
    return (sums / torch.bincount(symbols, minlength=CODES).clamp(min=1)[:, None]).view(-1, 1, 4, 4)
