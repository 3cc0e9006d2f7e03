"""The capabilities of a model, as its parts declare them, and those of any module that is trained.

They are read in one place, so that nothing else probes for them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from isthmus.types import Shape


@dataclass(frozen=True)
class Spec:
    """The declarations of a model's parts; a module from elsewhere that declares nothing has the defaults below.

    any_size: images of any height and width go in. stride: a tile of an image must begin at a multiple of it to be seen
    as the whole image is. reach: pixels of the input to each side on which one pixel of the output depends; None where
    a layer takes statistics over positions, or nothing is declared. scale: how many times as large the output is.
    mask_channels: channels of the network's input beside those of the image, which hold a mask. predicts_mask: the last
    channel of the output is a mask. clean_target: the target of the training is the image as it should be.
    compresses: the code is meant to be smaller than the item. discrete: the code is a grid of symbols, each one of
    `codes`. discontinuous: a small change of the input may make a large one of the code (rounding, selection). prior:
    "normal" where the penalty pulls codes to N(0, I), else None. active_above: the value above which a unit counts as
    active, where units can be silent. max_active: the most units that are active for one item, where that is limited.
    code_shape: of one code, where the bottleneck knows it. likelihood: the objective is a negative log-likelihood, so
    the loss of a variational model is an ELBO. cross_entropy: it is that of a Bernoulli variable. binarizes: the values
    of an item are probabilities, from which black and white ones are drawn at every use. fitted_start: the
    model is of use before the first step, because start() fits a linear path. outputs: channels of the output, such as
    a probability for each class; None for those of the image.
    """

    any_size: bool = True
    stride: int = 1
    reach: int | None = None
    scale: int = 1
    mask_channels: int = 0
    predicts_mask: bool = False
    clean_target: bool = True
    compresses: bool = True
    discrete: bool = False
    codes: int | None = None
    prior: str | None = None
    discontinuous: bool = False
    active_above: float | None = None
    max_active: int | None = None
    code_shape: Shape | None = None
    likelihood: bool = False
    cross_entropy: bool = False
    binarizes: bool = False
    fitted_start: bool = False
    outputs: int | None = None

    @classmethod
    def of(
        cls,
        encoder: nn.Module,
        bottleneck: nn.Module,
        decoder: nn.Module,
        objective: Any,
        corruption: nn.Module | None,
        features: nn.Module | None = None,
        augment: nn.Module | None = None,
    ) -> Spec:
        reaches = [
            _declared(encoder, "reach", None),
            _declared(decoder, "reach", None),
            _declared(corruption, "reach", 0),
        ]
        return cls(
            any_size=features is None
            and _declared(encoder, "any_size", True)
            and _declared(bottleneck, "any_size", True),
            stride=math.lcm(_declared(encoder, "stride", 1), _declared(corruption, "stride", 1)),
            reach=None if None in reaches else sum(reaches),
            scale=_declared(corruption, "scale", 1),
            mask_channels=_declared(corruption, "extra", 0),
            predicts_mask=_declared(decoder, "predicts_mask", False),
            clean_target=_declared(corruption, "clean", True),
            compresses=_declared(bottleneck, "compresses", True),
            discrete=_declared(bottleneck, "discrete", False),
            codes=_declared(bottleneck, "codes", None),
            prior=_declared(bottleneck, "prior", None),
            discontinuous=_declared(bottleneck, "discontinuous", False),
            active_above=_declared(bottleneck, "active_above", None),
            max_active=_declared(bottleneck, "k", None),
            code_shape=_declared(bottleneck, "code_shape", None),
            likelihood=_declared(objective, "likelihood", False),
            cross_entropy=_declared(objective, "cross_entropy", False),
            binarizes=_declared(augment, "binarizes", False),
            fitted_start=_declared(encoder, "fitted_start", False),
            outputs=_declared(objective, "outputs", None),
        )


@dataclass(frozen=True)
class Hooks:
    """The attributes of a module that the training uses, besides forward(sample, ctx) -> Losses; each may be absent.

    about: facts and defaults of the training. shape: of an item. of_features: errors are of features of an item, not of
    its pixels. parts: fitted after training, by name. start(samples):
    before the first step. corrupted(sample, ctx): the network input, prepared ahead of a step. after_step(sums): with
    sums over the global batch. trouble(row, progress): see Bottleneck. follows_progress: names of the
    modules that depend on ctx.progress.
    """

    about: Mapping[str, Any]
    shape: Shape | None
    of_features: bool
    parts: Mapping[str, Any]
    start: Callable[[Any], None] | None
    corrupted: Callable[[Any, Any], Any] | None
    after_step: Callable[[Any], None] | None
    trouble: Callable[[Mapping[str, Any], float], str] | None
    follows_progress: list[str]

    @classmethod
    def of(cls, module: nn.Module) -> Hooks:
        shape = _declared(module, "shape", None)
        return cls(
            about=_declared(module, "about", {}),
            shape=shape if isinstance(shape, tuple) else None,
            of_features=_declared(module, "features", None) is not None,
            parts=_declared(module, "parts", {}),
            start=_declared(module, "start", None),
            corrupted=_declared(module, "corrupted", None),
            after_step=_declared(module, "after_step", None),
            trouble=_declared(module, "trouble", None),
            follows_progress=[
                type(part).__name__ for part in module.modules() if _declared(part, "follows_progress", False)
            ],
        )


def _declared(part: Any, name: str, default: Any) -> Any:
    return getattr(part, name, default)
