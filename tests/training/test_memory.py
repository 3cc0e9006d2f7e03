"""Out of memory, a batch is passed in parts, with the same result. Nor need a data set fit into memory."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits
from torch import Tensor

from isthmus import create, fit
from isthmus.autoencoder import Autoencoder
from isthmus.recipes import RECIPES
from isthmus.training import Run
from isthmus.training.step import out_of_memory
from isthmus.types import Context, Losses, Sample

KINDS: dict[str, dict[str, Any]] = {
    "undercomplete": {"code": 5, "corruption": "gaussian:0.2"},
    "linear": {"code": 5},
    "deep": {"code": 5, "widths": (20,)},
    "conv": {"code": "2x2x2", "channels": (4, 8)},
    "denoising": {"code": 6, "widths": (20,)},
    "sparse": {"code": 12},
    "contractive": {"code": 6, "widths": (10,)},
    "variational": {"code": 4, "widths": (20,)},
    "quantized": {"codes": 16, "dim": 3, "channels": (4, 8)},
    "kl": {"name": "sparse", "code": 12, "kind": "kl"},
    "topk": {"name": "sparse", "code": 12, "kind": "topk", "k": 3},
    "closed": {"name": "contractive", "code": 6},
    "fsq": {"name": "quantized", "quantizer": "fsq", "levels": (4, 4), "channels": (4, 8)},
    "denoise": {"channels": (4, 6), "fold": 1, "crop": 6},
    "inpaint": {"channels": (4, 6), "fold": 1, "crop": 6},
    "unwatermark": {"channels": (4, 6), "fold": 1, "crop": 6},
    "upscale": {"width": 4, "blocks": 1, "crop": 3},
    "detect": {"code": 5, "widths": (20,)},
    "segment": {"channels": (4, 6), "fold": 1},
    "generate": {"code": 5, "channels": (4, 8)},
    "adversarial": {"name": "generate", "kind": "kl", "channels": (4, 8), "adversarial": 0.2},
}
HOW = {"epochs": 2, "batch_size": 16, "device": "cpu", "patience": None, "validation": 0.1, "test": 0.0}
MESSAGES = {
    "cuda": torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    "cpu": RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory: you tried"),
    "windows": RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 137438953472 bytes."),
    "python": MemoryError(),
}


@pytest.fixture(scope="module")
def digits() -> np.ndarray:
    """50 digits 1×8×8, of which 45 are learned from: two batches of 16 and one of 13."""
    return (load_digits(return_X_y=True)[0][:50].reshape(-1, 1, 8, 8) / 16).astype(np.float32)


def model(kind: str = "undercomplete") -> Autoencoder:
    return create(**{"name": kind, "shape": (1, 8, 8), **KINDS[kind]})


def narrow(module: Autoencoder, room: int, error: BaseException = MESSAGES["cuda"]) -> list[int]:
    """Let `module` raise `error` for more than `room` items at once while it learns; return the sizes it was given."""
    own, sizes = module.forward, []

    def forward(sample: Sample, ctx: Context) -> Losses:
        if module.training:
            sizes.append(len(sample.x))
            if len(sample.x) > room:
                raise error
        return own(sample, ctx)

    module.forward = forward  # type: ignore[method-assign]
    return sizes


def numbers(run: Run) -> list[dict[str, float]]:
    return [{key: value for key, value in row.items() if key != "seconds"} for row in run.history]


def far(a: Run, b: Run) -> float:
    """The largest difference between any two weights, buffers or figures of two runs, the last relative."""
    weights: list[tuple[Tensor, Tensor]] = list(zip(*(run.model.state_dict().values() for run in (a, b)), strict=True))
    figures = [(x[name], y[name]) for x, y in zip(numbers(a), numbers(b), strict=True) for name in x]
    apart = [abs(x - y) / (abs(x) + 1e-6) for x, y in figures]
    return max(*(float((x - y).abs().max()) for x, y in weights), *apart)


def test_every_recipe_is_tried_here() -> None:
    assert {kind.get("name", name) for name, kind in KINDS.items()} == set(RECIPES)


@pytest.mark.parametrize("kind", KINDS)
def test_micro_batches_equal_the_full_batch(kind: str, digits: np.ndarray) -> None:
    whole = fit(model(kind), digits, quiet=True, **HOW)
    parted = model(kind)
    sizes = narrow(parted, 16)
    assert far(fit(parted, digits, quiet=True, micro_batch=3, **HOW), whole) < 1e-5
    assert sizes == [3, 3, 3, 3, 3, 1, 3, 3, 3, 3, 3, 1, 3, 3, 3, 3, 1] * 2
    assert whole.history[0]["loss"] != whole.history[1]["loss"]


@pytest.mark.parametrize("message", MESSAGES)
def test_without_memory_a_batch_is_halved_until_it_fits(
    message: str, digits: np.ndarray, capfd: pytest.CaptureFixture[str]
) -> None:
    whole = fit(model(), digits, quiet=True, **HOW)
    module = model()
    sizes = narrow(module, 5, MESSAGES[message])
    run = fit(module, digits, **HOW)
    assert sizes[:7] == [16, 8, 4, 4, 4, 4, 4]
    assert max(sizes[2:]) == 4  # found once, kept for good
    told = [line for line in capfd.readouterr().err.splitlines() if "memory" in line]
    assert told == [
        "out of memory with 16 items at once: 8 from now on, with the same result",
        "out of memory with 8 items at once: 4 from now on, with the same result",
    ]
    assert far(run, whole) < 1e-5


@pytest.mark.parametrize("kind", ["quantized", "kl"])
def test_bottleneck_sums_count_once_when_a_batch_is_repeated(kind: str, digits: np.ndarray) -> None:
    """The memory ends at the second of two micro-batches, when the first has left its sums and its gradient."""
    whole = fit(model(kind), digits, quiet=True, **HOW)
    module, passed = model(kind), []
    own, after, heard = module.forward, module.after_step, []

    def forward(sample: Sample, ctx: Context) -> Losses:
        passed.append(len(sample.x))
        if module.training and len(passed) == 2:
            raise MESSAGES["cuda"]
        return own(sample, ctx)

    def after_step(sums: dict[str, Tensor]) -> None:
        heard.append({name: float(value.sum()) for name, value in sums.items()})
        after(sums)

    module.forward, module.after_step = forward, after_step  # type: ignore[method-assign]
    run = fit(module, digits, quiet=True, micro_batch=8, **HOW)
    assert passed[:6] == [8, 8, 4, 4, 4, 4]
    counted = "counts" if kind == "quantized" else "items"
    each = 4 if kind == "quantized" else 1  # symbols an item
    assert [sums[counted] for sums in heard] == [16 * each, 16 * each, 13 * each] * 2
    assert far(run, whole) < 1e-5


def test_memory_that_does_not_suffice_for_one_item_is_an_error(digits: np.ndarray, tmp_path: Path) -> None:
    module = model()
    sizes = narrow(module, 0)
    with pytest.raises(torch.OutOfMemoryError):
        fit(module, digits, quiet=True, out=tmp_path / "run", **HOW)
    assert sizes == [16, 8, 4, 2, 1]
    assert not (tmp_path / "run").exists()


def test_another_error_is_not_taken_for_a_lack_of_memory(digits: np.ndarray) -> None:
    module = model()
    sizes = narrow(module, 4, RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    with pytest.raises(RuntimeError, match="cannot be multiplied"):
        fit(module, digits, quiet=True, **HOW)
    assert sizes == [16]
    assert not out_of_memory(ValueError("the memory of 1990"))


def stopped_at(step: int, module: Autoencoder, how: Callable[[], None]) -> Autoencoder:
    own, steps = module.after_step, []

    def after_step(sums: dict[str, Tensor]) -> None:
        own(sums)
        steps.append(1)
        if len(steps) == step:
            how()

    module.after_step = after_step  # type: ignore[method-assign]
    return module


def press_ctrl_c() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_a_resumed_run_keeps_its_micro_batch_and_equals_to_the_bit(digits: np.ndarray, tmp_path: Path) -> None:
    how = {**HOW, "quiet": True}
    undisturbed, halted, resumed = model("quantized"), model("quantized"), model("quantized")
    narrow(undisturbed, 5)
    whole = fit(undisturbed, digits, **how)
    narrow(halted, 5)
    with pytest.raises(KeyboardInterrupt):
        fit(stopped_at(4, halted, press_ctrl_c), digits, out=tmp_path / "run", **how)
    sizes = narrow(resumed, 16)  # with room enough again: what was found before counts
    run = fit(resumed, digits, out=tmp_path / "run", resume=True, **how)
    assert max(sizes) == 4
    assert numbers(run) == numbers(whole)
    assert all(torch.equal(a, b) for a, b in zip(*(r.model.state_dict().values() for r in (run, whole)), strict=True))


def test_resume_accepts_a_smaller_micro_batch(digits: np.ndarray, tmp_path: Path) -> None:
    whole = fit(model(), digits, quiet=True, **HOW)
    with pytest.raises(KeyboardInterrupt):
        fit(stopped_at(2, model(), press_ctrl_c), digits, quiet=True, out=tmp_path / "run", **HOW)
    module = model()
    sizes = narrow(module, 16)
    run = fit(module, digits, quiet=True, out=tmp_path / "run", resume=True, micro_batch=5, **HOW)
    assert max(sizes) == 5
    assert far(run, whole) < 1e-5


# -- a set that is larger than memory --

DRIVER = """
import sys
import numpy as np
from torch import nn
import isthmus
from isthmus.types import Losses
from isthmus.data import base

