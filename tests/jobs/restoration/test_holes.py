"""Inpainting: holes, masks, and color hidden by alpha."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers.restoration import RANDOM, StandIn, negative
from torch import Tensor

import isthmus
from isthmus.errors import BadInput, Note
from isthmus.jobs.restoration.apply_model import fill_hidden
from isthmus.jobs.restoration.masks import dilated
from isthmus.media.image_file import read_photo, write_photo
from isthmus.media.photo import Photo

# -- holes --


def test_pixels_outside_the_hole_are_equal_to_the_bit() -> None:
    for dtype in (np.uint8, np.uint16, np.float64):
        x = (RANDOM.uniform(0, 1, (40, 50, 3)) * (1 if dtype == np.float64 else np.iinfo(dtype).max)).astype(dtype)
        hole = RANDOM.uniform(0, 1, (40, 50)) < 0.3
        seen: list[Tensor] = []

        def net(x: Tensor, mask: Tensor, seen: list[Tensor] = seen) -> Tensor:
            seen.append(mask)
            return 1 - x

        found = isthmus.inpaint(x, hole, model=StandIn(net))
        assert torch.equal(seen[0][0, 0], torch.from_numpy(hole).float())
        assert np.array_equal(found[~hole], x[~hole])
        expected = 1 - x if dtype == np.float64 else np.iinfo(dtype).max - x
        assert np.allclose(found[hole], expected[hole], atol=1e-6)
        gray = isthmus.inpaint(x, hole, model=StandIn(net, 1), best=True)
        assert np.array_equal(gray[~hole], x[~hole])


def test_a_mask_is_read_as_people_make_them() -> None:
    write_photo("a.png", Photo(np.full((6, 8, 3), 100, np.uint8)))
    hole = np.zeros((6, 8), bool)
    hole[2:4, 3:5] = True
    soft = np.where(hole, 255, 0).astype(np.uint8)
    soft[2, 2] = 100
    write_photo("white.png", Photo(soft[..., None]))
    write_photo("color.tif", Photo(np.repeat(soft[..., None], 3, -1).astype(np.uint16) * 257))
    write_photo("opaque.png", Photo(soft[..., None], np.full((6, 8), 255, np.uint8)))
    write_photo("clear.png", Photo(np.zeros((6, 8, 3), np.uint8), 255 - soft))

    def changed(mask: Any, **how: Any) -> np.ndarray:
        return isthmus.inpaint("a.png", mask, model=negative(), **how)[..., 0] == 155

    for mask in ("white.png", Path("color.tif"), "opaque.png", soft, soft / 255, hole, hole[..., None]):
        assert np.array_equal(changed(mask), hole)
    with pytest.warns(Note, match=r"transparent part, 8% of the mask, is the hole"):
        assert np.array_equal(changed("clear.png"), hole)
    assert np.array_equal(changed("white.png", invert=True), ~hole)
    assert changed("white.png", threshold=0.3).sum() == 5
    assert np.array_equal(np.argwhere(changed("white.png", dilate=1))[[0, -1]], [[1, 2], [4, 5]])
    assert changed("white.png", dilate=1).sum() == 16


@pytest.mark.parametrize("by", [0, 1, 2, 5, 9, 40])
def test_a_hole_grows_by_that_many_pixels(by: int) -> None:
    for seed in range(30):  # some of which have a hole at an edge
        hole = np.random.default_rng(seed).uniform(0, 1, (23, 31)) < 0.01
        rows, columns = np.nonzero(hole)
        near = np.abs(np.arange(23)[:, None, None] - rows) <= by
        near = near & (np.abs(np.arange(31)[None, :, None] - columns) <= by)
        assert np.array_equal(dilated(hole, by), near.any(-1))


def test_masks_that_make_no_sense_are_refused_in_one_line() -> None:
    write_photo("a.png", Photo(np.zeros((6, 8, 3), np.uint8)))
    write_photo("small.png", Photo(np.full((3, 4, 1), 255, np.uint8)))
    write_photo("all.png", Photo(np.full((6, 8, 1), 255, np.uint8)))
    write_photo("none.png", Photo(np.zeros((6, 8, 1), np.uint8)))
    cases: list[tuple[Any, str]] = [
        ("small.png", "small.png: 4×3 pixels, but the image has 8×6"),
        ("all.png", "the hole is the whole image"),
        ("missing.png", "no such file"),
        (None, "no transparent part"),
        (np.zeros((6, 8, 3)), "6×8×3|shape"),
        (np.full((6, 8), -1), "from -1"),
    ]
    for mask, says in cases:
        with pytest.raises(BadInput, match=says) as error:
            isthmus.inpaint("a.png", mask, model=negative())
        assert "\n" not in str(error.value)
    with pytest.warns(Note, match="has no hole"):
        assert not isthmus.inpaint("a.png", "none.png", model=negative()).any()
    write_photo("hole.png", Photo(dilated(np.arange(48).reshape(6, 8) == 20, 2)[..., None].astype(np.uint8) * 255))
    with pytest.warns(Note, match="deeper than the model can fill"):
        isthmus.inpaint("a.png", "hole.png", model=StandIn(lambda x, mask: x, reach=1))
    for keys, says in (({"dilate": -1}, "dilate"), ({"threshold": 2}, "threshold")):
        with pytest.raises(BadInput, match=says):
            isthmus.inpaint("a.png", "hole.png", model=negative(), **keys)  # type: ignore[arg-type]


def test_the_see_through_part_of_a_picture_is_its_own_hole() -> None:
    alpha = np.full((6, 8), 255, np.uint8)
    alpha[1, 2] = 0
    write_photo("a.png", Photo(np.full((6, 8, 3), 100, np.uint8), alpha))
    with pytest.warns(Note, match="transparent part"):
        isthmus.inpaint("a.png", model=negative(), out="b.png")
    found = read_photo("b.png")
    assert found.alpha is None
    assert np.array_equal(found.pixels[..., 0] == 155, alpha == 0)
    isthmus.inpaint("a.png", alpha == 0, model=negative(), out="c.png")  # with a mask, alpha is the picture's own
    assert np.array_equal(read_photo("c.png").alpha, alpha)


def test_an_opaque_picture_is_no_mask_of_itself() -> None:
    pixels = RANDOM.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    write_photo("a.png", Photo(pixels, np.full((6, 8), 254, np.uint8)))
    with pytest.warns(Note, match="has no hole"):
        assert np.array_equal(isthmus.inpaint("a.png", model=negative())[..., :3], pixels)


@pytest.mark.parametrize(("low", "high", "kind"), [(0, 1, "u1"), (0, 2, "u1"), (0, 255, "u2"), (200, 255, "u1")])
def test_any_two_values_are_a_mask(low: int, high: int, kind: str) -> None:
    hole = np.arange(48).reshape(6, 8) % 5 == 0
    write_photo("a.png", Photo(np.full((6, 8, 3), 100, np.uint8)))
    mask = np.where(hole, high, low).astype(kind)
    write_photo("mask.png", Photo(mask[..., None]))
    with pytest.warns(Note, match=f"{high} marks the hole"):
        found = isthmus.inpaint("a.png", "mask.png", model=negative())
    assert np.array_equal(found[..., 0] == 155, hole)
    assert np.array_equal(isthmus.inpaint("a.png", mask, model=negative()), found)
    assert np.array_equal(isthmus.inpaint("a.png", np.where(hole, -1.0, -7.5), model=negative()), found)


def test_a_mask_with_classes_or_of_one_value_is_refused() -> None:
    write_photo("a.png", Photo(np.zeros((6, 8, 3), np.uint8)))
    for values, says in ((np.arange(48) % 4, "maximum is 3 of 255"), (np.ones(48), "maximum is 1 of 255")):
        write_photo("mask.png", Photo(values.reshape(6, 8, 1).astype(np.uint8)))
        with pytest.raises(BadInput, match=says):
            isthmus.inpaint("a.png", "mask.png", model=negative())


# -- hidden color --


def blurred(scale: int = 1) -> StandIn:
    """Looks at its neighbors, as every net does."""

    def net(x: Tensor, **side: Tensor) -> Tensor:
        y = F.avg_pool2d(F.pad(x, (2, 2, 2, 2), mode="replicate"), 5, 1)
        return F.interpolate(y, scale_factor=scale, mode="bilinear") if scale > 1 else y

    return StandIn(net, scale=scale)


def disc(hidden: int) -> Photo:
    """A white disc with a soft edge, and that color where alpha is 0."""
    rows, columns = np.mgrid[:48, :48]
    alpha = np.clip(17.5 - np.hypot(rows - 23.5, columns - 23.5), 0, 1)
    pixels = np.where(alpha[..., None] > 0, 255, hidden) * np.ones(3)
    return Photo(pixels.astype(np.uint8), np.rint(255 * alpha).astype(np.uint8))


@pytest.mark.parametrize("hidden", [0, 255, 90])
def test_color_that_alpha_hides_is_not_seen_afterwards(hidden: int) -> None:
    x = disc(hidden).samples()
    hole = np.zeros((48, 48), bool)
    hole[20:30, 4:20] = True
    for y in (
        isthmus.denoise(x, model=blurred()),
        isthmus.upscale(x, model=blurred(2)),
        isthmus.upscale(x, model=blurred(2), to=(60, 60)),
        isthmus.inpaint(x, hole, model=blurred()),
    ):
        assert (y[..., :3][y[..., 3] > 0] == 255).all()
        assert (y[..., :3][y[..., 3] == 0][:, 0] == hidden).mean() > 0.95, "what nobody sees stays as it was"
    kept = isthmus.inpaint(x, hole, model=blurred())
    assert np.array_equal(kept[~hole], x[~hole])
    unseen = x[..., 3] == 0
    for y in (kept, isthmus.denoise(x, model=blurred())):
        assert np.array_equal(y[unseen], x[unseen])
    assert np.array_equal(isthmus.upscale(x, model=blurred(2))[:8, :8, :3], np.full((8, 8, 3), hidden))


def test_hidden_color_is_that_of_the_nearest_visible_pixels() -> None:
    pixels = np.full((37, 53, 3), 1000, np.uint16)
    pixels[:, 26:] = 50000
    alpha = (np.random.default_rng(1).uniform(0, 1, (37, 53)) < 0.1).astype(np.uint16)
    alpha[0, [0, 52]] = 65535
    hidden = np.where(alpha[..., None] > 0, pixels, 0).astype(np.uint16)
    y = fill_hidden(Photo(hidden, alpha))
    assert np.array_equal(y[alpha > 0], pixels[alpha > 0])
    assert (y >= 1000).all()
    assert (y[:, :8] == 1000).all()
    assert (y[:, -8:] == 50000).all()
    for all_or_nothing in (0, 65535):
        photo = Photo(hidden, np.full_like(alpha, all_or_nothing))
        assert fill_hidden(photo) is photo.pixels
