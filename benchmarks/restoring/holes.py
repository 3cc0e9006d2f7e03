"""What is lost in places: holes that are known, and watermarks that are not."""

from __future__ import annotations

import time
from statistics import fmean

import numpy as np

from isthmus import metrics
from isthmus.media.image_reader import read_picture
from restoring import damage
from restoring.comparison import DATA, Comparison, Row, each, files, found, means, psnr, read, restored

INPAINT_PEERS = {"telea": "OpenCV Telea", "ns": "OpenCV Navier-Stokes", "biharmonic": "scikit-image biharmonic"}
COPIES = 10  # watermarked copies of each of Kodak's 24 pictures


def inpaint(comparison: Comparison) -> None:
    """Set5 and Set14 with four kinds of hole."""
    began = time.perf_counter()
    models = comparison.models("inpaint")
    paths = [path for folder in ("set5", "set14") for path in comparison.few(files(folder))]
    truths = [read(path) for path in paths]
    figures: dict[str, dict[str, list[float]]] = {}  # contender -> kind -> PSNR in the hole of each picture
    for place, kind in enumerate(damage.HOLES):
        holes = [damage.hole(kind, *truth.shape[1:], i, place) for i, truth in enumerate(truths)]
        damaged = [truth * ~hole for truth, hole in zip(truths, holes, strict=True)]
        outputs = {
            label: [restored(net, x, hole) for x, hole in zip(damaged, holes, strict=True)]
            for label, net in models.items()
        }
        peers = comparison.run_peers([(method, {}) for method in INPAINT_PEERS], damaged, holes)
        outputs |= dict(zip(INPAINT_PEERS.values(), peers, strict=False))
        for label, pictures in outputs.items():
            whole = [np.where(h, p, t) for p, t, h in zip(pictures, truths, holes, strict=True)]
            inside = figures.setdefault(label, {})[kind] = each(metrics.psnr, whole, truths, holes)
            comparison.add(label, holes=kind, **means("psnr_in_hole", paths, inside), psnr_whole=psnr(whole, truths))
    for row in over_the_best(figures, list(models)):
        comparison.add(**row)
    comparison.end(
        "Set5 and Set14, 8 bits, in their own colors; holes seeded by picture and kind; PSNR of all channels inside "
        "the hole and over the whole picture with known pixels put back, mean over 19 pictures; outputs rounded to 8 "
        "bits. over_best: against the peer with the highest mean of that kind; lowest_picture: of single pictures; "
        "_apart: without the pictures that training sets show a part of (benchmarks/overlap.py)",
        time.perf_counter() - began,
    )


def over_the_best(figures: dict[str, dict[str, list[float]]], ours: list[str]) -> list[Row]:
    """A row a model: how far above the best peer of each kind of hole it is, and the lowest of that."""
    peers = [label for label in figures if label not in ours]
    rows = []
    for label in ours if peers else []:
        gains, lowest = {}, []
        for kind, mine in figures[label].items():
            best = max((figures[peer][kind] for peer in peers), key=fmean)
            gains[kind] = fmean(mine) - fmean(best)
            lowest.append(min(a - b for a, b in zip(mine, best, strict=True)))
        mean, worst = fmean(gains.values()), min(gains.values())
        rows.append({"model": label, "over_best": mean, "lowest_kind": worst, "lowest_picture": min(lowest), **gains})
    return rows


def watermark(comparison: Comparison) -> None:
    """240 watermarked pictures: Kodak's 24, each with ten of the logos that nothing is trained on."""
    began = time.perf_counter()
    models = comparison.models("unwatermark")
    logos = damage.logos(DATA / "logos_cc0")
    measured: dict[str, list[Row]] = {}
    for i, path in enumerate(comparison.few(files("kodak24"))):
        pixels = read_picture(path)
        truth = pixels / 255
        for copy in range(COPIES):
            marked, mask = damage.watermarked(pixels, logos[(i + 7 * copy) % len(logos)], i, copy)
            x = marked / 255
            measured.setdefault("doing nothing", []).append(_in_and_out(x, truth, x, mask, None))
            for label, net in models.items():
                y, said = found(net, x)
                measured.setdefault(label, []).append(_in_and_out(y, truth, x, mask, said))
        print(path.name, *(f"{label} {rows[-1]['psnr_in_mask']:.2f}" for label, rows in measured.items()), flush=True)
    nothing = measured["doing nothing"]
    for label, rows in measured.items():
        gain = [row["psnr_in_mask"] - before["psnr_in_mask"] for row, before in zip(rows, nothing, strict=True)]
        means = {key: fmean(row[key] for row in rows) for key in rows[0]}
        comparison.add(label, gain_in_mask=fmean(gain), lowest_gain=min(gain), **means)
    comparison.end(
        "Kodak's 24 pictures, each with 10 watermarks of the last 24 logos by file name, seeded by picture and copy, 8 "
        "bits; PSNR of all channels in the mask and over the whole picture, mean over 240; changed_outside: share of "
        "the pixels outside the mask that are not the input's; mask_iou: of the mask that the model says with the true",
        time.perf_counter() - began,
    )


def _in_and_out(y: np.ndarray, truth: np.ndarray, x: np.ndarray, mask: np.ndarray, said: np.ndarray | None) -> Row:
    one = {
        "psnr_in_mask": each(metrics.psnr, [y], [truth], [mask])[0],
        "psnr_whole": each(metrics.psnr, [y], [truth])[0],
        "changed_outside": float(((y != x).any(0, keepdims=True) & ~mask).sum() / (~mask).sum()),
    }
    return one if said is None else one | {"mask_iou": float((said & mask).sum() / (said | mask).sum())}