class Tiny(nn.Module):
    def __init__(self):
        super().__init__()
        self.code = nn.Conv2d(3, 4, 16, stride=16)

    def forward(self, sample, ctx):
        return Losses({"reconstruction": self.code(sample.x).square().flatten(1).sum(1)})

def most():
    status = open("/proc/self/status").read()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024

base.MEMORY_BUDGET = 2**24
how = {"batch_size": 4, "device": "cpu", "quiet": True, "validation": 0.0, "test": 0.0}
isthmus.fit(Tiny(), np.zeros((4, 3, 128, 128), np.uint8), epochs=100, **how)
before = most()
run = isthmus.fit(Tiny(), sys.argv[1], epochs=100 * 4 / 8000, **how)
print(run.data.in_memory, run.data.nbytes, most() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="it is Linux that says how much memory it was at most")
def test_a_folder_over_the_memory_budget_takes_little_memory(tmp_path: Path) -> None:
    """8,000 pictures, 0.4 GB decoded, in less than 60 MB more than the same training on four of them."""
    (tmp_path / "photos").mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(pixels).resize((128, 128)).save(tmp_path / "one.jpg")
    for number in range(8000):
        os.link(tmp_path / "one.jpg", tmp_path / "photos" / f"{number}.jpg")
    given = {
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
        "ISTHMUS_CACHE": str(tmp_path),
        "ISTHMUS_CACHE_GB": "0",
    }
    command = [sys.executable, "-W", "ignore", "-c", DRIVER, str(tmp_path / "photos")]
    done = subprocess.run(command, env=os.environ | given, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    held, size, more = done.stdout.split()
    assert held == "False"
    assert int(size) == 8000 * 3 * 128 * 128
    assert int(more) < 60e6
