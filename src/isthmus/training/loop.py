"""The one loop. Order, noise and rate follow from (seed, step) alone, so a resumed run is the undisturbed one."""

from __future__ import annotations

import logging
import math
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from isthmus import store
from isthmus.autoencoder import load_weights, write_config
from isthmus.contracts import Context, Noise, Sample
from isthmus.data import Data, choose_parts, open_data, record_parts, to_unit
from isthmus.errors import BadInput, Diverged
from isthmus.files import claim
from isthmus.layers import seeded
from isthmus.training import checkpoint
from isthmus.training.average import Average
from isthmus.training.interrupt import interruptible
from isthmus.training.options import check_device, rate, settle
from isthmus.training.progress import Progress
from isthmus.training.run import Run
from isthmus.training.tally import Tally, copy_of, finite

CHECKPOINT_EVERY = 30.0  # seconds
START_ITEMS = 4096  # handed to the bottleneck before the first step
VALIDATION = 2**40  # a step that no training reaches: the noise of the two never meets


def fit(
    module: nn.Module,
    data: Any,
    *,
    out: Path | str | None = None,
    resume: bool = False,
    quiet: bool = False,
    **given: Any,
) -> Run:
    """Train `module`, whose forward(sample, ctx) returns Losses, on `data`; return the Run.

    data: anything open_data takes: a folder, an array (N, 784), (N, 28, 28) or N×C×H×W, a torch Dataset, "mnist".
    out: the run folder; it must not exist yet, unless `resume`, which goes on from the last checkpoint, starts where
    there is none, and returns at once where the run is finished. given: any key of TRAINING, over the recipe's own.

    Raises BadInput for data, options or a folder that cannot be used; Diverged when the loss is no number any more
    (the last good weights are in the model and in the run); KeyboardInterrupt after Ctrl-C, with a run that resumes.
    """
    about = getattr(module, "about", {})
    options = settle(about.get("training", {}), {"seed": about.get("seed", 0)} | given)
    data = open_data(data, like=about.get("input"))
    data = data.seen_as(module.shape) if isinstance(getattr(module, "shape", None), tuple) else data
    module.about = about | {  # type: ignore[assignment]
        "input": {
            "shape": list(data.shape),
            "range": list(data.range),
            "float": data.dtype.is_floating_point,
            "gray": data.shape[0] == 1,
        },
        "data": data.source,
        "training": options,
    }
    run = Path(out) if out is not None else None
    going_on = resume and run is not None and store.is_run(run)
    if run is not None and not going_on:
        claim(run, hint="resume goes on with it")
    training = _Training(module, data, options, run, quiet)
    training.fresh = not going_on
    if going_on:
        training.resume()
    return training.run()


