"""The job that needs no new type: what was not in the training is rebuilt badly, and so found."""

from __future__ import annotations

import numpy as np

from isthmus.metrics import auroc, squared_error
from isthmus.report import Page, as_pictures, charts, rows
from isthmus.verbs.demo.bench import Bench, told

NUMBERS = 8


def left_out(bench: Bench, page: Page) -> None:
    """Each digit in turn is left out of the training and looked for in the test part."""
    labels = bench.data.labels
    assert labels is not None
    found, scores = {}, {}
    for digit in range(10):
        known = bench.data.subset(np.intersect1d(bench.data.parts["train"], np.flatnonzero(labels != digit)))
        model = bench.learn(f"without {digit}", "deep", NUMBERS, on=known, epochs=60, widths=(256, 128))
        made = model.reconstruct(bench.test)
        scores[digit] = (squared_error(made, bench.test).numpy(), made)
        found[digit] = auroc(scores[digit][0], (bench.labels == digit).astype(int))
    mean = float(np.mean(list(found.values())))
    shown = sorted(found, key=lambda digit: found[digit])[5]  # neither the easiest nor the hardest
    error, made = scores[shown]
    strange = bench.labels == shown

    page.section(
        "What does not belong",
        "An autoencoder draws well only what it has learned to draw. So its error tells what is new to it: a broken "
        "part, a wrong page, a strange heartbeat. No example of the strange thing is needed to learn this.\n\n"
        "We left each digit in turn out of the training, ten trainings in all, and then asked each model to point at "
        "the digit that it had never met.",
    )
    page.side_by_side(
        [
            (
                charts.histogram(
                    {"digits it knows": error[~strange], f"{shown}, never met": error[strange]}, "squared error"
                ),
                f"The errors of the model that never met a {shown}, on {len(error)} test digits: neither the best "
                f"nor the worst of the ten. The chance that a {shown} has a larger error than a digit it knows is "
                f"{found[shown]:.1%} (AUROC).",
            ),
            (
                charts.bars({f"without {digit}": round(value, 3) for digit, value in found.items()}, "AUROC"),
                f"All ten: {mean:.3f} in the mean, {min(found.values()):.3f} at worst. 0.5 would be a "
                "guess, and 1 never wrong.",
            ),
        ]
    )
    page.picture(
        rows(as_pictures(bench.test[bench.ten]), as_pictures(made[bench.ten])),
        f"Above: test digits. Below: what the model that never met a {shown} makes of them. Look at the {shown}: "
        f"its squared error is {told(float(error[bench.ten[shown]]))}; for digits that it "
        f"knows {told(float(error[~strange].mean()))} in the mean.",
    )
    bench.row("left-out digit", str(NUMBERS), None, mean, min(found.values()), "AUROC of ten; worst")
