"""The tables of generation in docs/results.md."""

from __future__ import annotations

from typing import Any

from table_writer import NONE, Cell, Rows, Table

MODELS = {"training pictures": "training pictures themselves"}
PRIORS = {
    "normal": "N(0, I)",
    "gaussian": "one full Gaussian",
    "mixture": "mixture of 10 Gaussians",
    "flow": "flow matching",
    "transformer": "transformer",
}
SCORES: tuple[Cell, ...] = (
    "{frechet_distance:.1f}",
    "{frechet_floor:.1f}",
    "{precision:.2f} / {recall:.2f}",
    "{density:.2f} / {coverage:.2f}",
    "{duplicates}",
)
HEAD = ("Fréchet distance", "of real ones", "precision / recall", "density / coverage", "near copies of 10,000")


def title(row: Any) -> str:
    """The model and its prior."""
    name = MODELS.get(row["model"], row["model"])
    prior = PRIORS.get(row.get("prior", ""), row.get("prior", ""))
    name = f"{name}, {prior}" if prior else name
    return f"{row['set']}: {name}" if "set" in row else name


def scored(part: str) -> Rows:
    return Rows(f"generation-{part}", (title, *SCORES))


LIKELIHOODS = {  # title, published
    "paper, k=1, dynamic": ("784-200-200-50, tanh, dynamic binarization", "86.76"),
    "paper, k=5, dynamic": ("the same, `samples=5`", "85.54"),
    "paper, k=1, fixed": ("the same, `samples=1`, fixed binarization", "88.71"),
    "best, k=1, dynamic": ("784-512-512-50, SiLU and LayerNorm, dynamic binarization", NONE),
}
NLL = Table(
    ("MNIST", "−log p(x), nats", "Burda et al. 2016", "active units", "decoder"),
    [
        Rows(
            "generation-nll",
            (
                lambda row: LIKELIHOODS[row["model"]][0],
                "{nll_nats:.2f} ± {standard_error:.2f}",
                lambda row: LIKELIHOODS[row["model"]][1],
                "{active_units}",
                "{decoder}",
            ),
        )
    ],
)
RANKING = Table(("", *HEAD), [scored(f"ranking-{data}") for data in ("mnist", "fashion-mnist", "patches")])
DISCRETE = Table(("MNIST", *HEAD), [scored("discrete"), scored("gan"), scored("pythae")])
PHOTO_SCORES = ("{frechet_distance:.3f}", "{frechet_floor:.3f}", *SCORES[2:])
PHOTOS = Table(
    ("photos of 64 pixels", *HEAD[:-1], "near copies of 2,000"), [Rows("generation-photos", (title, *PHOTO_SCORES))]
)
CACHE = Table(
    ("transformer", "1,000 pictures", "without the cache", "times as fast", "largest difference of logits"),
    [
        Rows(
            "generation-cache",
            (
                "{transformer}",
                "{wall_seconds:.1f} s",
                "{wall_seconds_without:.1f} s",
                "{times:.1f}",
                "{logits_difference:.1g}",
            ),
        )
    ],
)
