"""No key of a recipe is accepted and ignored: another value changes the model, its training, or is refused."""

from __future__ import annotations

import warnings
from dataclasses import asdict, fields
from typing import Any

import pytest

from isthmus import Autoencoder, create
from isthmus.errors import BadInput, Note
from isthmus.jobs.anomaly.feature_models import FEATURE_KINDS
from isthmus.jobs.anomaly.recipes import CODED_KINDS, UNETS
from isthmus.jobs.anomaly.settings import Settings
from isthmus.jobs.generation.recipes import KINDS as GENERATE_KINDS
from isthmus.networks import ConvEncoder
from isthmus.recipes import RECIPES, in_words
from isthmus.registry import config_of

LARGE, SMALL, ROWS = (3, 24, 24), (1, 12, 12), (12,)
KINDS: dict[str, tuple[dict[str, Any], ...]] = {
    "sparse": tuple({"kind": kind} for kind in ("l1", "kl", "topk")),
    "quantized": ({"quantizer": "vq"}, {"quantizer": "fsq"}, {"code": "16x3x3"}, {"code": "3x3x3", "quantizer": "fsq"}),
    "detect": (
        {},
        *({"kind": kind} for kind in (*CODED_KINDS, *UNETS)),
        {"score": "error"},
        {"score": "mahalanobis"},
        {"pool": "mean"},
        {"bad": "defects"},
        *({"kind": kind, "features": ConvEncoder(LARGE, (8,))} for kind in FEATURE_KINDS),
    ),
    "inpaint": ({}, {"kinds": "text"}),
    "denoise": ({}, {"corruption": "jpeg:10-90"}),
    "deep": ({}, {"activation": "none"}),
    "undercomplete": ({}, {"activation": "none"}),
    "generate": ({}, *({"kind": kind} for kind in GENERATE_KINDS), {"kind": "kl", "perceptual": 0.5}),
    "segment": tuple({"loss": loss} for loss in ("ce+dice", "dice", "focal")),
}
# Values to try of keys that their default alone does not suggest; one of them has to have an effect or be refused.
OTHERS: dict[str, tuple[Any, ...]] = {
    "code": (7, "2x3x3"),
    "kind": (),  # every kind is a situation of its own
    "features": (ConvEncoder(LARGE, (4,)),),
    "quantizer": (),
    "loss": ("l1", "mse"),
    "net": ("dense", "conv"),
    "widths": ((9, 8),),
    "channels": ((8, 12), (8,)),
    "blocks": ((2,), 2),
    "levels": ((4, 4, 4),),
    "corruption": ("gaussian:0.45",),
    "augment": ("affine", "zoom"),
    "linear": ("yes", "no"),
    "activation": ("tanh", "relu"),
    "norm": (True, False),
    "score": ("error", "mahalanobis", "marks"),
    "pool": ("max", "mean"),
    "relative": (True, False),
    "cells": ((4,),),
    "roi": ("looked-at.png",),
    "good": ("others",),
    "bad": ("other-defects",),
    "overlay": ("/nowhere",),
    "kinds": ("lines",),
    "share": ("0.4", 0.3),
    "smooth": (1.7,),
    "sigma": ("25",),
    "opacity": ("0.5",),
    "down": ("pool",),
    "up": ("transpose",),
    "weight": (0.37,),
    "beta": (0.37,),
    "perceptual": (0.37,),
    "adversarial": (0.37,),
    "prior": ("normal", "transformer"),
    "crop": (4,),
    "scale": (3,),
    "class_weights": ("1,2",),
    "background": ("none",),
    "instances": ("yes",),
    "ignore": ("7",),
    "colors": ("labelmap.txt",),
    "normalize": ("image",),
    "touching": (10.0,),
}
READ_LATER = (
    "roi",
    "good",
    "bad",
    "ignore",
    "colors",
    "normalize",
    "touching",
    "soft",
    "prior",
)  # by the training of a job, from its options


def other_values(key: str, default: Any) -> tuple[Any, ...]:
    if key in OTHERS:
        return OTHERS[key]
    assert isinstance(default, (bool, int, float)), f"{key}: a value to try is missing in OTHERS"
    return (
        (not default,) if isinstance(default, bool) else (default + 1,) if isinstance(default, int) else (default / 2,)
    )


