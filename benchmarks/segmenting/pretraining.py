"""Few labels, many images: `segment` from scratch, and started from `denoise` trained on the unlabeled slices."""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import isthmus
from isthmus.jobs.segmentation.segmenter import Segmenter
from segmenting.membranes import CONVENTION, SLICES, figures_of, run_of_fold
from segmenting.sets import MEMBRANES, folds, linked
from segmenting.training import ALIKE, finished
from stored_rows import Part, Row

LABELED, SEEDS = {2: 20, 5: 8}, (0,)  # LABELED: slices, and epochs of `segment`: about 250 steps
FIRST_EPOCHS, SIGMA = 4, "0-55"  # of `denoise`
STARTS = ("scratch", "denoise")
NETWORK: dict[str, Any] = {"channels": (32, 64, 128, 192), "fold": 2}  # those of `segment`


def first_run(fold: int, train: list[int]) -> Path:
    """`denoise` on the slices outside of the fold and the 30 of the test set, all without labels."""
    files = [MEMBRANES / "image" / f"{row}.png" for row in train]
    others = sorted((MEMBRANES.parent / "test").glob("*.png"))
    names = [*(file.name for file in files), *(f"test-{file.name}" for file in others)]
    keys = NETWORK | ALIKE | {"sigma": SIGMA, "epochs": FIRST_EPOCHS}
    with tempfile.TemporaryDirectory() as folder:
        images = linked([*files, *others], Path(folder) / "images", names)
        return finished(f"pretraining-denoise-{fold}", lambda out: isthmus.train("denoise", images, out=out, **keys))


def pretraining() -> None:
    part = Part("segmentation", "pretraining")
    for seed, labeled, (number, (train, test)) in itertools.product(SEEDS, LABELED, enumerate(folds(SLICES))):
        chosen = train[:: len(train) // labeled][:labeled]
        for start in STARTS:

            def one(
                start: str = start,
                labeled: int = labeled,
                seed: int = seed,
                number: int = number,
                train: list[int] = train,
                test: list[int] = test,
                chosen: list[int] = chosen,
            ) -> Row:
                init = {} if start == "scratch" else {"init": str(first_run(number, train))}
                name = f"pretraining-{start}-{len(chosen)}-{number}-{seed}"
                run = run_of_fold(name, chosen, epochs=LABELED[labeled], validation=0, seed=seed, **init)
                return figures_of(Segmenter(run), chosen, test)

            part.row(one, start=start, labeled=labeled, fold=number, seed=seed)
    gains = [gain(part.rows, start, labeled) for start in STARTS if start != "scratch" for labeled in LABELED]
    part.end(
        f"isbi2012_em, 2 and 5 labeled slices of five contiguous folds, seeds {SEEDS}; `segment` for 20 and 8 "
        f"epochs, about 250 steps, from scratch, and from the weights of `denoise` (σ {SIGMA}) of the same network, "
        f"trained for {FIRST_EPOCHS} epochs without labels on the slices outside of the fold and the 30 of the test "
        "set, in bf16-mixed; the last weights are kept; the threshold is chosen on the labeled slices; rand_error: "
        "rand_error_thinned of the trainings; gain: mean over folds and seeds of (error from scratch − error), "
        f"relative: to the mean error from scratch. {CONVENTION}",
        gains,
        trainings=part.rows,
    )


def gain(rows: list[Row], start: str, labeled: int) -> Row:
    """The mean paired gain of the Rand error and its standard error."""
    errors = {
        (row["start"], row["fold"], row["seed"]): row["rand_error_thinned"] for row in rows if row["labeled"] == labeled
    }
    pairs = [
        (error, errors[start, fold, seed])
        for (kind, fold, seed), error in errors.items()
        if kind == "scratch" and (start, fold, seed) in errors
    ]
    gains, scratch = [before - after for before, after in pairs], fmean(before for before, _ in pairs)
    return {
        "start": start,
        "labeled": labeled,
        "pairs": len(pairs),
        "rand_error_from_scratch": scratch,
        "rand_error": fmean(after for _, after in pairs),
        "gain": fmean(gains),
        "standard_error": stdev(gains) / len(gains) ** 0.5 if len(gains) > 1 else float("nan"),
        "relative_gain": fmean(gains) / scratch,
    }
