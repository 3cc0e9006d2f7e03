"""demo: train all types of autoencoders on handwritten digits, and show the results on one page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from isthmus.files import atomic_folder, check_output
from isthmus.report import Page, charts
from isthmus.training.progress import Progress
from isthmus.verbs.demo import denoising, quantized, strange, undercomplete, variational, wide
from isthmus.verbs.demo.bench import Bench

# Each chapter: its name, its part of the work in percent, and the function that trains, measures and tells.
CHAPTERS: tuple[tuple[str, int, Callable[[Bench, Page], None]], ...] = (
    ("a curved line", 5, undercomplete.cloud),
    ("few numbers", 10, undercomplete.digits),
    ("denoising", 12, denoising.noise),
    ("sparse", 9, wide.sparse),
    ("contractive", 14, wide.contractive),
    ("variational", 9, variational.invent),
    ("a map of the digits", 10, variational.atlas),
    ("quantized", 16, quantized.words),
    ("anomalies", 15, strange.left_out),
)


def demo(out: Path | str = "isthmus-demo", *, force: bool = False) -> tuple[list[dict[str, Any]], Path]:
    """Train every type on the digits and write `out`/index.html; return the rows of a table, and the page.

    Nothing is downloaded, and nothing is written before all is done. Raises BadInput at once where `out` exists.
    """
    check_output(out, force=force)
    with one_thread():
        rows, page = tell()
    with atomic_folder(out, force=force) as folder:
        page.write(folder / "index.html")
    return rows, Path(out) / "index.html"


@contextmanager
def one_thread() -> Iterator[None]:
    """Nets this small are quickest on one core; threads that wait for each other made it 30 times slower on a busy
    machine."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def tell() -> tuple[list[dict[str, Any]], Page]:
    """The rows and the page, chapter by chapter."""
    bench = Bench()
    page = Page(
        "What an autoencoder learns from digits",
        "An autoencoder is a net that is asked to give back what it was given, through a place so narrow that it "
        "cannot just copy. To do that it has to find out what matters. Here are the main types, each trained a "
        f"moment ago on {len(bench.train):,} small handwritten digits and shown on {len(bench.test)} others that it "
        "never saw.",
    )
    with Progress(sum(share for _, share, _ in CHAPTERS)) as progress:
        done = 0
        for number, (name, share, chapter) in enumerate(CHAPTERS, 1):
            progress.step(done, partial(str, f"{number}/{len(CHAPTERS)} {name} …"), last=True)
            chapter(bench, page)
            done += share
    learning(bench, page)
    now_yours(bench, page)
    return bench.rows, page


def learning(bench: Bench, page: Page) -> None:
    """The loss of all runs on what was held back, together where it is measured alike; the VAEs' on both parts."""
    page.section(
        "How they learned",
        "The loss is what a training makes small: the error of the drawing, and what the code costs. A tenth of the "
        "training digits was held back to measure it on digits that nobody learned from, and to choose sizes by. "
        "A line that rises again would mean learning by heart.",
    )
    families: dict[str, list[str]] = {}
    for title, run in bench.runs.items():
        loss = run.model.objective
        families.setdefault(f"{type(loss).__name__} {getattr(loss, 'sigma', '')} {run.model.shape}", []).append(title)
    shown = []
    for titles in families.values():
        both = len(titles) < 3  # room for both parts
        parts = ("training", "held back") if both else ("held back",)
        lines = {
            f"{title}, {part}" if both else title: history(bench.runs[title].history, part)
            for title in titles
            if not title.startswith("without") or title == "without 0"
            for part in parts
        }
        shown.append((charts.curves(lines, "epoch", "loss (nats)"), "" if both else "On digits held back."))
    for pair in (shown[:2], shown[2:]):
        page.side_by_side(pair)


def history(rows: list[dict[str, Any]], part: str) -> tuple[list[int], list[float]]:
    """Epochs and losses, without the first epoch, which would leave no room for the others."""
    key = "loss" if part == "training" else "validation_loss"
    return [row["epoch"] for row in rows[1:]], [row[key] for row in rows[1:]]


def now_yours(bench: Bench, page: Page) -> None:
    page.section("All in one table")
    page.text(
        "The error is the squared error of a test picture, a sum over its 64 values. The figure is the one that the "
        "type is about, and beside it stands what to hold it to."
    )
    page.table(bench.rows)
    page.section("Now yours", "Any folder of pictures will do: photos, scans, frames.")
    page.code("isthmus train conv MY-FOLDER --out runs/mine")
    page.text("See what it makes of them, and which other types there are:")
    page.code("isthmus reconstruct runs/mine MY-FOLDER --out rebuilt")
    page.code("isthmus recipes")
