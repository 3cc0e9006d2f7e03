"""Few numbers: a bent line through a cloud of points, and digits in six numbers, both beside PCA."""

from __future__ import annotations

import numpy as np
import torch

from isthmus.metrics import squared_error
from isthmus.report import Page, as_pictures, charts, rows
from isthmus.verbs.demo.bench import Bench, pca, than, told

NUMBERS, SPREAD = 6, 0.018


def points(count: int, seed: int) -> np.ndarray:
    """Points beside a bow, inside the unit square; they stray from it by SPREAD."""
    draw = np.random.default_rng(seed)
    along = draw.uniform(-1, 1, count) * 0.85 * np.pi
    bow = np.stack([0.5 + 0.33 * np.sin(along), 0.5 - 0.24 * np.cos(along)], 1)
    return (bow + draw.normal(0, SPREAD, bow.shape)).astype(np.float32)


def cloud(bench: Bench, page: Page) -> None:
    """2-D points, one number each."""
    train, test = points(1000, 0), torch.from_numpy(points(300, 1))
    keys = {"widths": (64, 64), "augment": "none"}
    model = bench.learn("bent line", "deep", 1, on=train, epochs=120, lr=5e-3, **keys)
    codes = model.encode(train)
    curve = model.decode(torch.linspace(float(codes.min()), float(codes.max()), 200)[:, None])
    flat = pca(torch.from_numpy(train), test, 1)
    order = flat[:, 0].argsort()
    ours = float(squared_error(model.reconstruct(test), test).mean().sqrt())
    theirs = float(squared_error(flat, test).mean().sqrt())

    page.section(
        "A line that may bend",
        "Here are points, two numbers each. Say you may keep only one number a point, and must put the point back "
        "from it. The classical answer is principal component analysis, PCA: draw the best straight line, and keep "
        "how far along it a point lies.\n\n"
        "An autoencoder does the same with a line that may bend. Nobody told it the shape: it was only asked to "
        "give back what it was given, through one number.",
    )
    lines = {"autoencoder": curve.numpy(), "PCA": flat[order].numpy()}
    page.chart(
        charts.scatter(test.numpy(), lines=lines),
        f"{len(test)} points that neither has seen. Put back on the line, a point is typically {told(theirs)} away "
        f"from where it was with PCA, and {told(ours)} with the autoencoder, {than(ours, theirs)} with PCA. "
        f"(Typically: the root of the mean square. The points were strewn so that {SPREAD} across the line is "
        "pure chance.)",
    )
    bench.row("bent line", "1", None, ours, theirs, "distance; PCA's")


def digits(bench: Bench, page: Page) -> None:
    """The 64 values of a digit in six."""
    model = bench.learn("undercomplete", "deep", NUMBERS, epochs=120, widths=(256, 128))
    flat, made = pca(bench.train, bench.test, NUMBERS), model.reconstruct(bench.test)
    ours, theirs = bench.error(model), float(squared_error(flat, bench.test).mean())

    page.section(
        "Few numbers: the undercomplete autoencoder",
        f"A digit here is 8 × 8 pixels: 64 numbers. An encoder squeezes them into {NUMBERS}, and a decoder "
        f"draws the digit again from those {NUMBERS} alone. What gets through so narrow a place has to be what "
        "matters: which digit it is, how it leans, how thick the pen was.\n\n"
        f"PCA gets {NUMBERS} numbers as well, and may only mix {NUMBERS} fixed pictures.",
    )
    page.picture(
        rows(*(as_pictures(x[bench.ten]) for x in (bench.test, made, flat))),
        f"From top to bottom: digits that were not in the training; the autoencoder's, from {NUMBERS} numbers; "
        f"PCA's, from {NUMBERS} numbers. Squared error of a picture, mean over {len(bench.test)}: "
        f"{told(ours)} against {told(theirs)}, {than(ours, theirs)} with PCA.",
    )
    bench.row("undercomplete", str(NUMBERS), ours, ours, theirs, "squared error; PCA's")
