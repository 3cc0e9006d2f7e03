"""Many numbers, held in check: what a sparse and a contractive code do that a plain one does not."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from isthmus.autoencoder import Autoencoder
from isthmus.report import Page, as_pictures, charts, rows
from isthmus.verbs.demo.bench import Bench, grainy, jump, shifted, than, told

UNITS, AT_WORK, FEWER = 64, 4, 22
SILENT = 0.02  # a unit that speaks for a smaller share of the pictures is not in use
NET: dict[str, Any] = {"widths": (256,)}


def sparse(bench: Bench, page: Page) -> None:
    """Which units fire for which digit."""
    plain = bench.learn("plain, 64 units", "sparse", UNITS, epochs=80, weight=0.0, **NET)  # no price: a plain code
    model = bench.learn("sparse", "sparse", UNITS, epochs=80, kind="topk", k=AT_WORK, **NET)
    ours, theirs = habits(bench, model), habits(bench, plain)
    page.section(
        "Few at work: the sparse autoencoder",
        f"A code may also be wide, as many numbers as pixels, if only a few of them may be at work at a time. "
        f"Here there are {UNITS} units, and for each picture only the {AT_WORK} strongest may speak; the others "
        "are silent.\n\n"
        "Then it pays for a unit to stand for something. Below, each column is a unit, and its blue tells how its "
        "activity is shared out over the ten digits: spread thin where it answers to all of them, gathered in one "
        "cell where it speaks for one digit only.",
    )
    top = max(float(ours.max()), float(theirs.max()))
    for name, shares in (("Plain", theirs), ("Sparse", ours)):
        favourite = shares.max(0)
        page.chart(
            charts.heat(shares, range(10), list(range(1, shares.shape[1] + 1)), "unit", "digit", top=top),
            f"{name}: {shares.shape[1]} of {UNITS} units speak for at least {SILENT:.0%} of the pictures, sorted by "
            f"their favourite digit. In the middle case the favourite gets {np.median(favourite):.0%} of a unit's "
            "activity; 10% would be no preference at all.",
        )
    page.picture(
        rows(alone(bench, model)),
        "What the sparse decoder draws when one unit speaks alone: for each digit from 0 to 9, the unit that likes "
        "it best.",
    )
    ours_liked, theirs_liked = (float(np.median(shares.max(0))) for shares in (ours, theirs))
    bench.row("sparse", f"{AT_WORK} of {UNITS}", bench.error(model), ours_liked, theirs_liked, "favourite digit; plain")


def activity(bench: Bench, model: Autoencoder) -> torch.Tensor:
    """10×units: mean activity for the test pictures of each digit."""
    codes = model.encode(bench.test)
    return torch.stack([codes[torch.from_numpy(bench.labels == digit)].mean(0) for digit in range(10)])


def habits(bench: Bench, model: Autoencoder) -> np.ndarray:
    """10×(units in use): how a unit's activity is shared out over the digits; sorted so that the favourites stand
    in order."""
    mean = activity(bench, model)
    mean = mean[:, (model.encode(bench.test) > 0).float().mean(0) > SILENT]
    shares = (mean / mean.sum(0)).numpy()
    return shares[:, np.lexsort((-shares.max(0), shares.argmax(0)))]


def alone(bench: Bench, model: Autoencoder) -> np.ndarray:
    """Ten pictures: of each digit the unit with the largest share, at the strength it has when it is at work."""
    mean, codes = activity(bench, model), model.encode(bench.test)
    shares = mean / mean.sum(0).clamp(min=1e-6)
    best = (shares * mean.sqrt()).argmax(1)  # a favourite that is also often at work
    strength = torch.stack([codes[:, unit][codes[:, unit] > 0].mean() for unit in best]).nan_to_num()
    return as_pictures(model.decode(torch.nn.functional.one_hot(best, UNITS) * strength[:, None]))


def contractive(bench: Bench, page: Page) -> None:
    """What a small change of the picture does to the code."""
    keys: dict[str, Any] = {"epochs": 80, "activation": "sigmoid", **NET}
    names = {f"plain, {UNITS} units": (UNITS, 0.0), "contractive": (UNITS, 0.1), f"plain, {FEWER} units": (FEWER, 0.0)}
    models = {
        name: bench.learn(f"{name} (sigmoid)" if weight == 0 else name, "contractive", units, weight=weight, **keys)
        for name, (units, weight) in names.items()
    }
    errors = {name: bench.error(model) for name, model in models.items()}
    steps, strengths = np.linspace(0, 1, 9), np.linspace(0, 0.3, 7)
    moves = {n: [jump(m, bench.test, shifted(bench.test, float(s))) for s in steps] for n, m in models.items()}
    shakes = {n: [jump(m, bench.test, grainy(bench.test, float(s))) for s in strengths] for n, m in models.items()}
    plain, ours, few = models
    half, faint = 4, 2  # the places of half a pixel, and of grain 0.1
    page.section(
        "Not easily moved: the contractive autoencoder",
        "Move a digit by half a pixel, or put faint grain on it: to us it is the same digit. A plain code may jump "
        "all the same. A contractive autoencoder pays for every way in which its code answers to the picture, and so "
        "keeps the answers that it needs to draw the digit again, and no others.\n\n"
        f"That has a price: its drawings have a squared error of {told(errors[ours])}, and those of the plain code of "
        f"the same size {told(errors[plain])}. For a fair look there is a third line, a plain code of only {FEWER} "
        f"units, with an error of {told(errors[few])}.",
    )
    sample = bench.test[bench.ten[3:4]]
    changes = [shifted(sample, s) for s in (0, 0.25, 0.5, 0.75, 1)] + [grainy(sample, s) for s in (0.1, 0.2, 0.3)]
    page.picture(
        rows(as_pictures(torch.cat(changes))),
        "One digit, moved to the right by nothing, ¼, ½, ¾ and one pixel; then with grain of 0.1, 0.2 and 0.3.",
    )
    page.side_by_side(
        [
            (
                charts.curves({n: (steps, y) for n, y in moves.items()}, "moved by (pixels)", "the code moves by"),
                f"Moved by half a pixel, the contractive code goes {than(moves[ours][half], moves[plain][half])} the "
                f"plain one of its size, and {than(moves[ours][half], moves[few][half])} the small plain one.",
            ),
            (
                charts.curves({n: (strengths, y) for n, y in shakes.items()}, "grain", "the code moves by"),
                f"With grain of 0.1 it goes {than(shakes[ours][faint], shakes[plain][faint])} the plain one of its "
                f"size, and {than(shakes[ours][faint], shakes[few][faint])} the small one. 1 is how far codes "
                "lie from their middle.",
            ),
        ]
    )
    calm = (shakes[ours][faint], shakes[plain][faint])
    bench.row("contractive", str(UNITS), errors[ours], *calm, "moved by grain; plain")
