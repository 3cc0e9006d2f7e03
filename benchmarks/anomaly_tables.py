"""The tables of detection in docs/results.md."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from table_writer import NONE, Contest, Pivot, Row, Rows, Table

BESIDE = ("", "Isthmus", "baselines")


def detected(title: str, part: str, figure: str, published: str = NONE, **only: Any) -> Contest:
    return Contest(title, f"anomaly-{part}", "isthmus detect", f"{{{figure}:.3f}}", only, published)


PEERS_OF_TABLES = ("sum of squared z-scores", "IsolationForest", "Mahalanobis, shrunk", "one-class SVM, scaled")


def peers_of_tables(row: Row) -> str:
    return "; ".join(f"{name} {row[name]:.3f}" for name in PEERS_OF_TABLES)


def with_error(promised: str) -> Callable[[Row], str]:
    """The rate for a promised one, with its standard error where there is one."""

    def cell(row: Row) -> str:
        rate, error = row[f"rate_{promised}"], row.get(f"standard_error_{promised}")
        return f"{rate:.1%}" if error is None else f"{rate:.1%} ± {error:.1%}"

    return cell


ANOMALY = Table(  # benchmarks/anomaly.py
    (*BESIDE, "published"),
    [
        detected("MNIST, one class is normal, mean of ten", "mnist", "mean_auroc", "DCAE .897, Deep SVDD .948"),
        detected("Fashion-MNIST, one class is normal, mean of ten", "fashion", "mean_auroc"),
        detected("MNIST is normal, Fashion-MNIST anomalous", "alarms", "auroc", good="mnist"),
        detected("Fashion-MNIST is normal, MNIST anomalous", "alarms", "auroc", good="fashion-mnist"),
        detected("ECG5000, heart beats", "ecg", "auroc"),
        detected(
            "magnetic tiles, images",
            "tiles",
            "image_auroc",
            "PatchCore .979, DifferNet .977 (features of ImageNet, a random split of the normal tiles)",
        ),
        Rows("anomaly-tables", ("a table: {set}", "**{isthmus detect:.3f}**", peers_of_tables, NONE)),
        detected("magnetic tiles, pixels", "tiles", "pixel_auroc"),
        detected("magnetic tiles, overlap of regions up to 30 % false positives (AUPRO)", "tiles", "aupro"),
        detected("parts at any angle, images", "parts", "image_auroc"),
        detected("parts at any angle, pixels", "parts", "pixel_auroc"),
        *(
            Contest(
                f"{title}, `repairing`: images / pixels",
                f"anomaly-{part}-repairing",
                "isthmus detect",
                "{image_auroc:.3f} / {pixel_auroc:.3f}",
                published=NONE,
            )
            for title, part in (("magnetic tiles", "tiles"), ("parts at any angle", "parts"))
        ),
    ],
)


def kind_of(row: Row) -> str:
    """The kind as it is set, or the name of a peer."""
    return row["kind"] if row["kind"].startswith("anomalib") else f"`{row['kind']}`"


def milliseconds(row: Row) -> str:
    """Of the processor; by the clock where those were not measured."""
    return f"{row.get('cpu_milliseconds_a_picture', row['milliseconds_a_picture']):.0f}"


FEATURES = Table(  # benchmarks/anomaly.py features
    ("features", "kind", "split", "images", "pixels", "AUPRO", "seconds to train", "ms an image"),
    [
        Rows(
            "anomaly-features",
            (
                "{backbone}",
                kind_of,
                "{split}",
                "{image_auroc:.3f}",
                "{pixel_auroc:.3f}",
                "{aupro:.3f}",
                "{training_cpu_seconds:.0f}",
                milliseconds,
            ),
        )
    ],
)
FEATURE_ALARMS = Table(  # the rate on unseen tiles, ± its standard error over the splits
    ("kind", "split", "promised 1 %", "promised 5 %"),
    [
        Rows(
            "anomaly-feature-alarms",
            ("`{kind}`", "{split}", with_error("0.01"), with_error("0.05")),
            where=lambda row: "standard_error_0.01" in row or row["split"] == "by number",
        )
    ],
)
PROMISE = Pivot(  # the bound on the false-positive rate and the measured rate, ± its standard error, for each score
    ("calibration set", "bound"),
    "anomaly-promise",
    ("{calibration_items} of {good}", "{promised:.0%}"),
    "score",
    "{false_alarm_rate:.2%} ± {standard_error:.2%}",
    lambda score: f"`{score}`".replace(", trained anew`", "`, retrained"),
)
