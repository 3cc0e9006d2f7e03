"""Chapters: new digits from a variational autoencoder, and its latent space of two dimensions."""

from __future__ import annotations

import torch
from torch import Tensor

from isthmus.metrics import squared_error
from isthmus.report import Page, as_pictures, charts, grid, rows
from isthmus.types import Noise
from isthmus.verbs.demo.common import Bench, digits, pca

CODE, BETA = 16, 2.0
SAMPLES, SHOWN = 500, 60
SIDE, EXTENT, STEPS = 14, 2.6, 12


def variational(bench: Bench, page: Page) -> None:
    """The same random codes through the decoder of a plain autoencoder and of a VAE."""
    widths = (256, 128)
    plain = bench.train_model(f"plain, {CODE} numbers", "deep", CODE, epochs=80, widths=widths)
    model = bench.train_model("variational", "variational", CODE, epochs=80, widths=widths, loss="gaussian", beta=BETA)
    random = Noise(0, 0, SAMPLES).normal(CODE)
    codes = plain.encode(bench.training)
    from_plain, from_vae = plain.decode(codes.mean(0) + codes.std(0) * random), model.decode(random)
    baseline, ours, real = (nearest(x, bench.training) for x in (from_plain, from_vae, bench.test))

    page.section(
        "Variational autoencoder",
        f"Can a decoder generate new digits from {CODE} random numbers? The codes of a plain autoencoder leave gaps, "
        "and a random code mostly falls into one of them.\n\n"
        "A variational autoencoder (VAE) encodes an image as a normal distribution instead of a point, and is "
        "penalized for distributions that differ from N(0, I). The distributions overlap, few gaps remain, and most "
        "random codes decode to a digit.",
    )
    page.side_by_side(
        [
            (
                grid(as_pictures(from_plain[:SHOWN]), columns=10, scale=5),
                f"Random codes with the mean and standard deviation of the plain autoencoder's codes, decoded. Squared "
                f"distance to the nearest training digit, mean of {SAMPLES}: {digits(baseline)}.",
            ),
            (
                grid(as_pictures(from_vae[:SHOWN]), columns=10, scale=5),
                f"Random codes from N(0, I), decoded by the VAE: {digits(ours)}. The test digits have {digits(real)}. "
                f"(β = {BETA:g}: generated digits are cleaner than with β = 1, and reconstructions rougher.)",
            ),
        ]
    )
    bench.row("variational", str(CODE), bench.error(model), ours, baseline, "distance to data; plain")


def nearest(x: Tensor, known: Tensor) -> float:
    """Mean squared distance from each x to the nearest of `known`."""
    return float(torch.cdist(x.flatten(1), known.flatten(1)).min(1).values.square().mean())


def latent_space(bench: Bench, page: Page) -> None:
    """The codes of the test digits in two dimensions, the decoded plane, and an interpolation."""
    model = bench.train_model(
        "variational, 2 numbers", "variational", 2, epochs=150, widths=(256, 128), loss="gaussian"
    )
    codes = model.encode(bench.test)
    centers = torch.stack([center(codes[torch.from_numpy(bench.labels == digit)]) for digit in range(10)])
    start, goal = divmod(int(torch.cdist(centers, centers).argmax()), 10)  # the two digits farthest apart
    ends = centers[[start, goal]]
    path = torch.lerp(ends[:1], ends[1:], torch.linspace(0, 1, STEPS)[:, None])
    distance = torch.cdist(codes, codes).fill_diagonal_(torch.inf)
    same = float((bench.labels[distance.argmin(1).numpy()] == bench.labels).mean())
    axis = torch.linspace(-EXTENT, EXTENT, SIDE)
    y, x = torch.meshgrid(axis.flip(0), axis, indexing="ij")
    plane = model.decode(torch.stack([x, y], -1).view(-1, 2))

    page.section(
        "Latent space in two dimensions",
        "A code of two numbers can be plotted. This VAE was trained without labels, and yet its codes form clusters by "
        "digit, with similar digits next to each other.",
    )
    page.side_by_side(
        [
            (
                charts.scatter(
                    codes.numpy(),
                    bench.labels,
                    lines={"interpolation": path.numpy()},
                    xlabel="first number",
                    ylabel="second number",
                    height=5.4,
                ),
                f"Codes of the {len(codes)} test digits, colored by their labels. The nearest neighbor of a code has "
                f"the same label for {same:.0%} of them; chance is about 10%.",
            ),
            (
                grid(as_pictures(plane), columns=SIDE, scale=4),
                f"Decoded codes of a regular grid, from −{EXTENT:g} to {EXTENT:g} on both axes.",
            ),
        ]
    )
    page.picture(
        rows(as_pictures(model.decode(path))),
        f"Linear interpolation from the code of a {start} to that of a {goal}, decoded.",
    )
    baseline = squared_error(pca(bench.training, bench.test, 2), bench.test)
    error = bench.error(model)
    bench.row("variational, 2-D", "2", error, error, float(baseline.mean()), "squared error; PCA")


def center(codes: Tensor) -> Tensor:
    """The code nearest to the median of N×2 codes."""
    return codes[(codes - codes.median(0).values).norm(dim=1).argmin()]
