"""Chapters: sparse and contractive codes beside plain ones of the same size."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from isthmus.autoencoder import Autoencoder
from isthmus.report import Page, as_pictures, charts, rows
from isthmus.verbs.demo.common import Bench, code_change, digits, noisy, relative, shifted

UNITS, ACTIVE, FEWER = 64, 4, 22
UNUSED = 0.02  # a unit that is active for a smaller share of the images is left out of the charts
NET: dict[str, Any] = {"widths": (256,)}


def sparse(bench: Bench, page: Page) -> None:
    """The selectivity of the units for digits."""
    plain = bench.train_model("plain, 64 units", "sparse", UNITS, epochs=80, weight=0.0, **NET)
    model = bench.train_model("sparse", "sparse", UNITS, epochs=80, kind="topk", k=ACTIVE, **NET)
    page.section(
        "Sparse autoencoder",
        f"The code has as many units as the image has pixels, {UNITS}, but only the {ACTIVE} strongest are kept for "
        "each image; the others are set to zero.\n\n"
        "Units then specialize. Each column below is a unit, and shows how its activity is distributed over the ten "
        "digits: evenly for an unspecific unit, in one cell for a unit that responds to a single digit.",
    )
    shares = {"Plain": selectivity(bench, plain), "Sparse": selectivity(bench, model)}
    preferred = {name: float(np.median(share.max(0))) for name, share in shares.items()}
    top = max(float(share.max()) for share in shares.values())
    for name, share in shares.items():
        page.chart(
            charts.heat(share, range(10), list(range(1, share.shape[1] + 1)), "unit", "digit", top=top),
            f"{name}: {share.shape[1]} of {UNITS} units are active for at least {UNUSED:.0%} of the images, sorted by "
            f"preferred digit. The preferred digit has {preferred[name]:.0%} of a unit's activity (median); without "
            "any preference it would have 10%.",
        )
    page.picture(
        rows(single_units(bench, model)),
        "Decoded codes with a single active unit: the unit with the strongest preference for each digit from 0 to 9.",
    )
    metric = "share of preferred digit; plain"
    bench.row("sparse", f"{ACTIVE} of {UNITS}", bench.error(model), preferred["Sparse"], preferred["Plain"], metric)


def mean_activity(bench: Bench, model: Autoencoder) -> torch.Tensor:
    """10×units: mean activity for the test images of each digit."""
    codes = model.encode(bench.test)
    return torch.stack([codes[torch.from_numpy(bench.labels == digit)].mean(0) for digit in range(10)])


def selectivity(bench: Bench, model: Autoencoder) -> np.ndarray:
    """10×(units in use): how the activity of each unit is distributed over the digits, sorted by preferred digit."""
    mean = mean_activity(bench, model)
    mean = mean[:, (model.encode(bench.test) > 0).float().mean(0) > UNUSED]
    shares = (mean / mean.sum(0)).numpy()
    return shares[:, np.lexsort((-shares.max(0), shares.argmax(0)))]


def single_units(bench: Bench, model: Autoencoder) -> np.ndarray:
    """Ten images: for each digit its most selective unit, decoded alone at its mean activity where it is active."""
    mean, codes = mean_activity(bench, model), model.encode(bench.test)
    shares = mean / mean.sum(0).clamp(min=1e-6)
    best = (shares * mean.sqrt()).argmax(1)  # selective, and also often active
    strength = torch.stack([codes[:, unit][codes[:, unit] > 0].mean() for unit in best]).nan_to_num()
    return as_pictures(model.decode(torch.nn.functional.one_hot(best, UNITS) * strength[:, None]))


def contractive(bench: Bench, page: Page) -> None:
    """The change of the code under a small change of the image."""
    keys: dict[str, Any] = {"epochs": 80, "activation": "sigmoid", **NET}
    names = {f"plain, {UNITS} units": (UNITS, 0.0), "contractive": (UNITS, 0.1), f"plain, {FEWER} units": (FEWER, 0.0)}
    models = {
        name: bench.train_model(
            f"{name} (sigmoid)" if weight == 0 else name, "contractive", units, weight=weight, **keys
        )
        for name, (units, weight) in names.items()
    }
    errors = {name: bench.error(model) for name, model in models.items()}
    shifts, sigmas = np.linspace(0, 1, 9), np.linspace(0, 0.3, 7)

    def changes(change: Any, strengths: np.ndarray) -> dict[str, list[float]]:
        x = bench.test
        return {name: [code_change(m, x, change(x, float(s))) for s in strengths] for name, m in models.items()}

    by_shift, by_noise = changes(shifted, shifts), changes(noisy, sigmas)
    plain, ours, few = models
    half, faint = 4, 2  # indices of a shift by half a pixel, and of sigma 0.1
    page.section(
        "Contractive autoencoder",
        "A digit that is shifted by half a pixel, or has faint noise, is still the same digit, but the code of a plain "
        "autoencoder may change a lot. A contractive autoencoder is penalized for the derivatives of its code with "
        "respect to the image, and keeps only those that reconstruction needs.\n\n"
        f"The price is a squared error of {digits(errors[ours])}, instead of {digits(errors[plain])} for a plain code "
        f"of the same size. The third model, for comparison, is a plain code of {FEWER} units with an error of "
        f"{digits(errors[few])}.",
    )
    sample = bench.test[bench.ten[3:4]]
    images = [shifted(sample, s) for s in (0, 0.25, 0.5, 0.75, 1)] + [noisy(sample, s) for s in (0.1, 0.2, 0.3)]
    page.picture(
        rows(as_pictures(torch.cat(images))),
        "A digit shifted to the right by 0, ¼, ½, ¾ and 1 pixel; then with noise of σ 0.1, 0.2 and 0.3.",
    )

    def compared(values: dict[str, list[float]], index: int) -> str:
        by_plain, by_few = (relative(values[ours][index], values[other][index]) for other in (plain, few))
        return f"the contractive code changes {by_plain} the plain code of its size, and {by_few} the small plain code."

    page.side_by_side(
        [
            (
                charts.curves({n: (shifts, y) for n, y in by_shift.items()}, "shift (pixels)", "change of the code"),
                f"Shifted by half a pixel, {compared(by_shift, half)}",
            ),
            (
                charts.curves({n: (sigmas, y) for n, y in by_noise.items()}, "noise σ", "change of the code"),
                f"With noise of σ 0.1, {compared(by_noise, faint)} 1 is the root mean squared distance of the codes "
                "from their mean.",
            ),
        ]
    )
    metric = "change by noise; plain"
    bench.row("contractive", str(UNITS), errors[ours], by_noise[ours][faint], by_noise[plain][faint], metric)
