"""compare: one table over runs, seeds of one recipe as mean ± sd."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from isthmus import models, store
from isthmus.errors import BadInput
from isthmus.files import check_output
from isthmus.inference.inputs import as_model
from isthmus.report import Page, number
from isthmus.verbs.evaluate import evaluate

SHOWN = (
    "code_size",
    "compression_factor",
    "bce_per_pixel",
    "sse_per_image",
    "psnr",
    "ssim",
    "dice",
    "iou",
    "instance_ap50",
    "image_auroc",
    "mean_image_auroc",
    "pixel_auroc",
    "aupro",
    "false_alarm_rate",
    "elbo_nats",
    "nll_nats",
    "codebook_usage",
    "mean_active_fraction",
    "jacobian_norm",
    "seconds_per_epoch",
)
BEST = {"bce_per_pixel": "min", "sse_per_image": "min", "psnr": "max", "ssim": "max", "elbo_nats": "max"}
BEST |= {"nll_nats": "min", "dice": "max", "iou": "max", "instance_ap50": "max"}
BEST |= {"image_auroc": "max", "mean_image_auroc": "max", "pixel_auroc": "max", "aupro": "max"}


def compare(
    runs: Sequence[Path | str], *, out: Path | str | None = None, force: bool = False, device: str | None = None
) -> list[dict[str, Any]]:
    """One row per recipe and set of options, measured on the recorded test split; with `out` also as a page.

    Runs that differ only in the seed share a row, as mean ± sd. device: for runs that are not evaluated yet, as for
    evaluate. Raises BadInput for a path that is not a run.
    """
    if not runs:
        raise BadInput("compare: one run or more is needed")
    if out is not None:
        check_output(out, force=force)
    groups: dict[str, list[dict[str, Any]]] = {}
    names: dict[str, list[str]] = {}
    for run in runs:
        about = as_model(run).about
        training = {key: value for key, value in about.get("training", {}).items() if key != "seed"}
        key = json.dumps([about.get("recipe"), about.get("options"), about.get("data"), training], sort_keys=True)
        groups.setdefault(key, []).append(known_figures(Path(run), device))
        names.setdefault(key, []).append(Path(run).name)
    rows = []
    for key, figures in groups.items():
        row: dict[str, Any] = {"run": ", ".join(names[key]), "recipe": json.loads(key)[0]}
        row |= {"data": f"{figures[0]['data']} ({figures[0].get('split', 'all')})"}
        for name in SHOWN:
            values = [f[name] for f in figures if f.get(name) is not None]
            if values:
                row[name] = mean_and_sd(values)
        rows.append(row)
    if out is not None:
        page = Page("Runs side by side")
        page.table(rows, best=BEST)
        page.write(out)
    return rows


def known_figures(run: Path, device: str | None = None) -> dict[str, Any]:
    """The metrics on the run's own test images or split: recorded, or computed now."""
    run = Path(models.folder_for(run))
    path = run / store.METRICS
    recorded = store.read_json(path).get("evaluations", {}) if path.is_file() else {}
    data = read_config_data(run)
    return recorded.get(f"{data}:judged") or recorded.get(f"{data}:test") or evaluate(run, device=device)


def read_config_data(run: Path) -> str:
    """The name of the data that the run was trained on."""
    source = store.read_config(run).get("about", {}).get("data", {})
    return str(source.get("name") or Path(source.get("path", "data")).name)


def mean_and_sd(values: Sequence[float]) -> Any:
    """A single value as it is; several as 'mean ± sd' (sample standard deviation)."""
    if len(values) == 1:
        return values[0]
    return f"{number(float(np.mean(values)))} ± {number(float(np.std(values, ddof=1)))}"
