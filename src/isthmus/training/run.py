"""Run: the result of fit(), with the trained model, its history and its page."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from isthmus import store
from isthmus.autoencoder import Autoencoder
from isthmus.data import Data, skipping_corrupt
from isthmus.files import atomic
from isthmus.report import Page, as_pictures, charts, rows
from isthmus.spec import Hooks
from isthmus.training.baselines import compare_with_baselines
from isthmus.training.progress import compares_pictures, error_of
from isthmus.types import Context, Noise

if TYPE_CHECKING:
    from PIL.Image import Image

SHOWN = 10  # images on the page of a run
TERMS = ("loss", "reconstruction", "penalty", "loss_per_value", "mse_per_value")  # not printed next to an error


@dataclass(repr=False)
class Run:
    """A finished training.

    path: its folder, or None. history: a dict for each epoch. parts: rows of `data` by part. kept: the row of the
    history whose weights were kept; {} for the last. quiet: whether the training showed no progress.
    """

    model: Any
    path: Path | None
    history: list[dict[str, Any]]
    data: Data
    parts: dict[str, np.ndarray]
    finished: str = "done"
    kept: dict[str, Any] = field(default_factory=dict)
    quiet: bool = False

    def __repr__(self) -> str:
        """One line: the recipe, the epochs, the status and the folder."""
        where = f", {self.path}" if self.path is not None else ""
        name = self.model.about.get("recipe", type(self.model).__name__)
        epochs = f"{len(self.history)} epoch{'' if len(self.history) == 1 else 's'}"
        return f"Run({name}, {epochs}, {self.finished}{where})"

    @property
    def metrics(self) -> dict[str, float]:
        """Losses of the weights that were kept, and the speed of the training."""
        if not self.history:
            return {}
        spent, passes = [row["seconds"] for row in self.history], float(len(self.history))
        if self.finished == "done":  # the last epoch may be a part, and a short budget holds parts alone
            passes = float(self.model.about.get("training", {}).get("epochs", passes))
        seconds = float(np.median(spent)) if passes == len(spent) else sum(spent) / max(passes, 1e-9)
        row = self.kept or self.history[-1]
        last = {"kept_epoch": row["epoch"], **{k: v for k, v in row.items() if k not in ("epoch", "lr", "seconds")}}
        speed = {
            "seconds_per_epoch": seconds,
            "images_per_second": len(self.parts["train"]) / max(seconds, 1e-9),
        }
        return {"epochs": len(self.history), **last, **speed}

    @property
    def readable(self) -> dict[str, Any]:
        """The metrics to print: the error instead of the terms of the loss, if it is known."""
        shown = self.metrics
        error = error_of(shown, compares_pictures(self.model, self.data))
        if not error:
            alike = [name for name in shown if name.endswith(("reconstruction", "penalty"))]  # equal to the loss
            return {name: shown[name] for name in shown if shown.get("penalty") or name not in alike}
        terms = [f"{part}{name}" for part in ("", "validation_") for name in TERMS]
        return {"validation": error, **{name: value for name, value in shown.items() if name not in terms}}

    @cached_property
    def baselines(self) -> dict[str, Any]:
        """The errors of the model, of the mean item and of PCA: see compare_with_baselines; {} if none applies."""
        if not self.history:
            return {}
        kept = self.metrics["kept_epoch"]
        return compare_with_baselines(self.model, self.data, self.parts, self.steps, self.history, int(kept))

    @property
    def self_check(self) -> str | None:
        """One line with the detection rate of synthetic defects in normal images; None for a run without detector."""
        lines = [part.summary() for part in Hooks.of(self.model).parts.values()]
        return next((line for line in lines if line), None)

    @property
    def steps(self) -> int:
        """The planned number of steps."""
        options = self.model.about["training"]
        return max(1, round(options["epochs"] * -(-len(self.parts["train"]) // options["batch_size"])))

    def save(self, path: Path | str, force: bool = False) -> Path:
        """Write model and metrics as a run folder; raises BadInput like Autoencoder.save."""
        path = Path(self.model.save(path, force))
        replace(self, path=path).write()
        return path

    def write(self) -> None:
        """Write metrics.json, history.csv, index.html and card.md."""
        assert self.path is not None
        metrics = {"status": self.finished, "training": self.metrics}
        if self.baselines:
            metrics["beside"] = self.baselines  # the key of the first format
        store.write_json(self.path / store.METRICS, metrics)
        write_history(self.path / store.HISTORY, self.history)
        self.plot().write(self.path / store.PAGE)
        with atomic(self.path / store.CARD) as temporary:
            temporary.write_text(self.card(), encoding="utf-8")

    def plot(self) -> Page:
        """The page of the run: metrics, images above their reconstructions, loss curves. A notebook displays it."""
        about = self.model.about
        page = Page(f"{about.get('recipe', 'model')}: training")
        if self.history:
            page.figures({key.replace("_", " "): value for key, value in self.readable.items()})
        if self.baselines:
            page.text(self.baselines["verdict"])
        if self.self_check:
            page.text(self.self_check)
        held = next(part for part in ("validation", "train") if len(self.parts[part]))
        target = self.data.further.get("target")
        of_images = isinstance(self.model, Autoencoder) and self.model.features is None
        if of_images and (target is None or target.kind != "labels"):
            page.section("Reconstructions")
            page.picture(*self.reconstructions(held))
        per_value = bool(self.history) and "loss_per_value" in self.history[-1]
        end = "_per_value" if per_value else ""  # validation may use full images, and training crops
        curves = {
            name: ([row["epoch"] for row in self.history], [row[key] for row in self.history])
            for name, key in (("training", f"loss{end}"), ("validation", f"validation_loss{end}"))
            if self.history and key in self.history[-1]
        }
        if curves:
            page.section("Loss")
            page.chart(
                charts.curves(curves, xlabel="epoch", ylabel=f"loss (nats per {'value' if per_value else 'item'})"),
                "The loss of each epoch.",
            )
        return page

    @torch.no_grad()
    def reconstructions(self, part: str) -> tuple[Image, str]:
        """Rows of targets, corrupted inputs (if any) and reconstructions of a part, and the caption."""
        model, data = self.model, skipping_corrupt(self.data.subset(self.parts[part][:SHOWN]))
        sample = data.sample(np.arange(len(data))).each(lambda tensor: tensor.to(model.device)).in_units()
        if model.corruption is not None:
            sample = model.corruption(sample, Context(Noise(0, 0, len(data), device=model.device)))
        y, _ = model.predict(sample, Context())
        own = slice(model.shape[0])  # without the channel of a mask
        target = sample.target[:, own].float()
        shown = [target, sample.x[:, own], model.objective.picture(y)[:, own]]
        if sample.x is sample.target:
            del shown[1]
        between = " Middle: network input." if len(shown) == 3 else ""
        return rows(*map(as_pictures, shown)), f"Top: from the {part} split.{between} Bottom: output."

    def card(self) -> str:
        """The model card in Markdown: data, options and metrics."""
        about = self.model.about
        data = about.get("data", {})
        lines = [f"# {about.get('recipe', type(self.model).__name__)}", ""]
        lines += [
            f"- data: {data.get('name') or data.get('path') or data.get('kind', 'unknown')}, "
            f"{len(self.parts['train'])} items to train on",
            f"- items: {'×'.join(map(str, self.data.shape))}, status: {self.finished}",
        ]
        lines += [f"- {key}: {value}" for key, value in about.get("options", {}).items()]
        lines += ["", "| figure | value |", "|---|---|"]
        lines += [f"| {key} | {value:.5g} |" for key, value in self.metrics.items()]
        return "\n".join(lines) + "\n"


def write_history(path: Path, history: list[dict[str, Any]]) -> None:
    names = list(dict.fromkeys(name for row in history for name in row))
    with atomic(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(history)
