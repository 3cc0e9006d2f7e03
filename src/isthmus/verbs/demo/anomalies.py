"""Chapter: anomaly detection by reconstruction error."""

from __future__ import annotations

import numpy as np

from isthmus.metrics import auroc, squared_error
from isthmus.report import Page, as_pictures, charts, rows
from isthmus.verbs.demo.common import Bench, digits

CODE = 8


def anomalies(bench: Bench, page: Page) -> None:
    """Each digit in turn is left out of the training, and is the anomaly in the test split."""
    labels = bench.data.labels
    assert labels is not None
    aurocs, results = {}, {}
    for digit in range(10):
        known = bench.data.subset(np.intersect1d(bench.data.parts["train"], np.flatnonzero(labels != digit)))
        model = bench.train_model(f"without {digit}", "deep", CODE, on=known, epochs=60, widths=(256, 128))
        rebuilt = model.reconstruct(bench.test)
        results[digit] = (squared_error(rebuilt, bench.test).numpy(), rebuilt)
        aurocs[digit] = auroc(results[digit][0], (bench.labels == digit).astype(int))
    mean = float(np.mean(list(aurocs.values())))
    shown = sorted(aurocs, key=lambda digit: aurocs[digit])[5]  # neither the easiest nor the hardest
    error, rebuilt = results[shown]
    anomalous = bench.labels == shown

    page.section(
        "Anomaly detection",
        "An autoencoder reconstructs only items that resemble its training data, so a large reconstruction error marks "
        "an anomaly: a broken part, a wrong page, an irregular heartbeat. No example of an anomaly is needed.\n\n"
        "Ten models were trained, each without one of the digits, which is its anomaly in the test.",
    )
    page.side_by_side(
        [
            (
                charts.histogram(
                    {"normal digits": error[~anomalous], f"{shown} (anomalous)": error[anomalous]}, "squared error"
                ),
                f"Errors of the model trained without {shown}, on {len(error)} test digits (a model of middle rank). "
                f"A {shown} has a larger error than another digit with probability {aurocs[shown]:.1%} (AUROC).",
            ),
            (
                charts.bars({f"without {digit}": round(value, 3) for digit, value in aurocs.items()}, "AUROC"),
                f"All ten models: mean {mean:.3f}, worst {min(aurocs.values()):.3f}. 0.5 is chance, 1 is perfect.",
            ),
        ]
    )
    page.picture(
        rows(as_pictures(bench.test[bench.ten]), as_pictures(rebuilt[bench.ten])),
        f"Above: test digits. Below: reconstructions by the model trained without {shown}. The {shown} has a squared "
        f"error of {digits(float(error[bench.ten[shown]]))}; the mean of the other digits is "
        f"{digits(float(error[~anomalous].mean()))}.",
    )
    bench.row("anomaly detection", str(CODE), None, mean, min(aurocs.values()), "mean AUROC; worst")
