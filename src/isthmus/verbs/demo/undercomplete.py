"""Chapters: a curve through 2-D points, and digits in six numbers, both beside PCA."""

from __future__ import annotations

import numpy as np
import torch

from isthmus.metrics import squared_error
from isthmus.report import Page, as_pictures, charts, rows
from isthmus.verbs.demo.common import Bench, digits, pca, relative

CODE, SPREAD = 6, 0.018


def points(count: int, seed: int) -> np.ndarray:
    """count×2 points along an arc inside the unit square, with Gaussian noise of SPREAD."""
    draw = np.random.default_rng(seed)
    angle = draw.uniform(-1, 1, count) * 0.85 * np.pi
    arc = np.stack([0.5 + 0.33 * np.sin(angle), 0.5 - 0.24 * np.cos(angle)], 1)
    return (arc + draw.normal(0, SPREAD, arc.shape)).astype(np.float32)


def curve(bench: Bench, page: Page) -> None:
    train, test = points(1000, 0), torch.from_numpy(points(300, 1))
    keys = {"widths": (64, 64), "augment": "none"}
    model = bench.train_model("curve", "deep", 1, on=train, epochs=120, lr=5e-3, **keys)
    codes = model.encode(train)
    decoded = model.decode(torch.linspace(float(codes.min()), float(codes.max()), 200)[:, None])
    linear = pca(torch.from_numpy(train), test, 1)
    order = linear[:, 0].argsort()
    ours = float(squared_error(model.reconstruct(test), test).mean().sqrt())
    baseline = float(squared_error(linear, test).mean().sqrt())

    page.section(
        "A curve instead of a line",
        "Each point has two coordinates, and the code keeps one number for each point. Principal component analysis "
        "(PCA) projects the points onto the best straight line.\n\n"
        "An autoencoder may use a curve. Its shape was not given: the network was only trained to reconstruct its "
        "input from one number.",
    )
    lines = {"autoencoder": decoded.numpy(), "PCA": linear[order].numpy()}
    page.chart(
        charts.scatter(test.numpy(), lines=lines),
        f"{len(test)} test points. The root mean squared distance of a reconstruction from its point is "
        f"{digits(baseline)} with PCA and {digits(ours)} with the autoencoder, {relative(ours, baseline)} with PCA. "
        f"The noise of the points across the curve is {SPREAD}.",
    )
    bench.row("curve", "1", None, ours, baseline, "RMS distance; PCA")


def undercomplete(bench: Bench, page: Page) -> None:
    model = bench.train_model("undercomplete", "deep", CODE, epochs=120, widths=(256, 128))
    linear, rebuilt = pca(bench.training, bench.test, CODE), model.reconstruct(bench.test)
    ours, baseline = bench.error(model), float(squared_error(linear, bench.test).mean())

    page.section(
        "Undercomplete autoencoder",
        f"A digit has 8 × 8 = 64 pixels. The encoder reduces them to {CODE} numbers, and the decoder reconstructs the "
        "digit from these alone. So small a code can only keep the most important properties: which digit it is, its "
        "slant, the width of its strokes.\n\n"
        f"PCA also keeps {CODE} numbers, the weights of {CODE} fixed images.",
    )
    page.picture(
        rows(*(as_pictures(x[bench.ten]) for x in (bench.test, rebuilt, linear))),
        f"Rows: test digits; reconstructions by the autoencoder; reconstructions by PCA, from {CODE} numbers each. "
        f"Mean squared error of {len(bench.test)} test digits: {digits(ours)}, {relative(ours, baseline)} with PCA "
        f"({digits(baseline)}).",
    )
    bench.row("undercomplete", str(CODE), ours, ours, baseline, "squared error; PCA")
