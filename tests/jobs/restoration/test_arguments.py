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


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("count", [2, 5])
def test_planes_are_gray_images_in_python_and_in_a_file(count: int, tmp_path: Path) -> None:
    planes = np.stack([np.roll(NOISY, k, 0) for k in range(count)])
    np.save(tmp_path / "x.npy", planes)
    isthmus.denoise(tmp_path / "x.npy", out=tmp_path / "y.npy", model="denoise-gray")
    found = isthmus.denoise(planes, model="denoise-gray")
    assert found.shape == planes.shape
    assert np.array_equal(found, np.load(tmp_path / "y.npy"))
    assert all(np.array_equal(found[k], isthmus.denoise(planes[k], model="denoise-gray")) for k in range(count))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "shape", [(40, 48, 1), (1, 40, 48), (2, 40, 48, 3), (2, 3, 40, 48), (40, 48, 2), (2, 2, 40, 48)]
)
def test_a_result_has_the_axes_of_its_array_and_a_file_of_it_means_the_same(
    shape: tuple[int, ...], tmp_path: Path
) -> None:
    array = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    found = isthmus.denoise(array, model="denoise-gray")
    assert (found.shape, found.dtype) == (shape, array.dtype)
    np.save(tmp_path / "x.npy", array)
    if shape[-1] == 2 or shape[1] == 2:  # a data set holds no gray with alpha
        with pytest.raises(BadInput, match="not images"):
            isthmus.denoise(tmp_path / "x.npy", model="denoise-gray")
    else:
        assert np.array_equal(isthmus.denoise(tmp_path / "x.npy", model="denoise-gray"), found)


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
