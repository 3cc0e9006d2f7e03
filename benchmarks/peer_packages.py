"""Packages of other libraries that `make bench-peers` puts into .peers, beside those of this environment."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

import torch

PEERS = Path(__file__).parents[1] / ".peers"


def has(folder: str, package: str) -> bool:
    return (PEERS / folder / package).is_dir()


def use(folder: str) -> None:
    """Let the packages of .peers/FOLDER be imported, after those of this environment."""
    if str(PEERS / folder) not in sys.path:
        sys.path.append(str(PEERS / folder))
    declare_operators()


@cache
def declare_operators() -> torch.library.Library:
    """Declare torchvision's compiled operators, whose library needs CUDA's; none is part of a network in benchmarks."""
    operators = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("roi_align", "ps_roi_align", "roi_pool", "ps_roi_pool", "deform_conv2d"):
        for operator in (name, f"_{name}_backward"):
            operators.define(f"{operator}(Tensor x) -> Tensor")
    for name in ("nms", "qnms"):
        operators.define(f"{name}(Tensor x) -> Tensor")
    return operators
