"""Every corruption with every recipe that takes one: it learns, or is refused by name before any training."""

from __future__ import annotations

import math

import pytest
import torch

from isthmus import create
from isthmus.corruptions import CORRUPTIONS
from isthmus.errors import BadInput
from isthmus.recipes import RECIPES
from isthmus.types import Context, Noise, Sample

JOINED = ("masking:0.3+gaussian:0.1", "camera,camera+jpeg:40-95", "gaussian:0.1+holes", "gaussian:0.1+neighbors")
TEXTS = (*CORRUPTIONS, *JOINED)
SHAPES = {"table": (7,), "gray": (1, 8, 12), "color": (3, 8, 12), "five channels": (5, 8, 12)}
KEYS = {"denoise": {"channels": (4, 6)}, "detect": {"kind": "denoising", "code": 3}}
WITH_CORRUPTION = [name for name, recipe in RECIPES.items() if "corruption" in recipe.keys]
ANYTHING = {
    "gaussian",
    "poisson",
    "poisson-gaussian",
    "salt-and-pepper",
    "speckle",
    "masking",
    "clipped",
    JOINED[0],
}
NEVER = {"holes", "shrink", "gaussian:0.1+holes"}


def works(recipe: str, text: str, items: str) -> bool:
    """Whether the pair has a meaning: noise is for anything, a few corruptions are for gray and color alone."""
    if items != "table" and text in NEVER:
        return False
    resizes = text.endswith("neighbors") and recipe != "denoise"
    return text in ANYTHING or (items in ("gray", "color") and not resizes)


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("recipe", WITH_CORRUPTION)
@pytest.mark.parametrize("items", SHAPES)
def test_each_pair_learns_or_is_refused_by_name(recipe: str, items: str) -> None:
    shape = SHAPES[items]
    if items == "table" and "table" not in RECIPES[recipe].inputs:
        pytest.skip("this recipe takes pictures")
    x = torch.rand(4, *shape, generator=torch.Generator().manual_seed(0))
    for text in TEXTS:
        keys = {"corruption": text} | KEYS.get(recipe, {"code": 3})
        if not works(recipe, text, items):
            with pytest.raises(BadInput) as refused:
                create(recipe, shape=shape, **keys)
            assert f"corruption={text}: " in str(refused.value)
            continue
        losses = create(recipe, shape=shape, **keys).train()(Sample.of(x), Context(Noise(0, 0, 4)))
        losses.total.backward()
        assert math.isfinite(losses.total.item()), f"{recipe} of {items} with {text}"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("holes", "appends a mask, for the recipe inpaint alone"),
        ("shrink:3", "makes images smaller, for the recipe upscale alone"),
        ("neighbors", "turns 3×8×12 into 3×4×6; the recipe denoise accepts any size"),
    ],
)
def test_the_refusal_names_the_recipe_that_fits(text: str, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        create("denoising", shape=(3, 8, 12), corruption=text)
