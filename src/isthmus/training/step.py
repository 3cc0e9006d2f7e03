"""One step: the gradient of a global batch, in micro-batches if memory is short, and the update of the weights."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from isthmus.data import Data
from isthmus.distributed import all_reduce
from isthmus.spec import Hooks
from isthmus.training.batches import Batch, batches
from isthmus.training.ema import EMA
from isthmus.training.meters import Meters
from isthmus.types import Context, Losses, Noise

if TYPE_CHECKING:
    from lightning_fabric import Fabric

Gradient = tuple[list[tuple[Losses, int]], dict[str, Tensor]]  # losses and items of each micro-batch; the sums
VALIDATION = 2**40  # the number of a step that no training reaches: validation has noise of its own
NO_MEMORY = ("out of memory", "not enough memory", "can't allocate memory")


class Step:
    """The updates of a module. `micro` items are passed at once, fewer if memory is short."""

    def __init__(self, fabric: Fabric, module: nn.Module, options: Mapping[str, Any]):
        self.fabric, self.module, self.options = fabric, module, options
        self.after_step = Hooks.of(module).after_step
        self.micro: int = options["micro_batch"] or options["batch_size"]
        self.notify: Callable[[str], None] = lambda sentence: None
        callable_module: Any = torch.compile(module) if options["compile"] else module
        learns = any(weight.requires_grad for weight in module.parameters())
        setup: Any = fabric.setup_module if learns else fabric.to_device  # DDP refuses a module without gradients
        self.net = setup(callable_module)  # before the optimizer: FSDP replaces the parameters
        decay = options["weight_decay"]
        fused = fabric.device.type in ("cpu", "cuda") and options["strategy"] != "fsdp"
        learned = {"params": [weight for weight in self.net.parameters() if weight.requires_grad]}  # may be none
        adam = torch.optim.AdamW([learned], options["lr"], weight_decay=decay, fused=fused)
        self.optimizer = cast(Any, fabric.setup_optimizers(adam))
        self.weights = [weight for group in adam.param_groups for weight in group["params"]]
        self.average = EMA(module, options["ema"])
        # One process in full precision needs no wrapper of Fabric around each call, nor torch's profiler record and
        # hooks around a step of the optimizer; they cost time at every step.
        self.unwrapped = fabric.world_size == 1 and options["precision"] == "32-true"
        self.call = callable_module if self.unwrapped else self.net
        self.update = partial(inspect.unwrap(type(adam).step), adam) if self.unwrapped else self.optimizer.step

    def losses(self, batch: Batch, number: int, progress: float = 1.0) -> Losses:
        """The losses of a batch with the noise of step `number`."""
        device = self.fabric.device
        sample = batch.sample.each(lambda tensor: tensor.to(device, non_blocking=True)).in_units()
        noise = Noise(self.options["seed"], number, batch.total, batch.rows, device)
        return self.call(sample, Context(noise, progress))

    def gradient(self, batch: Batch, number: int, progress: float) -> Gradient:
        """Add up the gradient of a global batch; return the losses of its micro-batches and its sums.

        Out of memory, it is repeated with half as many items at once. The result is the same except for rounding,
        because no layer depends on more than one item and all noise is drawn for the global batch.
        """
        while True:
            try:
                return self._passes(batch, number, progress)
            except (RuntimeError, MemoryError) as error:
                size = min(self.micro, batch.rows.stop - batch.rows.start)
                if size == 1 or self.fabric.world_size > 1 or not out_of_memory(error):
                    raise
            # Not in the except clause, where the error would keep the tensors that filled the memory alive.
            self.forget()
            self.micro = math.ceil(size / 2)
            self.notify(f"out of memory with {size} items at once: {self.micro} from now on, with the same result")

    def _passes(self, batch: Batch, number: int, progress: float) -> Gradient:
        lost: list[tuple[Losses, int]] = []
        sums: dict[str, Tensor] = {}
        parts, shared = list(batch.split(self.micro)), self.fabric.world_size > 1
        for count, part in enumerate(parts, 1):
            with self.fabric.no_backward_sync(self.net, enabled=count < len(parts)) if shared else nullcontext():
                losses = self.losses(part, number, progress)
                # Fabric takes the mean over the ranks of the gradients of their shares.
                weight = part.counted / part.total * self.fabric.world_size
                loss = losses.total if weight == 1 else losses.total * weight
                loss.backward() if self.unwrapped else self.fabric.backward(loss)
            for name, value in losses.sums.items():
                value = value if part.counted else torch.zeros_like(value)
                sums[name] = sums[name] + value if name in sums else value
            lost.append((losses.detached(), part.counted))
        return lost, {name: all_reduce(value, self.fabric) for name, value in sums.items()}

    def apply(self, number: int, rate: float, sums: dict[str, Tensor]) -> None:
        """Update the weights with the gradient that has been added up."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        if self.options["clip"] is not None:
            # A norm that is not finite is reported as a loss; half precision skips such a step by itself.
            bound: dict[str, Any] = {"max_norm": self.options["clip"], "error_if_nonfinite": False}
            self.fabric.clip_gradients(self.net, self.optimizer, **bound)
        with torch.no_grad():
            self.update()
        self.forget()
        if self.after_step is not None:
            self.after_step(sums)
        if self.average.decay is not None:
            self.average.update(number)

    def validate(self, data: Data) -> dict[str, float]:
        """Mean losses of the validation split by their names in the history, with the weights that would be kept.

        The noise is always the same.
        """
        meters, rows = Meters(), torch.arange(len(data))
        with torch.no_grad(), self.average.in_use():
            self.module.eval()
            for number, batch in enumerate(batches(data, rows, self.options["batch_size"], self.fabric)):
                for part in batch.split(self.micro):
                    meters.add(self.losses(part, VALIDATION + number), part.counted)
            self.module.train()
        meters.all_reduce(self.fabric)
        return {f"validation_{name}": value for name, value in meters.means().items()}

    def forget(self) -> None:
        """Drop the gradient; torch's own zero_grad takes twenty times as long, which a small net notices."""
        for weight in self.weights:
            weight.grad = None


def out_of_memory(error: BaseException) -> bool:
    """Whether this is an out-of-memory error of torch or Python."""
    return isinstance(error, MemoryError) or any(words in str(error) for words in NO_MEMORY)
