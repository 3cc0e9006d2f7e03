"""Which models a verb takes: see also the contract of the recipes, where each verb refuses the runs of other jobs."""

from __future__ import annotations

import numpy as np
import pytest

import isthmus
from isthmus.errors import BadInput

GRAY = np.zeros((16, 16), np.uint8)


def test_a_model_without_a_path_is_refused_like_a_run() -> None:
    with pytest.raises(BadInput, match=r"^this model: is a run of conv; isthmus reconstruct uses it$"):
        isthmus.denoise(GRAY, model=isthmus.create("conv", shape=(1, 16, 16)))
    with pytest.raises(BadInput, match=r"^this model: is a run of inpaint; isthmus inpaint uses it$"):
        isthmus.detect(isthmus.create("inpaint", shape=(1, 16, 16)), GRAY)


def test_a_network_without_a_recipe_is_not_refused() -> None:
    model = isthmus.create("conv", shape=(1, 16, 16))
    model.about = {}
    assert isthmus.denoise(GRAY, model=model).shape == (16, 16)
    with pytest.raises(BadInput, match=r"this model: has no .*: isthmus train detect makes a run with one"):
        isthmus.detect(model, GRAY)


def test_denoising_makes_runs_for_denoise_and_reconstruct() -> None:
    model = isthmus.create("denoising", shape=(1, 16, 16))
    assert isthmus.denoise(GRAY, model=model).shape == (16, 16)
    assert isthmus.reconstruct(model, GRAY[None]).shape == (1, 1, 16, 16)  # type: ignore[union-attr]
