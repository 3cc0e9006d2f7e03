"""demo: train all types of autoencoders on handwritten digits, and show the results on one page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from isthmus.files import atomic_folder, check_output
from isthmus.registry import config_of
from isthmus.report import Page, charts
from isthmus.training.progress import Progress
from isthmus.verbs.demo.anomalies import anomalies
from isthmus.verbs.demo.common import Bench
from isthmus.verbs.demo.denoising import denoising
from isthmus.verbs.demo.quantized import quantized
from isthmus.verbs.demo.sparse import contractive, sparse
from isthmus.verbs.demo.undercomplete import curve, undercomplete
from isthmus.verbs.demo.variational import latent_space, variational

# Each chapter: its name, its share of the work in percent, and the function that trains and adds to the page.
CHAPTERS: tuple[tuple[str, int, Callable[[Bench, Page], None]], ...] = (
    ("a curve", 5, curve),
    ("undercomplete", 10, undercomplete),
    ("denoising", 12, denoising),
    ("sparse", 9, sparse),
    ("contractive", 14, contractive),
    ("variational", 9, variational),
    ("latent space", 10, latent_space),
    ("quantized", 16, quantized),
    ("anomalies", 15, anomalies),
)


def demo(out: Path | str = "isthmus-demo", *, force: bool = False) -> tuple[list[dict[str, Any]], Path]:
    """Train every type on the digits and write `out`/index.html; return the rows of a table, and the path of the page.

    Nothing is downloaded, and nothing is written before the end. Raises BadInput before any training if `out` exists.
    """
    check_output(out, force=force)
    with one_thread():
        rows, page = train_all()
    with atomic_folder(out, force=force) as folder:
        page.write(folder / "index.html")
    return rows, Path(out) / "index.html"


@contextmanager
def one_thread() -> Iterator[None]:
    """Networks of this size are fastest on one core; waiting threads made them 30 times slower on a busy machine."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def train_all() -> tuple[list[dict[str, Any]], Page]:
    """The rows of the table and the page."""
    bench = Bench()
    page = Page(
        "Autoencoders on handwritten digits",
        "An autoencoder is a network trained to reconstruct its input through a bottleneck that prevents copying, so "
        "it has to learn the structure of the data. This page shows the main types, each just trained on "
        f"{len(bench.training):,} small images of handwritten digits, and tested on {len(bench.test)} others.",
    )
    with Progress(sum(share for _, share, _ in CHAPTERS)) as progress:
        done = 0
        for number, (name, share, chapter) in enumerate(CHAPTERS, 1):
            progress.step(done, partial(str, f"{number}/{len(CHAPTERS)} {name} …"), last=True)
            chapter(bench, page)
            done += share
    loss_curves(bench, page)
    summary(bench, page)
    return bench.rows, page


def loss_curves(bench: Bench, page: Page) -> None:
    """The validation loss of all runs, in one chart where the loss is the same; the VAEs' training loss as well."""
    page.section(
        "Loss curves",
        "The loss is the reconstruction error plus the penalty of the code. A tenth of the training digits is the "
        "validation split; sizes were chosen by it. A curve that rises again would mean overfitting.",
    )
    families: dict[str, list[str]] = {}
    for title, run in bench.runs.items():
        loss = run.model.objective
        families.setdefault(f"{config_of(loss)} {run.model.shape}", []).append(title)
    shown = []
    for titles in families.values():
        both = len(titles) < 3  # few enough for both parts
        parts = ("training", "validation") if both else ("validation",)
        lines = {
            f"{title}, {part}" if both else title: history(bench.runs[title].history, part)
            for title in titles
            if not title.startswith("without") or title == "without 0"
            for part in parts
        }
        shown.append((charts.curves(lines, "epoch", "loss (nats)"), "" if both else "Validation part."))
    for pair in (shown[:2], shown[2:]):
        page.side_by_side(pair)


def history(rows: list[dict[str, Any]], part: str) -> tuple[list[int], list[float]]:
    """Epochs and losses, without the first epoch, whose loss would compress the scale."""
    key = "loss" if part == "training" else "validation_loss"
    return [row["epoch"] for row in rows[1:]], [row[key] for row in rows[1:]]


def summary(bench: Bench, page: Page) -> None:
    page.section(
        "Summary",
        "error: squared error of a test image, summed over its 64 pixels. value: the metric in the last column, and "
        "baseline: the same metric of the baseline named there.",
    )
    page.table(bench.rows)
    page.section("Train on your own images", "A folder of images is enough: photos, scans, frames.")
    page.code("isthmus train conv MY-FOLDER --out runs/mine")
    page.text("Reconstruct them, and list the other types:")
    page.code("isthmus reconstruct runs/mine MY-FOLDER --out rebuilt")
    page.code("isthmus recipes")
