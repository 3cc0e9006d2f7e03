"""The settings of a detector, and their defaults for each kind of model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from isthmus.errors import BadInput, unknown
from isthmus.jobs.anomaly.anomaly_maps import MAPS, POOLS
from isthmus.jobs.anomaly.distances import ROW_DISTANCES

CODE_SCORES = ("mahalanobis", "knn")
MASK_SCORES = ("marks", "features")  # of a network trained to predict defect masks
OF_FEATURES = ("distance", "gaussian")  # of a model of features alone
FEATURE_SCORES = ("distance", "features", "gaussian")
MAP_SCORES = (*MAPS, *MASK_SCORES, *OF_FEATURES)
SCORES = (*MAP_SCORES, "elbo", *CODE_SCORES, *ROW_DISTANCES)
RELATIVE = ("error", "gradient", *CODE_SCORES)

# Candidate scores of a network that predicts masks: the first, unless the self-check of a run favors another.
CANDIDATES = ("marks+ssim", "marks", "marks+features", "features", "marks+ssim+features")
# Chosen on anomalies synthesized from training data, by benchmarks/anomaly.py: the defaults of Settings by its part
# `choice`, of rows by choice-rows (series do better still with smooth=2), of mask networks by choice-tiles, of tables
# by choice-tables: error+covariance detects broken relations and real anomalies a little better there; deviation
# covers rows that are merely extreme. The defaults of inpainting networks come from trials that no script repeats.
DEFAULTS: dict[str, dict[str, Any]] = {
    "rows": {"score": "error", "smooth": 0.0},
    "table": {"score": "error+covariance+deviation", "smooth": 0.0, "relative": False, "pool": "mean"},
    "coded": {},
    "fills": {"score": "error+ssim", "share": 0.01, "smooth": 2.0},
    "finds": {"score": CANDIDATES[0], "share": 0.001, "smooth": 2.0},
    "feature-autoencoder": {"score": "distance+gaussian", "share": 0.01, "smooth": 4.0},
    "nearest-patches": {"score": "features", "share": 0.01, "smooth": 4.0},
    "gaussian": {"score": "gaussian", "share": 0.01, "smooth": 4.0},
}


def checked_rate(false_alarms: float) -> float:
    """false_alarms itself; raises BadInput outside of (0, 1)."""
    if not 0 < false_alarms < 1:
        raise BadInput(f"false alarms {false_alarms}: a share between 0 and 1 is accepted, such as 0.01")
    return false_alarms


@dataclass
class Settings:
    """The settings of a detector; `of` fills in the defaults for a model.

    score: one of SCORES, or several joined by +, each as a z-score over normal items. relative: whether error, gradient
    and distances are divided by the root of the energy of x, Σx²: a page full of ink can have a larger error than one
    with a single stroke. pool: mean, max or worst (the mean of the largest `share`) of a map. smooth: σ in pixels.
    k: neighbors of knn. cells: sides in pixels of the squares that an inpainting network hides in turn. false_alarms:
    the accepted false-positive rate.
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
            raise BadInput(f"k {self.k}: 1 or more neighbors are accepted")
        checked_rate(self.false_alarms)

    @property
    def parts(self) -> list[str]:
        return [name.strip() for name in self.score.split("+")]

    @property
    def maps(self) -> list[str]:
        """The maps that the score uses; the error where it uses none, so that there is always a map."""
        return [name for name in self.parts if name in MAP_SCORES] or ["error"]

    @classmethod
    def of(cls, model: Any, **given: Any) -> Settings:
        """The given settings, with the default for `model` in place of each that is missing or None.

        Raises BadInput for a score that the model cannot give.
        """
        fills = model.spec.mask_channels > 0
        free = model.objective.link == "free"  # mixed columns: their zero is no dark background
        rows = "table" if free else "rows"
        kind = rows if len(model.shape) != 3 else "finds" if model.predicts_mask else "fills" if fills else "coded"
        if model.features is not None:
            asked = model.about.get("chosen") or model.about.get("options", {})
            kind = "feature-autoencoder" if model.learns else asked["kind"]
        settings = cls(**(DEFAULTS[kind] | {key: value for key, value in given.items() if value is not None}))
        for name in settings.parts:
            if model.features is not None and name not in FEATURE_SCORES:
                raise BadInput(f"score {name}: compares images; of features {', '.join(FEATURE_SCORES)} are accepted")
            if name in CODE_SCORES and (fills or model.has_skips):
                raise BadInput(
                    f"score {name}: needs a code, and this network has skip connections; error and ssim are accepted"
                )
            if name == "elbo" and not hasattr(model.bottleneck, "beta"):
                raise BadInput("score elbo: needs a variational model; train with kind=variational")
            if name in ROW_DISTANCES and len(model.shape) == 3:
                raise BadInput(f"score {name}: needs rows of a table; for images mahalanobis of the code is accepted")
            if name in OF_FEATURES and model.features is None:
                raise BadInput(f"score {name}: needs a network of features; train with features=auto")
            if name in MASK_SCORES and not model.predicts_mask and model.features is None:
                raise BadInput(f"score {name}: needs a network trained to find defects; train with kind=repairing")
            if name == "distance" and not model.learns:
                raise BadInput("score distance: needs kind=feature-autoencoder, which learns to reconstruct features")
            if name in MAPS and name != "error" and kind in ("rows", "table"):
                raise BadInput(f"score {name}: needs images; error, mahalanobis and knn are accepted for any item")
        return settings