def effect(model: Autoencoder) -> Any:
    """All that a training and a use of the model depend on."""
    about: dict[str, Any] = dict(model.about)
    options = about["options"]
    settings = None
    if about["recipe"] == "detect":
        settings = asdict(
            Settings.of(model, **{one.name: options[one.name] for one in fields(Settings) if one.name in options})
        )
    return config_of(model), about["training"], {key: options.get(key) for key in READ_LATER}, settings


def make(recipe: str, shape: tuple[int, ...], **keys: Any) -> Any:
    """What a model depends on; None where something is said about the keys."""
    with warnings.catch_warnings(record=True) as notes:
        warnings.simplefilter("always")
        try:
            model = create(recipe, shape=shape, **keys)
        except BadInput:
            return None
    return None if any(issubclass(note.category, Note) for note in notes) else effect(model)


def situations() -> list[Any]:
    found = []
    for name, recipe in RECIPES.items():
        if not recipe.make.__module__.startswith("isthmus."):
            continue
        shapes = [LARGE, SMALL, *([ROWS] if "table" in recipe.inputs else [])]
        nets: list[dict[str, Any]] = [{}, {"net": "dense"}, {"net": "conv"}] if "net" in recipe.keys else [{}]
        for shape in shapes:
            for kind in KINDS.get(name, ({},)):
                for net in nets if kind in ({}, {"kind": "kl"}, {"kind": "denoising"}) else ({},):
                    title = " ".join([name, "x".join(map(str, shape)), *map(str, map(in_words, (kind | net).values()))])
                    found.append(pytest.param(name, shape, kind | net, id=title))
    return found


@pytest.mark.parametrize(("name", "shape", "situation"), situations())
def test_no_key_is_accepted_and_ignored(name: str, shape: tuple[int, ...], situation: dict[str, Any]) -> None:
    before = make(name, shape, **situation)
    if before is None:
        return  # the situation itself is refused
    idle = []
    for key, (default, _) in RECIPES[name].keys.items():
        values = [] if key in situation else other_values(key, default)
        if values and all(make(name, shape, **situation, **{key: value}) == before for value in values):
            idle.append(key)
    assert idle == []


@pytest.mark.parametrize(
    ("recipe", "shape", "keys", "says"),
    [
        ("sparse", LARGE, {"kind": "l1", "rate": 0.1}, "rate=0.1: has no effect with kind=l1, only with kind=kl"),
        ("sparse", LARGE, {"kind": "topk", "weight": 2.0}, "weight=2.0: has no effect with kind=topk"),
        ("sparse", LARGE, {"widths": "64"}, "widths=64: has no effect with net=conv, only with net=dense"),
        ("quantized", LARGE, {"quantizer": "fsq", "codes": 64}, "codes=64: has no effect with quantizer=fsq"),
        ("quantized", LARGE, {"code": "16x6x6", "dim": 8}, "the code sets 16 already"),
        ("detect", LARGE, {"kind": "repairing", "corruption": "gaussian:0.2"}, "with kind=repairing, only with kind=d"),
        ("detect", LARGE, {"kind": "inpainting", "net": "conv"}, "net=conv: has no effect with kind=inpainting"),
        ("detect", SMALL, {"k": 3, "score": "error"}, "k=3: has no effect with score=error, only with score=knn"),
        ("detect", SMALL, {"bad": "defects", "false_alarms": 0.1}, "which sets the threshold"),
        ("inpaint", LARGE, {"kinds": "text", "share": "0.5"}, "only with kinds=pixels among them"),
        ("denoise", LARGE, {"code": 7}, "its network has no code; none is accepted"),
        ("variational", ROWS, {"net": "conv"}, "are rows; dense is accepted"),
        ("deep", ROWS, {"augment": "affine"}, "are rows; none is accepted"),
    ],
)
def test_a_key_without_effect_is_refused_in_one_line(
    recipe: str, shape: tuple[int, ...], keys: dict[str, Any], says: str
) -> None:
    with pytest.raises(BadInput, match=says) as error:
        create(recipe, shape=shape, **keys)
    assert "\n" not in str(error.value)


def test_a_value_that_is_the_default_is_never_refused() -> None:
    create("sparse", shape=LARGE, kind="l1", rate=0.05, k=25, widths="")
    create("detect", shape=LARGE, kind="undercomplete", corruption="gaussian:0.1", widths=[512, 256])
