"""The target of an evaluation: a ground truth, or the data before a synthetic corruption."""

from __future__ import annotations

from typing import Any

from isthmus.autoencoder import Autoencoder
from isthmus.corruptions import Corruption, white_noise
from isthmus.corruptions import corruption as parse_corruption
from isthmus.data import Data
from isthmus.data.base import Numbered
from isthmus.data.pairs import by_name
from isthmus.errors import BadInput
from isthmus.inference.inputs import name_of, open_for


def damage_for(model: Autoencoder, truth: Any, sigma: float | str | None, corruption: str | None) -> Corruption | None:
    """The corruption applied before the model: the requested one, else the run's own; None with a ground truth.

    Raises BadInput for more than one of the three options, for a corruption whose output the model does not accept,
    and without any for a run trained on degraded images, which are not clean.
    """
    own = model.corruption
    given = {"truth": truth, "sigma": sigma, "corruption": corruption}
    named = [name for name, value in given.items() if value is not None]
    if len(named) > 1:
        raise BadInput(f"{' and '.join(named)}: name one of them")
    takes = model.spec.mask_channels, model.spec.scale
    if truth is not None:
        if takes != (0, 1):
            verb = "inpaint --mask" if takes[0] else "upscale"
            raise BadInput(f"truth: this run takes {shown(*takes)}; compare it with isthmus {verb} --truth")
        return None
    if named:
        damage = white_noise(sigma) if sigma is not None else parse_corruption(str(corruption))
        if damage is not None and not damage.clean:
            raise BadInput(f"corruption={corruption}: is a self-supervised training method, not a degradation")
        leaves = (0, 1) if damage is None else (damage.extra, damage.scale)
        if leaves != takes:
            raise BadInput(f"{named[0]}={given[named[0]]}: leaves {shown(*leaves)}, but this run takes {shown(*takes)}")
        return damage
    if not model.spec.clean_target or "truth" in model.about.get("data", {}):
        raise BadInput(
            f"{model.path or 'this model'}: was trained on degraded images; --truth PATH compares with clean ones, "
            "and --set sigma=25 takes these images as clean and adds noise"
        )
    return own


def shown(extra: int, scale: int) -> str:
    """The input of a model, in words."""
    return ("an image and a mask" if extra else "an image") + (f" {scale} times smaller" if scale > 1 else "")


def truth_for(model: Autoencoder, data: Data, truth: Any, count: int) -> Data:
    """The items of `truth` in the order of `data`, matched by name.

    count: number of items of which `data` are a part; without names the counts must agree, and a single item may have
    any name. Raises BadInput if they do not agree, or a name is missing.
    """
    clean = open_for(model, truth)
    if count == len(clean) == 1:
        return clean
    if not isinstance(data.names, Numbered):
        return clean.subset(by_name(data, clean))
    if len(clean) != count:
        raise BadInput(f"{name_of(clean)}: {len(clean)} items, but {name_of(data)} has {count}; as many are accepted")
    return clean.subset([int(name) for name in data.names])
