"""How a detector looks: what can be chosen, and what is chosen where nobody does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from isthmus.detection.anomaly_maps import MAPS, POOLS
from isthmus.detection.distances import OF_ROWS
from isthmus.errors import BadInput, unknown

CODED = ("mahalanobis", "knn")
OF_FINDERS = ("marks", "features")  # of a net that has learned to find blemishes
PLACED = (*MAPS, *OF_FINDERS)
SCORES = (*PLACED, "elbo", *CODED, *OF_ROWS)
RELATIVE = ("error", "gradient", *CODED)

# Of what finds, where nobody names one: the first, unless the self-check of a run finds defects better by another.
FOUND_BY = ("marks+ssim", "marks", "marks+features", "features", "marks+ssim+features")
# Chosen on anomalies synthesised from what is learned from, by benchmarks/anomaly.py: those of Settings by its part
# choice, of rows by choice-rows (a series does better still smoothed by 2), of what finds by choice-tiles, of tables
# by choice-tables: error+covariance finds broken relations a little better there, and real anomalies as well; deviation
# is an insurance for rows that are far out. What fills holes has its defaults from trials that no script repeats.
DEFAULTS: dict[str, dict[str, Any]] = {
    "rows": {"score": "error", "smooth": 0.0},
    "table": {"score": "error+covariance+deviation", "smooth": 0.0, "relative": False, "pool": "mean"},
    "coded": {},
    "fills": {"score": "error+ssim", "share": 0.01, "smooth": 2.0},
    "finds": {"score": FOUND_BY[0], "share": 0.001, "smooth": 2.0},
}


def a_share(false_alarms: float) -> float:
    """The same; raises BadInput for what is none."""
    if not 0 < false_alarms < 1:
        raise BadInput(f"false alarms {false_alarms}: a share between 0 and 1 is accepted, such as 0.01")
    return false_alarms


@dataclass
class Settings:
    """What can be chosen. `of` fills in what suits a model.

    score: one of SCORES, or several joined by +, each counted in its own standard deviations of good ones. relative:
    whether error, gradient and distances are divided by the root of what there is to rebuild, Σx²: a page full of ink
    has more that can be wrong than one with a single stroke. pool: mean, max or worst (the mean of the worst `share`)
    of a map. smooth: σ in pixels. k: of knn. cells: sides in pixels of the squares that a net which fills holes hides
    in turn. false_alarms: the share of good ones that may be called bad.
    """

    score: str = "error+ssim+knn"
    relative: bool = True
    pool: str = "worst"
    share: float = 0.05
    smooth: float = 1.0
    k: int = 1
    cells: Sequence[int] = (8, 16, 32)
    false_alarms: float = 0.01

    def __post_init__(self) -> None:
        for name in self.parts:
            if name not in SCORES:
                raise unknown("score", name, SCORES)
        if self.pool not in POOLS:
            raise unknown("pool", self.pool, POOLS)
        if not 0 < self.share <= 1:
            raise BadInput(f"share {self.share:g}: above 0 and at most 1 is accepted, such as 0.05")
        if self.smooth < 0:
            raise BadInput(f"smooth {self.smooth:g}: 0 or more pixels are accepted")
        if self.k < 1:
            raise BadInput(f"k {self.k}: 1 or more neighbours are accepted")
        a_share(self.false_alarms)

    @property
    def parts(self) -> list[str]:
        return [name.strip() for name in self.score.split("+")]

    @property
    def maps(self) -> list[str]:
        """What the score asks of each place; the error where it asks for nothing, so that there is a map."""
        return [name for name in self.parts if name in PLACED] or ["error"]

    @classmethod
    def of(cls, model: Any, **given: Any) -> Settings:
        """Those given, and for each that is None, or is not, what suits `model`.

        Raises BadInput for a score that it cannot give.
        """
        fills = model.spec.mask_channels > 0
        free = model.objective.link == "free"  # columns of several kinds: where they begin is no darkness
        rows = "table" if free else "rows"
        kind = rows if len(model.shape) != 3 else "finds" if model.predicts_mask else "fills" if fills else "coded"
        settings = cls(**(DEFAULTS[kind] | {key: value for key, value in given.items() if value is not None}))
        for name in settings.parts:
            if name in CODED and (fills or model.has_skips):
                raise BadInput(
                    f"score {name}: is of a code, which this net's skips go past; error and ssim are accepted"
                )
            if name == "elbo" and not hasattr(model.bottleneck, "beta"):
                raise BadInput("score elbo: is of a variational model; train with kind=variational")
            if name in OF_ROWS and len(model.shape) == 3:
                raise BadInput(f"score {name}: is of rows; mahalanobis is of the codes of pictures")
            if name in OF_FINDERS and not model.predicts_mask:
                raise BadInput(
                    f"score {name}: is of a net that has learned to find blemishes; train with kind=repairing"
                )
            if name in MAPS and name != "error" and kind in ("rows", "table"):
                raise BadInput(f"score {name}: is of pictures; error, mahalanobis and knn are of any item")
        return settings
