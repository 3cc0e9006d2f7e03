"""The registry of recipes, and create(), which builds a model from a name and a shape."""

from __future__ import annotations

import inspect
import math
import os
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from numbers import Integral
from typing import Any

import torch
from torch import nn

from isthmus.autoencoder import Autoencoder
from isthmus.data.base import kind_of_item
from isthmus.errors import BadInput, Note, unknown
from isthmus.plugins import load_plugins
from isthmus.recipes.integers import numbers
from isthmus.types import Shape

RECIPES: dict[str, Recipe] = {}
SHARED = {  # meanings of keys of several recipes; the docstring of a recipe may give another one
    "net": "dense, conv, or auto (dense for tables and small gray images)",
    "loss": "bce, mse, gaussian, l1, categorical or ssim; by default bce for rows and small gray images, else mse",
    "augment": "zoom (random crop and flip), affine (small rotation and shift), binarize (0 or 1 drawn), none, or auto",
    "linear": "add a linear path initialized with PCA: yes, no, or auto (yes unless images are small)",
}
ALIASES = {"vae": "variational", "vqvae": "quantized", "contrastive": "contractive"}


@dataclass(frozen=True)
class Recipe:
    """A registered builder `make(shape, code, **keys)` with the inputs it accepts and its training defaults.

    job: the job of its runs. cut: side of the squares cut from images of mixed sizes; None where images are resized.
    whole: longest side of images that are kept uncropped; None where images may be cropped. only: keys that have an
    effect with certain values of another key alone: {"rate": ("kind", "kl")}.
    """

    name: str
    make: Callable[..., Autoencoder]
    inputs: tuple[str, ...]
    training: dict[str, Any] = field(default_factory=dict)
    job: str = "autoencoding"
    cut: int | None = None
    whole: int | None = None
    only: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def summary(self) -> str:
        return (inspect.getdoc(self.make) or "").splitlines()[0]

    @property
    def keys(self) -> dict[str, tuple[Any, str]]:
        """Every key of the model with its default and meaning."""
        meanings = dict(re.findall(r"^(\w+): (.+)$", inspect.getdoc(self.make) or "", re.MULTILINE))
        parameters = list(inspect.signature(self.make).parameters.values())[1:]
        return {p.name: (p.default, meanings.get(p.name, SHARED.get(p.name, ""))) for p in parameters}

    def has_effect(self, key: str, others: dict[str, Any]) -> bool:
        """Whether a key has an effect, given the values of other keys (or their defaults)."""
        other, *used_with = self.only.get(key, ("",))
        return not other or others.get(other, self.keys[other][0]) in used_with


Make = Callable[..., Autoencoder]


def recipe(
    *inputs: str,
    job: str = "autoencoding",
    cut: int | None = None,
    whole: int | None = None,
    only: dict[str, tuple[str, ...]] | None = None,
    **training: Any,
) -> Callable[[Make], Make]:
    """Decorator: register a function as a recipe, with its inputs, job, image preparation and training defaults.

    only: see Recipe. A function that resolves the other key itself (auto) records it in model.about["chosen"].
    """

    def register(make: Make) -> Make:
        own = RECIPES.get(make.__name__)
        if own is not None and own.make.__module__ != make.__module__:
            raise BadInput(f"recipe {make.__name__}: this name is taken by {own.make.__module__}")
        RECIPES[make.__name__] = Recipe(make.__name__, make, inputs, training, job, cut, whole, only or {})
        return make

    return register


def find(name: str) -> Recipe:
    """The recipe of that name or alias; raises BadInput with the nearest name for an unknown one."""
    name = ALIASES.get(name, name)
    if name not in RECIPES:
        load_plugins()
    if name not in RECIPES:
        raise unknown("recipe", name, [*RECIPES, *ALIASES])
    return RECIPES[name]


