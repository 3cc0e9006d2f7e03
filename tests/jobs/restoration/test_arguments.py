"""Arguments from Python that a command line would not let through, and arrays whose axes are ambiguous."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import isthmus
from isthmus.errors import BadInput, Note

NOISY = np.random.default_rng(0).normal(128, 30, (40, 48)).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("strength", [float("nan"), float("inf"), -0.1])
def test_a_strength_that_is_no_factor_is_refused(strength: float) -> None:
    with pytest.raises(BadInput, match="strength"):
        isthmus.denoise(NOISY, strength=strength)


def test_two_gray_images_are_not_read_as_one_with_alpha() -> None:
    with pytest.raises(BadInput, match="two gray images are 2×1×H×W"):
        isthmus.denoise(np.stack([NOISY, NOISY]))
    assert isthmus.denoise(np.stack([NOISY, NOISY])[:, None]).shape == (2, 1, 40, 48)


@pytest.mark.filterwarnings("ignore")
def test_four_planes_are_one_image_with_alpha_and_a_note_says_so() -> None:
    with pytest.warns(Note, match="one color image with alpha; four gray images are 4×1×H×W"):
        assert isthmus.denoise(np.stack([NOISY] * 4)).shape == (4, 40, 48)


@pytest.mark.filterwarnings("ignore")
def test_resume_says_that_older_results_are_kept(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a.png", "b.png"):
        Image.fromarray(NOISY).save(tmp_path / "in" / name)
    isthmus.denoise(tmp_path / "in", out=tmp_path / "out")
    with pytest.warns(Note, match="2 of 2 results existed and are kept"):
        isthmus.denoise(tmp_path / "in", out=tmp_path / "out", strength=0.5, resume=True)
    with pytest.warns(Note, match="1 of 1 results existed and are kept"):
        isthmus.denoise(tmp_path / "in" / "a.png", out=tmp_path / "out" / "a.png", strength=0.5, resume=True)
