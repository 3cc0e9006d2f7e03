"""Random numbers become digits: the variational autoencoder, and its two numbers as a map."""

from __future__ import annotations

import torch
from torch import Tensor

from isthmus.metrics import squared_error
from isthmus.report import Page, as_pictures, charts, grid, rows
from isthmus.types import Noise
from isthmus.verbs.demo.bench import Bench, pca, told

CODE, BETA = 16, 2.0
DRAWN, SHOWN = 500, 60
SIDE, REACH, STEPS = 14, 2.6, 12


def invent(bench: Bench, page: Page) -> None:
    """The same random numbers through a plain decoder and through the VAE's."""
    widths = (256, 128)
    plain = bench.learn(f"plain, {CODE} numbers", "deep", CODE, epochs=80, widths=widths)
    model = bench.learn("variational", "variational", CODE, epochs=80, widths=widths, loss="gaussian", beta=BETA)
    dice = Noise(0, 0, DRAWN).normal(CODE)
    codes = plain.encode(bench.train)
    nonsense, digits = plain.decode(codes.mean(0) + codes.std(0) * dice), model.decode(dice)
    far = {name: nearest(x, bench.train) for name, x in (("plain", nonsense), ("ours", digits), ("real", bench.test))}

    page.section(
        "Out of nothing: the variational autoencoder",
        f"Can a decoder make digits that nobody wrote, from {CODE} random numbers? For a plain one that is hard: its "
        "codes lie where they fell in training, with empty land between them, and a random point mostly lands "
        "there.\n\n"
        "A variational autoencoder (VAE) makes each code a small cloud instead of a point, and pays for codes that "
        "are not spread like a bell curve around zero. The clouds touch, little land stays empty, and where a random "
        "point lands, there is a digit or something on the way from one to another.",
    )
    page.side_by_side(
        [
            (
                grid(as_pictures(nonsense[:SHOWN]), columns=10, scale=5),
                f"Random codes through a plain decoder, stretched to where its own codes lie. Squared distance to the "
                f"nearest digit of the training: {told(far['plain'])}, mean over {DRAWN}.",
            ),
            (
                grid(as_pictures(digits[:SHOWN]), columns=10, scale=5),
                f"The same random codes through the VAE's decoder: {told(far['ours'])}. For digits that people wrote "
                f"and that were not in the training it is {told(far['real'])}. (The code's price counts double here, "
                f"β = {BETA:g}: cleaner digits out of nothing, rougher copies.)",
            ),
        ]
    )
    bench.row("variational", str(CODE), bench.error(model), far["ours"], far["plain"], "random to digit; plain")


def nearest(x: Tensor, known: Tensor) -> float:
    """Mean squared distance from each x to the nearest of `known`."""
    return float(torch.cdist(x.flatten(1), known.flatten(1)).min(1).values.square().mean())


def atlas(bench: Bench, page: Page) -> None:
    """Two numbers a digit: where each lies, what lies everywhere, and a walk."""
    model = bench.learn("variational, 2 numbers", "variational", 2, epochs=150, widths=(256, 128), loss="gaussian")
    codes = model.encode(bench.test)
    middles = torch.stack([middle(codes[torch.from_numpy(bench.labels == digit)]) for digit in range(10)])
    start, goal = divmod(int(torch.cdist(middles, middles).argmax()), 10)  # the two digits farthest apart
    ends = middles[[start, goal]]
    share = torch.linspace(0, 1, STEPS)[:, None]
    walk = torch.lerp(ends[:1], ends[1:], share)
    distance = torch.cdist(codes, codes).fill_diagonal_(torch.inf)
    same = float((bench.labels[distance.argmin(1).numpy()] == bench.labels).mean())
    across = torch.linspace(-REACH, REACH, SIDE)
    up, right = torch.meshgrid(across.flip(0), across, indexing="ij")
    plane = model.decode(torch.stack([right, up], -1).view(-1, 2))

    page.section(
        "A map of all digits",
        "With only two numbers a code is a place on a map. Nobody told this VAE which digit is which. Look "
        "how far the digits gather all the same, each in a land of its own, beside those that look like it.",
    )
    page.side_by_side(
        [
            (
                charts.scatter(
                    codes.numpy(),
                    bench.labels,
                    lines={"walk": walk.numpy()},
                    xlabel="first number",
                    ylabel="second number",
                    height=5.4,
                ),
                f"Where the {len(codes)} test digits lie. The colours were put on afterwards. The nearest "
                f"neighbour of a digit on the map is the same digit for {same:.0%} of them; by chance, for about 10%.",
            ),
            (
                grid(as_pictures(plane), columns=SIDE, scale=4),
                f"What the decoder draws at every place of the map, from −{REACH:g} to {REACH:g} on both axes.",
            ),
        ]
    )
    page.picture(
        rows(as_pictures(model.decode(walk))),
        f"The walk on the map: in equal steps from a {start} to a {goal}. Nobody wrote what lies between.",
    )
    flat = squared_error(pca(bench.train, bench.test, 2), bench.test)
    error = bench.error(model)
    bench.row("variational map", "2", error, error, float(flat.mean()), "squared error; PCA's")


def middle(codes: Tensor) -> Tensor:
    """The code nearest to the median of N×2 codes."""
    return codes[(codes - codes.median(0).values).norm(dim=1).argmin()]