def create(
    name: str,
    *,
    shape: Sequence[int],
    code: int | str | Sequence[int] | None = None,
    seed: int = 0,
    **keys: Any,
) -> Autoencoder:
    """Create the model of a recipe, with weights initialized from `seed`.

    shape: of one item, (C, H, W) or (D,). code: 24, "4x7x7" or (4, 7, 7); None for the recipe's default.
    Raises BadInput for an unknown recipe or key (with the nearest name), an invalid code, or a key that has no effect
    with the values of the others.
    """
    found = find(name)
    shape = tuple(int(side) for side in shape)
    kind = {1: "table", 2: "series", 3: "picture"}.get(len(shape))
    if kind is None or (kind != "picture" and kind not in found.inputs):
        hint = "; arrays of pictures are N×H×W or N×C×H×W" if kind == "table" else ""
        raise BadInput(f"{found.name}: takes {', '.join(found.inputs)}, not {kind_of_item(shape)}{hint}")
    for key in keys:
        if key not in found.keys or key == "code":
            raise unknown(f"key for {found.name}", key, set(found.keys) - {"code"})
    keys = {key: converted(found.name, key, value, found.keys[key][0]) for key, value in keys.items()}
    default = found.keys["code"][0]
    size = parse_code(code) if code is not None else default and default_code(default, shape)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            model = found.make(shape, size, **keys)
        except TypeError as error:
            raise BadInput(f"{found.name}: {error}") from error
    refuse_without_effect(found, keys, model.about.get("chosen", {}))
    count, inputs = math.prod(model.code_shape), math.prod(shape)
    compresses = model.spec.compresses and not model.spec.discrete
    if count > inputs and compresses and model.features is None:  # the code is one of features, of which there are more
        warnings.warn(f"a code of {count} numbers for {inputs} inputs is no bottleneck any more", Note, stacklevel=2)
    options = {key: in_words(keys.get(key, default)) for key, (default, _) in found.keys.items()}
    options["code"] = list(model.code_shape)
    training = found.training | model.about.get("training", {})  # defaults of the recipe, then of this model
    model.about = {"recipe": found.name, "seed": seed, "options": options, "training": training}
    model.about["job"] = found.job
    if found.cut is not None:
        model.about["cut"] = True  # fit cuts images into squares of the model's size
    if found.whole is not None:
        model.about["whole"] = True  # fit keeps images uncropped
    return model


def refuse_without_effect(recipe: Recipe, keys: dict[str, Any], chosen: dict[str, str]) -> None:
    """Raise BadInput for a key that differs from its default and has no effect with the other keys.

    chosen: values that the recipe chose for keys that are auto.
    """
    for key, (other, *used_with) in recipe.only.items():
        default = recipe.keys[key][0]
        if key not in keys or keys[key] == default or (isinstance(default, tuple) and numbers(keys[key], 0) == default):
            continue
        if not recipe.has_effect(key, keys | chosen):
            actual = (keys | chosen).get(other, recipe.keys[other][0])
            raise BadInput(
                f"{recipe.name}: {key}={keys[key]}: has no effect with {other}={actual}, "
                f"only with {other}={', '.join(used_with)}"
            )


def default_code(code: Shape, shape: Shape) -> Shape:
    """The default code of a recipe, limited for rows to half the number of columns."""
    return (min(code[0], -(-shape[0] // 2)),) if len(code) == len(shape) == 1 else code


def converted(recipe: str, key: str, value: Any, default: Any) -> Any:
    """The value of a key, converted to the type of its default; raises BadInput for another type."""
    if value == "none" and default is None:
        return None
    if isinstance(value, nn.Module):
        return value
    value = in_words(value)
    kinds = {bool: (bool,), int: (int,), float: (int, float), str: (str,)}
    if type(default) is str and type(value) in (int, float):  # --set sigma=25 is parsed as a number
        return str(value)
    if type(default) is str and type(value) is bool:  # --set linear=yes is parsed as a bool
        return "yes" if value else "no"
    wanted = kinds.get(type(default))
    if wanted and (not isinstance(value, wanted) or (isinstance(value, bool) and type(default) is not bool)):
        kind = {bool: "yes or no", int: "a whole number", float: "a number", str: "a name"}[type(default)]
        raise BadInput(f"{recipe}: {key}={value}: {kind} is accepted, such as {default}")
    return value


def in_words(value: Any) -> Any:
    """The value of a key as it is recorded: a module by the name of its class, a path as text."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return type(value).__name__ if isinstance(value, nn.Module) else value


def parse_code(code: int | str | Sequence[int]) -> Shape:
    """24, "24", "4x7x7" or (4, 7, 7) -> a shape. Raises BadInput for anything else, and for numbers below 1."""
    try:
        one = isinstance(code, (Integral, str))
        parts: list[Any] = str(code).lower().replace("×", "x").split("x") if one else list(code)  # type: ignore[arg-type]
        size = tuple(int(part) for part in parts)
    except (TypeError, ValueError):
        raise BadInput(f"code {code!r}: a number such as 24, or a tensor such as 4x7x7 is accepted") from None
    if not size or min(size) < 1:
        raise BadInput(f"code {code!r}: must be 1 or more")
    return size
