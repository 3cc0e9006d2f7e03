"""The harm of unwatermark: its effect on images without a watermark, and on common watermarks.

`harmless` is the table, on test sets; `sure` chooses the least probability, on training images and logos outside of the
training of the shipped weights.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean

import numpy as np
import torch
from PIL import Image

from isthmus import metrics
from isthmus.inference.image import net_for_channels
from isthmus.inference.mask_regions import MAX_SHARE, MIN_PROBABILITY, watermark_regions
from restoring import damage, marks
from restoring.comparison import DATA, DEVICE, Comparison, Net, Row, each, files, found, in_bytes, read

CAP = 60.0  # dB, of a picture that comes back as it was
CHOICES = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.9)
LOGOS = slice(64, 72)
SETS = ("kodak24", "bsd68", "samples")
# Those of scikit-image that are pictures, and lie in its wheel.
SAMPLES = (
    *("astronaut", "brick", "camera", "cat", "cell", "checkerboard", "clock", "coffee", "coins", "colorwheel"),
    *("grass", "gravel", "horse", "hubble_deep_field", "immunohistochemistry", "logo", "microaneurysms", "moon"),
    *("page", "retina", "rocket", "shepp_logan_phantom", "text"),
)


def harmless(comparison: Comparison) -> None:
    began = time.perf_counter()
    models = comparison.models("unwatermark")
    for label, net in models.items():
        every: list[float] = []
        for name in SETS:
            truths = comparison.few(list(samples() if name == "samples" else map(read, files(name))))
            psnrs = [unmarked(found(net, x)[0], x) for x in truths]
            every += psnrs
            comparison.add(label, pictures=name, **_of_unmarked(psnrs))
        comparison.add(label, pictures="all", **_of_unmarked(every))
    truths = comparison.few([np.rint(255 * read(path)).astype(np.uint8) for path in files("kodak24")])
    for label, net in models.items():
        for kind in marks.KINDS:
            gains = []
            for number, truth in enumerate(truths):
                x, mask = marks.marked(kind, truth, damage.logos(DATA / "logos_cc0"), number)
                gains.append(gain(found(net, x / 255)[0], x / 255, truth / 255, mask))
            comparison.add(label, marks=kind, **_of_marked(gains))
    comparison.end(
        f"pictures without a mark: Kodak's 24, the 68 gray of BSD68 and {len(SAMPLES)} samples of scikit-image, PSNR "
        f"against what went in, {CAP:g} dB where it is the same; touched: share of the pictures with another pixel. "
        "Marks: one a kind on each of Kodak's, drawn by benchmarks/restoring/marks.py (the last 24 logos by file name, "
        "typefaces that are not learned from), PSNR of all channels in the mask less that of doing nothing; better, "
        f"worse: share of the pictures by more than .05 dB. sure={MIN_PROBABILITY:g}, as chosen by the part `sure`",
        time.perf_counter() - began,
    )


def sure(comparison: Comparison) -> None:
    """The lowest of CHOICES that leaves all pictures of training sets alone that have no mark."""
    began = time.perf_counter()
    truths = comparison.few([x for x, _ in held_back()])
    logos = [Image.open(path).convert("RGBA") for path in files("logos_cc0")[LOGOS]]
    for label, net in comparison.models("unwatermark").items():
        clean = [(x, *raw(net, x), x, None) for x in (truth / 255 for truth in truths)]
        marked = {}
        for kind in marks.KINDS:
            made = [marks.marked(kind, truth, logos, i) for i, truth in enumerate(truths)]
            marked[kind] = [
                (x / 255, *raw(net, x / 255), truth / 255, mask) for (x, mask), truth in zip(made, truths, strict=True)
            ]
        for choice in CHOICES:
            figures = _of_unmarked([unmarked(decided(x, y, odds, choice), x) for x, y, odds, *_ in clean])
            for kind, ones in marked.items():
                gains = [gain(decided(x, y, odds, choice), x, truth, mask) for x, y, odds, truth, mask in ones]
                figures |= {f"{kind}_{key}": value for key, value in _of_marked(gains).items()}
            comparison.add(label, sure=choice, **figures)
    comparison.carded.clear()  # a choice, and no figure of the model
    comparison.end(
        "the last 40 of bsd400_color and the last 2 of photos_cc (shrunk to 512 pixels of the shorter side), and the "
        "logos 65 to 72 by file name; figures as in restoration-harmless, by how sure the model has to be",
        time.perf_counter() - began,
    )


def samples() -> Iterator[np.ndarray]:
    """C×H×W float64 in [0, 1], alpha left out."""
    import skimage

    for name in SAMPLES:
        pixels = skimage.util.img_as_ubyte(getattr(skimage.data, name)()) / 255
        yield pixels[None] if pixels.ndim == 2 else pixels[..., :3].transpose(2, 0, 1)


def held_back() -> Iterator[tuple[np.ndarray, Path]]:
    """3×H×W uint8, and the file."""
    paths: list[Path] = files("bsd400_color")[360:] + files("photos_cc")[16:]
    for path in paths:
        image = Image.open(path).convert("RGB")
        if min(image.size) > 512:
            image.thumbnail((10**5, 512), Image.Resampling.LANCZOS)
        yield np.asarray(image).transpose(2, 0, 1), path


def raw(net: Net, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What the net makes of C×H×W everywhere, and how likely each pixel is covered, H×W."""
    with torch.no_grad():
        y = (
            net_for_channels(net.model, len(x), False)(torch.from_numpy(x)[None].float().to(DEVICE))[0]
            .cpu()
            .double()
            .numpy()
        )
    return in_bytes(y[:-1]), y[-1]


def decided(x: np.ndarray, y: np.ndarray, odds: np.ndarray, sure: float) -> np.ndarray:
    """As isthmus.unwatermark decides."""
    mask = watermark_regions(odds, sure)
    return x if mask.mean() > MAX_SHARE else np.where(mask, y, x)


def unmarked(y: np.ndarray, x: np.ndarray) -> float:
    return min(CAP, each(metrics.psnr, [y], [x])[0])


def gain(y: np.ndarray, x: np.ndarray, truth: np.ndarray, mask: np.ndarray) -> float:
    after, before = (each(metrics.psnr, [z], [truth], [mask])[0] for z in (y, x))
    return after - before


def _of_unmarked(psnrs: list[float]) -> Row:
    return {"psnr": fmean(psnrs), "worst": min(psnrs), "touched": fmean(value < CAP for value in psnrs)}


def _of_marked(gains: list[float]) -> Row:
    better, worse = (fmean(sign * value > 0.05 for value in gains) for sign in (1, -1))
    return {"gain_in_mask": fmean(gains), "lowest": min(gains), "better": better, "worse": worse}