class _Training:
    """The state of a training, and the loop over it."""

    def __init__(self, module: nn.Module, data: Data, options: dict[str, Any], out: Path | None, quiet: bool) -> None:
        from lightning_fabric import Fabric

        logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
        check_device(options["device"])
        self.fabric = Fabric(accelerator=options["device"], devices=1, precision=options["precision"])
        self.out, self.options, self.quiet, self.data = out, options, quiet, data
        shares = {key: options[key] for key in ("seed", "validation", "test")}
        self.parts = choose_parts(data, **shares)
        self.train_part, self.validation_part = (data.subset(self.parts[part]) for part in ("train", "validation"))
        if data.in_memory:
            self.train_part = self.train_part.to(self.fabric.device)
            self.validation_part = self.validation_part.to(self.fabric.device)
        self.epoch_steps = math.ceil(len(self.train_part) / options["batch_size"])
        self.steps = self.epoch_steps * options["epochs"]

        self.module = module.train()
        decay, fused = options["weight_decay"], self.fabric.device.type in ("cpu", "cuda")
        adam = torch.optim.AdamW(module.parameters(), options["lr"], weight_decay=decay, fused=fused)
        self.net, self.optimizer = self.fabric.setup(module, adam)
        self.average = Average(module, options["ema"])
        self.tally = Tally()
        self.best: dict[str, Tensor] = {}
        self.history: list[dict[str, Any]] = []
        self.step, self.finished, self.fresh = 0, "", True
        self.lowest, self.since = math.inf, 0  # the best loss, and how many epochs ago it was
        self.factor = 1.0  # of the rate, which a plateau halves

    # -- on disk --

    def resume(self) -> None:
        """Take up the run in `out`; BadInput where it is of another model, other data or other options."""
        assert self.out is not None
        checkpoint.must_agree(self.out, self.module)
        if not store.checkpoints(self.out):
            if (self.out / store.WEIGHTS).exists():
                raise BadInput(f"{self.out}: has finished weights but no checkpoint to go on from")
            return
        tensors, header = checkpoint.read(self.out, self.module, self.optimizer)
        self.average.mean, self.best = tensors.get("ema", {}), tensors.get("best", {})
        self.tally = Tally(header["tally"])
        for name in ("step", "history", "finished", "since", "factor"):
            setattr(self, name, header[name])
        self.lowest = math.inf if header["lowest"] is None else header["lowest"]
        if self.step > self.steps:
            raise BadInput(f"{self.out}: has trained for more epochs than {self.options['epochs']} already")
        if self.step < self.steps and self.finished == "done":
            self.finished = ""

    def checkpoint(self) -> None:
        if self.out is None:
            return
        self.saved = time.perf_counter()
        names = ("step", "history", "finished", "since", "factor")
        lowest = self.lowest if math.isfinite(self.lowest) else None
        header = {name: getattr(self, name) for name in names}
        header |= {"lowest": lowest, "tally": self.tally.state()}
        extra = {"ema": self.average.mean, "best": self.best}
        checkpoint.write(self.out, self.step, self.module, self.optimizer.optimizer, extra, header)

    # -- the loop --

    def run(self) -> Run:
        if self.finished:
            whole = self.out is not None and all((self.out / name).is_file() for name in store.RESULTS)
            return self.close(write=not whole)
        try:
            self.begin()
            with interruptible() as stop, Progress(self.steps, self.step, self.quiet) as progress:
                while self.step < self.steps and not self.finished:
                    self.epoch(progress, stop)
            self.finished = self.finished or "done"
            self.checkpoint()
        except Diverged:
            self.finished = "diverged"
            self.close()
            raise
        except BaseException:
            if self.out is not None and self.fresh and not store.checkpoints(self.out):
                shutil.rmtree(self.out, ignore_errors=True)  # there is nothing in it to go on from
            raise
        return self.close()

    def begin(self) -> None:
        if self.out is not None:
            write_config(self.out, self.module)
            store.write_json(self.out / store.PARTS, record_parts(self.data, self.parts))
        if self.step == 0 and callable(start := getattr(self.module, "start", None)):
            start(self.first_samples())
        self.good, self.saved = copy_of(self.module), time.perf_counter()

    def first_samples(self) -> Iterator[Sample]:
        size = self.options["batch_size"]
        order = torch.randperm(len(self.train_part), generator=seeded(self.options["seed"]))[:START_ITEMS]
        return (Sample.of(self.floats(self.train_part, batch)) for batch in order.split(size))

    def floats(self, part: Data, rows: Tensor) -> Tensor:
        return to_unit(part.batch(rows).to(self.fabric.device), part.range)

    def epoch(self, progress: Progress, stop: threading.Event) -> None:
        """From wherever the step counter stands to the end of its epoch."""
        number, first = divmod(self.step, self.epoch_steps)
        order = torch.randperm(len(self.train_part), generator=seeded(self.options["seed"] * 1_000_003 + number))
        if self.train_part.in_memory:
            order = order.to(self.fabric.device)
        clock = time.perf_counter()
        for batch in order.split(self.options["batch_size"])[first:]:
            self.one_step(batch)
            now = time.perf_counter()
            self.tally.seconds += now - clock
            clock = now
            last = self.step % self.epoch_steps == 0
            progress.step(self.step, self.line, self.step == self.steps)
            if last:
                self.end_epoch(number)
            if stop.is_set():  # between two steps: a second Ctrl-C, which may come within one, saves nothing
                self.checkpoint()
                raise KeyboardInterrupt
            if now - self.saved > CHECKPOINT_EVERY:
                self.checkpoint()

    def one_step(self, rows: Tensor) -> None:
        learning_rate = rate(self.options, self.step, self.steps) * self.factor
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        x = self.floats(self.train_part, rows)
        noise = Noise(self.options["seed"], self.step, len(x), device=self.fabric.device)
        losses = self.net(Sample.of(x), Context(noise, self.step / self.steps))
        self.fabric.backward(losses.total)
        self.tally.add(losses, len(x))
        # On a GPU every look at the sums would wait for it; a look now and then finds the same.
        if self.fabric.device.type == "cpu" or self.step % 50 == 49:
            self.guard()
        if self.options["clip"] is not None:
            self.fabric.clip_gradients(self.net, self.optimizer, max_norm=self.options["clip"])
        self.optimizer.step()
        self.optimizer.zero_grad()
        if callable(after_step := getattr(self.module, "after_step", None)):
            after_step()
        self.average.update(self.step)
        self.step += 1

    def guard(self) -> None:
        """Stop where a loss is no number any more, with weights that still are."""
        broken = self.tally.broken()
        if broken is None:
            return
        if not finite(self.module.state_dict()):
            self.module.load_state_dict(self.good)
        if not finite(self.average.mean):
            self.average.mean = self.good
        raise Diverged(
            f"step {self.step + 1}: the {broken} is no number any more, and the last good weights are kept; "
            f"a lower lr than {self.options['lr']:g} or --set clip=1000 may help"
        )

    def end_epoch(self, number: int) -> None:
        self.guard()
        row = {"epoch": number + 1, "lr": self.optimizer.param_groups[0]["lr"], **self.tally.means()}
        row["seconds"] = self.tally.seconds
        if len(self.validation_part):
            row |= {f"validation_{name}": value for name, value in self.validate().items()}
        self.history.append(row)
        self.tally, self.good = Tally(), copy_of(self.module)
        self.judge(row.get("validation_loss", row["loss"]))

    def validate(self) -> dict[str, float]:
        """Mean losses on the validation part with the weights that would be kept, always with the same noise."""
        tally = Tally()
        rows = torch.arange(len(self.validation_part))
        with torch.no_grad(), self.average.in_use():
            self.module.eval()
            for number, batch in enumerate(rows.split(self.options["batch_size"])):
                x = self.floats(self.validation_part, batch)
                noise = Noise(self.options["seed"], VALIDATION + number, len(x), device=self.fabric.device)
                tally.add(self.net(Sample.of(x), Context(noise)), len(x))
            self.module.train()
        return tally.means()

    def judge(self, loss: float) -> None:
        """Is it the best so far, should the rate fall, is it time to stop?"""
        patience = self.options["patience"]
        if loss < self.lowest:
            self.lowest, self.since = loss, 0
            if patience is not None:
                self.best = {name: tensor.clone() for name, tensor in self.average.weights().items()}
            return
        self.since += 1
        if self.options["schedule"] == "plateau" and self.since % 3 == 0:
            self.factor *= 0.5
        if patience is not None and self.since >= patience:
            self.finished = "stopped early"

    @property
    def line(self) -> str:
        """Where the training stands, in one line."""
        number = (self.step - 1) // self.epoch_steps + 1
        speed = self.tally.items / max(self.tally.seconds, 1e-9)
        text = f"epoch {number}/{self.options['epochs']}  {speed:,.0f}/s  loss {self.tally.means()['loss']:.4g}"
        if self.history and "validation_loss" in self.history[-1]:
            text += f"  validation {self.history[-1]['validation_loss']:.4g}"
        return text

    def close(self, write: bool = True) -> Run:
        """Put the weights to be kept into the module, and the results into the run folder."""
        kept = self.best or self.average.weights()
        load_weights(self.module, {name: tensor.clone() for name, tensor in kept.items()}, "training")
        self.module.eval()
        self.module.path = self.out  # type: ignore[assignment]
        run = Run(self.module, self.out, self.history, self.data, self.parts, self.finished)
        if write and self.out is not None:
            store.write_tensors(self.out / store.WEIGHTS, self.module.state_dict())
            run.write()
        return run
