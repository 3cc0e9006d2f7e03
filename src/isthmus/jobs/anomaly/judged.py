"""Test images with their scores, maps and ground truth, and metrics of all of them, each kind and each product."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

import numpy as np

from isthmus import metrics
from isthmus.jobs.anomaly.finding import Finding

GOOD = "good"


@dataclass
class Judged:
    """One entry for each image. masks: the ground truth, H×W bool; None where there is none. products: empty texts if
    there is only one."""

    scores: list[float] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    products: list[str] = field(default_factory=list)
    maps: list[np.ndarray] = field(default_factory=list)
    masks: list[np.ndarray | None] = field(default_factory=list)

    def add(
        self, finding: Finding, kinds: Sequence[str], products: Sequence[str], masks: Sequence[np.ndarray | None]
    ) -> None:
        self.scores += finding.score.tolist()
        self.kinds += kinds
        self.products += products
        self.maps += list(finding.map.numpy())
        self.masks += masks

    @property
    def anomalous(self) -> np.ndarray:
        return np.array(self.kinds) != GOOD

    def has_normal(self, product: str) -> bool:
        return (GOOD, product) in zip(self.kinds, self.products, strict=True)

    def chosen(self, rows: np.ndarray) -> Judged:
        """The images of these rows, a mask."""
        indices = np.flatnonzero(rows)
        return Judged(*([values[index] for index in indices] for values in vars(self).values()))

    def image_auroc(self) -> float:
        return float(metrics.auroc(np.array(self.scores), self.anomalous))

    def located(self) -> dict[str, float]:
        """pixel_auroc and aupro of the images with a ground truth; empty if it marks no pixel."""
        pairs = [(values, mask) for values, mask in zip(self.maps, self.masks, strict=True) if mask is not None]
        if not any(mask.any() for _, mask in pairs):
            return {}
        predicted, truth = [values for values, _ in pairs], [mask for _, mask in pairs]
        pixels = np.concatenate([values.ravel() for values in predicted])
        return {
            "pixel_auroc": metrics.auroc(pixels, np.stack(truth).ravel()),
            "aupro": metrics.aupro(predicted, truth),
        }

    def per_kind(self) -> dict[str, float]:
        """The AUROC of each kind of defect, PRODUCT/KIND if there are several products, against normal images of its
        product."""
        kinds, products = np.array(self.kinds), np.array(self.products)
        found = sorted({(product, kind) for product, kind in zip(products, kinds, strict=True) if kind != GOOD})
        return {
            f"{product}/{kind}" if product else kind: self.chosen(
                (products == product) & np.isin(kinds, [GOOD, kind])
            ).image_auroc()
            for product, kind in found
            if self.has_normal(product)
        }

    def per_product(self) -> dict[str, Any]:
        """per_product: the metrics of each product with normal and anomalous images; and their means over products, as
        papers on several products report them. Empty without products."""
        products = np.array(self.products)
        of: dict[str, dict[str, float]] = {}
        for product in sorted(set(self.products) - {""}):
            own = self.chosen(products == product)
            if own.anomalous.any() and not own.anomalous.all():
                of[product] = {"image_auroc": own.image_auroc(), **own.located()}
        names = dict.fromkeys(name for figures in of.values() for name in figures)
        means = {f"mean_{name}": fmean(figures[name] for figures in of.values() if name in figures) for name in names}
        return {"per_product": of, **means} if of else {}
