"""Restoration with stand-ins for the networks: pixels, files and folders."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

import isthmus
from isthmus.cli import main
from isthmus.errors import BadInput, Note
from isthmus.inference.image import restore_array
from isthmus.jobs.restoration.apply_model import fill_hidden
from isthmus.jobs.restoration.masks import dilated
from isthmus.media.image_file import Info, read_photo, write_photo
from isthmus.media.photo import Photo
from isthmus.metrics import psnr, psnr_y, ssim, ssim_y

RANDOM = np.random.default_rng(0)


class StandIn(nn.Module):
    """What a trained model is to these verbs, with a function for the net."""

    def __init__(
        self, function: Callable[..., Tensor], channels: int = 3, reach: int = 9, stride: int = 1, scale: int = 1
    ) -> None:
        super().__init__()
        self.function, self.shape = function, (channels, 16, 16)
        self.reach, self.stride, self.scale = reach, stride, scale

    def restore(self, x: Tensor, **side: Tensor) -> Tensor:
        assert x.dim() == 4
        assert x.shape[1] == self.shape[0]
        return self.function(x, **side)


def identity(channels: int = 3) -> StandIn:
    return StandIn(lambda x, **side: x, channels)


def negative(channels: int = 3) -> StandIn:
    return StandIn(lambda x, **side: 1 - x, channels)


def nearest(scale: int, channels: int = 3) -> StandIn:
    return StandIn(lambda x: F.interpolate(x, scale_factor=scale, mode="nearest"), channels, scale=scale)


def finder(channels: int = 3) -> StandIn:
    """Takes white for a watermark, and black for what was under it."""

    def function(x: Tensor) -> Tensor:
        mask = (x > 0.99).all(1, keepdim=True).to(x)
        return torch.cat([torch.full_like(x, 0.0), mask], 1)

    return StandIn(function, channels)


def noise(*shape: int, deep: bool = False) -> np.ndarray:
    return RANDOM.integers(0, 65536 if deep else 256, shape, dtype=np.uint16 if deep else np.uint8)


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two of one name, one below, one of 16 bits, a broken one, and one that is not read here."""
    place = tmp_path / "in"
    write_photo(place / "a.jpg", Photo(noise(9, 12, 3)))
    write_photo(place / "a.png", Photo(noise(7, 5, 1)))
    write_photo(place / "more" / "b.tif", Photo(noise(8, 8, 3, deep=True)))
    write_photo(place / "more" / "c.tif", Photo(noise(8, 8, 3)))
    (place / "broken.png").write_text("not a picture")
    (place / "phone.heic").write_bytes(b"1234")
    return place


# -- arrays --


@pytest.mark.parametrize("shape", [(7, 9), (7, 9, 3), (7, 9, 1), (7, 9, 4), (3, 7, 9), (1, 7, 9), (2, 3, 7, 9), (1, 1)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
def test_an_array_gives_the_same_kind_of_array(shape: tuple[int, ...], dtype: Any) -> None:
    x = RANDOM.uniform(0, 1, shape).astype(dtype) if np.dtype(dtype).kind == "f" else noise(*shape).astype(dtype)
    for model in (identity(3), identity(1)):
        found = isthmus.denoise(x, model=model)
        assert found.dtype == x.dtype
        assert found.shape == shape
        assert np.allclose(found, x, atol=1e-6 if x.dtype.kind == "f" else 0)
    if dtype != np.uint16:
        found = isthmus.denoise(torch.from_numpy(x), model=identity())
        assert isinstance(found, Tensor)
        assert torch.allclose(found, torch.from_numpy(x))


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (np.zeros((7, 9), bool), "bool"),
        (np.full((7, 9), np.nan), "NaN or infinite"),
        (np.zeros((7, 9, 12), np.uint8), "7×9×12 is not an image"),
        (np.zeros((0, 9), np.uint8), "0×9 is not an image"),
        (np.zeros(9, np.uint8), "9 is not an image"),
    ],
)
def test_non_images_are_refused(array: np.ndarray, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        isthmus.denoise(array, model=identity())


def test_an_option_that_is_none_is_refused() -> None:
    with pytest.raises(TypeError, match="strenght"):
        isthmus.denoise(noise(3, 3), model=identity(), strenght=0.5)  # type: ignore[call-arg]


# -- pixels --


def test_strength_is_how_much_of_the_change_is_made() -> None:
    x = noise(20, 20, 3, deep=True)
    assert np.array_equal(isthmus.denoise(x, model=negative(), strength=0), x)
    assert np.array_equal(isthmus.denoise(x, model=negative()), 65535 - x)
    half = isthmus.denoise(x, model=negative(), strength=0.5)
    assert np.abs(half.astype(int) - 32767).max() <= 1
    brighter = StandIn(lambda x: x + 0.1)
    gray = np.full((4, 4), 0.5, np.float32)
    assert np.allclose(isthmus.denoise(gray, model=brighter, strength=2), 0.7)
    with pytest.raises(BadInput, match="strength is -1"):
        isthmus.denoise(x, model=negative(), strength=-1)


def test_a_gray_model_restores_color_channels_one_by_one() -> None:
    x = noise(20, 30, 3)
    seen = []

    def net(x: Tensor) -> Tensor:
        seen.append(tuple(x.shape))
        return x / 2

    found = isthmus.denoise(x, model=StandIn(net, channels=1))
    assert seen == [(1, 1, 20, 30)] * 3
    assert np.abs(found - x / 2).max() <= 0.51


def test_a_color_model_keeps_gray_images_gray() -> None:
    x = noise(20, 30)
    tint = torch.tensor([0.1, 0.2, 0.3]).view(1, 3, 1, 1)
    found = isthmus.denoise(x, model=StandIn(lambda x: x + tint))
    luma = 0.299 * 0.1 + 0.587 * 0.2 + 0.114 * 0.3
    assert found.shape == x.shape
    assert np.abs(found - np.clip(x + 255 * luma, 0, 255)).max() <= 1


def test_a_gray_model_upscales_luma_without_a_color_shift() -> None:
    flat = np.broadcast_to(np.array([200, 30, 90], np.uint8), (12, 9, 3))
    assert np.abs(isthmus.upscale(flat, model=nearest(3, 1)).astype(int) - [200, 30, 90]).max() <= 1
    gray = np.repeat(noise(12, 9, 1), 3, -1)
    found = isthmus.upscale(gray, model=nearest(2, 1)).astype(int)
    assert np.abs(found - gray.repeat(2, 0).repeat(2, 1)).max() <= 1
    lighter = StandIn(lambda x: F.interpolate(x, scale_factor=2) + 0.1, 1, scale=2)
    found = isthmus.upscale(flat, model=lighter).astype(int)
    assert np.abs(found - [225.5, 55.5, 115.5]).max() <= 1  # every channel by the same


@pytest.mark.parametrize("size", [(40, 40), (41, 27)])
def test_best_is_the_mean_over_eight_ways_to_turn_the_picture(size: tuple[int, int]) -> None:
    x = RANDOM.uniform(0, 1, (*size, 1)).astype(np.float32)
    shift = StandIn(lambda x: x.roll(1, -1), 1)  # which is another thing in every direction
    found, _ = restore_array(shift, x, best=True)
    expected = (np.roll(x, 1, 0) + np.roll(x, -1, 0) + np.roll(x, 1, 1) + np.roll(x, -1, 1)) / 4
    assert np.allclose(found, expected, atol=1e-6)
    assert np.allclose(restore_array(identity(1), x, best=True)[0], x, atol=1e-6)
    large = restore_array(nearest(3, 1), x, best=True)[0]
    assert np.allclose(large, x.repeat(3, 0).repeat(3, 1), atol=1e-6)


def test_best_in_tiles_is_best_at_once() -> None:
    """For sides that the stride does not divide: the grids of the eight must be those of the whole picture."""
    model = isthmus.create("denoise", shape=(1, 16, 16), channels=(4, 6), blocks=(1, 1), seed=1)
    for weight in model.parameters():
        nn.init.normal_(weight, std=0.1)
    x = RANDOM.uniform(0, 1, (101, 83, 1)).astype(np.float32)
    for best in (False, True):
        whole, parts = (restore_array(model, x, best=best, tile=tile)[0] for tile in (512, 16))
        assert np.abs(whole - parts).max() < 1e-5
    assert np.abs(whole - x).max() > 0.01


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
    with pytest.warns(Note, match=f"{high} is the hole"):
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


# -- watermarks --


def test_an_image_without_watermark_is_unchanged_with_a_note() -> None:
    """Nothing, single pixels, a region that the net doubts, and more than a mark can cover."""
    odds = np.zeros((30, 40))
    single, doubted, all_over, sure = (odds.copy() for _ in range(4))
    single[::4, ::4], doubted[3:18, 3:20], all_over[:, 5:], sure[3:18, 3:20] = 1, 0.6, 1, 0.6
    sure[3:9, 3:9] = 0.96
    thick, thick_and_sure = sure.copy(), sure.copy()
    thick[3:28, 3:28], thick_and_sure[3:28, 3:28] = 0.96, 0.995
    pixels = RANDOM.integers(0, 256, (30, 40, 3), dtype=np.uint8)

    def mended(odds: np.ndarray, **how: Any) -> tuple[np.ndarray, np.ndarray]:
        given, upright = torch.from_numpy(odds)[None, None].float(), torch.from_numpy(pixels / 255).float()

        def net(x: torch.Tensor) -> torch.Tensor:
            """Finds the same in whatever way the picture is mirrored."""
            views = ((), (3,), (2,), (2, 3))
            way = next(axes for axes in views if torch.allclose(x.flip(axes)[0].movedim(0, -1), upright, atol=1e-3))
            return torch.cat([1 - x, given.flip(way)], 1)

        model = StandIn(net, reach=100)
        return isthmus.unwatermark(pixels, model=model, save_mask=True, **how)  # type: ignore[no-any-return]

    for case, says in (
        (odds, "no watermark"),
        (single, "no watermark"),
        (doubted, "no watermark"),
        (thick, "no watermark"),
        (all_over, "too much"),
    ):
        with pytest.warns(Note, match=f"{says}.* stays unchanged"):
            result, mask = mended(case)
        assert np.array_equal(result, pixels)
        assert not mask.any()
    for case, how in ((sure, {"sure": 0.95}), (doubted, {"sure": 0.55}), (thick_and_sure, {})):
        result, mask = mended(case, **how)
        assert np.array_equal(mask, case > 0)
        assert np.array_equal(result, np.where(mask[..., None], 255 - pixels, pixels))
    with pytest.raises(BadInput, match="sure is 2"):
        mended(odds, sure=2)


@pytest.mark.parametrize("channels", [1, 3])
def test_pixels_outside_the_predicted_mask_are_equal_to_the_bit(channels: int) -> None:
    x = RANDOM.integers(0, 250, (30, 40, 3), dtype=np.uint8)
    x[5:9, 6:20] = 255
    write_photo("a.png", Photo(x))
    found, mask = isthmus.unwatermark(x, model=finder(channels), save_mask=True)
    assert np.array_equal(mask, (x == 255).all(-1))
    assert np.array_equal(found, np.where(mask[..., None], 0, x))
    isthmus.unwatermark("a.png", model=finder(channels), out="b.png", save_mask=True)
    assert np.array_equal(read_photo("b.png").pixels, found)
    assert np.array_equal(read_photo("b-mask.png").pixels[..., 0], mask * 255)
    gray = isthmus.unwatermark(x[..., 0], model=finder(channels))
    assert np.array_equal(gray, np.where(x[..., 0] == 255, 0, x[..., 0]))
    with pytest.raises(BadInput, match="predicts no mask that could be saved"):
        isthmus.unwatermark("a.png", model=identity(), out="c.png", save_mask=True)
    assert not Path("c.png").exists()


# -- larger --


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("deep", [False, True])
def test_upscale_by_a_factor(scale: int, deep: bool) -> None:
    given = Photo(noise(5, 7, 3, deep=deep), np.full((5, 7), 9, np.uint16 if deep else np.uint8))
    write_photo("a.png", given)
    isthmus.upscale("a.png", model=nearest(scale), scale=scale, out="b.png")
    found = read_photo("b.png")
    assert np.array_equal(found.pixels, given.pixels.repeat(scale, 0).repeat(scale, 1))
    assert found.alpha is not None
    assert found.alpha.shape == found.size
    assert (found.alpha == 9).all()


def test_a_large_result_lies_in_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    from isthmus.inference import image

    monkeypatch.setattr(image, "LARGE_RESULT", 100)
    x = noise(5, 7, 3)
    found = isthmus.upscale(x, model=nearest(2))
    assert np.array_equal(found, x.repeat(2, 0).repeat(2, 1))


@pytest.mark.parametrize("to", ["50x40", "51x41", "14x10", "8x5", "300x200"])
def test_upscale_to_a_size(to: str) -> None:
    x = np.broadcast_to(np.linspace(0, 250, 7).astype(np.uint8)[None, :, None], (5, 7, 3))
    with warnings.catch_warnings(record=True):
        found = isthmus.upscale(x, model=nearest(2), to=to)
    width, height = map(int, to.split("x"))
    assert found.shape == (height, width, 3)
    assert np.array_equal(found[0], found[-1])
    assert (
        np.abs(np.interp((np.arange(width) + 0.5) * 7 / width - 0.5, np.arange(7), x[0, :, 0]) - found[0, :, 0]).max()
        < 25
    )


def test_a_size_or_a_factor_that_makes_no_sense_is_refused() -> None:
    x = noise(5, 7, 3)
    cases: list[tuple[dict[str, Any], str]] = [
        ({"to": "7x5"}, "already has 7×5 pixels"),
        ({"to": "wide"}, "as in 1920x1080"),
        ({"to": "0x9"}, "as in 1920x1080"),
        ({"to": "900000x900000"}, "pixels are too many"),
        ({"scale": 5}, "2, 3 or 4"),
        ({"scale": 3}, "enlarges ×2, not ×3"),
        ({"scale": 2, "to": "50x40"}, "only one of them"),
    ]
    for keys, says in cases:
        with pytest.raises(BadInput, match=says):
            isthmus.upscale(x, model=nearest(2), **keys)
    with pytest.warns(Note, match="stretched"):
        isthmus.upscale(x, model=nearest(2), to="20x10")
    with pytest.raises(BadInput, match="does not enlarge"):
        isthmus.upscale(x, model=identity())
    with pytest.raises(BadInput, match="enlarges ×2"):
        isthmus.denoise(x, model=nearest(2))


def test_cleaned_and_enlarged_at_once() -> None:
    x = noise(9, 11, 3)
    write_photo("a.png", Photo(x))
    model: dict[str, Any] = {"model": negative(), "upscale_model": nearest(2)}
    expected = 255 - x.repeat(2, 0).repeat(2, 1)
    assert np.array_equal(isthmus.denoise(x, scale=2, **model), expected)
    assert np.array_equal(isthmus.denoise(x, **model), expected)  # a model that enlarges is named for that
    assert isthmus.denoise(x, to="30x25", **model).shape == (25, 30, 3)
    isthmus.denoise("a.png", scale=2, **model, out="b.png", side_by_side=True, truth=expected)
    assert np.array_equal(read_photo("b.png").pixels, expected)
    for keys, says in (({"scale": 3}, "enlarges ×2, not ×3"), ({"scale": 2, "to": "30x25"}, "only one of them")):
        with pytest.raises(BadInput, match=says):
            isthmus.denoise(x, **model, **keys)


# -- files and folders --


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_a_photo_keeps_all_that_is_not_noise(deep: bool, channels: int, suffix: str) -> None:
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    alpha = np.maximum(noise(9, 11, deep=deep), 1)  # color that is hidden may change
    write_photo(f"a.{suffix}", Photo(noise(9, 11, channels, deep=deep), alpha, Info(exif.tobytes(), b"", (300, 300))))
    isthmus.denoise(f"a.{suffix}", model=negative(channels), out=f"b.{suffix}")
    before, after = read_photo(f"a.{suffix}"), read_photo(f"b.{suffix}")
    assert after.pixels.dtype == before.pixels.dtype
    assert np.array_equal(after.pixels, np.iinfo(before.pixels.dtype).max - before.pixels)
    assert np.array_equal(after.alpha, alpha)
    assert b"Maker" in after.info.exif
    assert after.info.dpi == pytest.approx((300, 300), abs=0.1)


def test_a_panorama_and_a_single_pixel() -> None:
    write_photo("wide.png", Photo(np.broadcast_to(noise(1, 30000, 3), (20, 30000, 3)).copy()))
    write_photo("tiny.png", Photo(noise(1, 1, 1)))
    blur = StandIn(lambda x: F.avg_pool2d(x, 3, 1, 1), reach=1, stride=8)
    for name in ("wide.png", "tiny.png"):
        isthmus.denoise(name, model=blur, out=f"clean-{name}", best=True)
        assert read_photo(f"clean-{name}").size == read_photo(name).size
    isthmus.upscale("tiny.png", model=nearest(4), out="large.png")
    assert np.array_equal(read_photo("large.png").pixels, np.full((4, 4, 1), read_photo("tiny.png").pixels[0, 0, 0]))


def test_a_folder_becomes_a_folder_with_the_same_names(folder: Path) -> None:
    rows: list[dict[str, Any]] = []
    with pytest.warns(Note) as told:
        isthmus.denoise(folder, model=negative(), out="out", each=rows.append)
    said = " ".join(str(warning.message) for warning in told)
    assert "1 broken of 5 files skipped: broken.png (not a picture)" in said
    assert "1 .heic left out" in said
    assert files(Path("out")) == ["a.jpg.png", "a.png", "more/b.tif", "more/c.png"]
    assert read_photo("out/more/b.tif").deep
    assert np.array_equal(read_photo("out/a.png").pixels, 255 - read_photo(folder / "a.png").pixels)
    assert [row["file"] for row in rows] == ["a.jpg", "a.png", "more/b.tif", "more/c.tif"]
    with pytest.raises(BadInput, match="exists already"):
        isthmus.denoise(folder, model=negative(), out="out")


def test_a_result_is_named_after_its_own_input_also_when_it_comes_later(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    write_photo(tmp_path / "in/a.jpg", Photo(np.full((16, 16, 3), 60, np.uint8)))
    isthmus.denoise(tmp_path / "in", model=negative(), out="later")
    assert files(Path("later")) == ["a.png"]
    write_photo(tmp_path / "in/a.png", Photo(np.full((16, 16, 3), 200, np.uint8)))
    isthmus.denoise(tmp_path / "in", model=negative(), out="later", resume=True)
    assert files(Path("later")) == ["a.jpg.png", "a.png"]
    assert read_photo("later/a.png").pixels.max() == 55
    assert read_photo("later/a.jpg.png").pixels.min() >= 190


def test_finished_results_stay_and_resume_does_the_rest(folder: Path) -> None:
    """After Ctrl-C, or an error in the middle."""
    (folder / "broken.png").unlink()
    (folder / "phone.heic").unlink()

    def stop(row: dict[str, Any]) -> None:
        if row["file"] == "more/b.tif":
            raise KeyboardInterrupt

    with pytest.warns(Note, match="out: 2 of 4 images are done; .* --resume"), pytest.raises(KeyboardInterrupt):
        isthmus.denoise(folder, model=negative(), out="out", each=stop)
    assert files(Path("out")) == ["a.jpg.png", "a.png"]
    rows: list[dict[str, Any]] = []
    with pytest.raises(BadInput, match="out: exists already; choose another path, or --resume continues"):
        isthmus.denoise(folder, model=negative(), out="out")
    isthmus.denoise(folder, model=negative(), out="out", resume=True, each=rows.append)
    assert [row["file"] for row in rows] == ["more/b.tif", "more/c.tif"]
    assert files(Path("out")) == ["a.jpg.png", "a.png", "more/b.tif", "more/c.png"]
    isthmus.denoise(folder, model=negative(), out="out", resume=True, each=rows.append)
    assert len(rows) == 2  # all are there, and this is no error
    isthmus.denoise(folder, model=negative(), out="out", resume=True, side_by_side=True, each=rows.append)
    assert len(rows) == 6  # these were not
    for keys, says in (
        ({"force": True, "resume": True}, "only one of them"),
        ({"out": "out/a.png"}, "is an image name"),
    ):
        with pytest.raises(BadInput, match=says):
            isthmus.denoise(folder, **{"model": negative(), "out": "out", **keys})
    never = StandIn(lambda x: pytest.fail("worked"))
    isthmus.denoise(folder / "a.jpg", model=never, out="out/a.png", resume=True)


def test_results_that_lie_in_the_folder_are_not_restored_again(folder: Path) -> None:
    (folder / "broken.png").unlink()
    (folder / "phone.heic").unlink()
    for _ in range(2):
        isthmus.denoise(folder, model=negative(), out=folder / "clean", force=True)
    assert files(folder / "clean") == ["a.jpg.png", "a.png", "more/b.tif", "more/c.png"]
    assert np.array_equal(read_photo(folder / "clean/a.png").pixels, 255 - read_photo(folder / "a.png").pixels)


def test_masks_and_sheets_never_write_over_a_picture() -> None:
    write_photo("in/a.png", Photo(noise(5, 5, 3)))
    write_photo("in/a-mask.png", Photo(noise(5, 5, 3)))
    isthmus.unwatermark("in", model=finder(), out="out", save_mask=True, side_by_side=True)
    assert len(files(Path("out"))) == 6
    assert np.array_equal(read_photo("out/a-mask.png").pixels, read_photo("in/a-mask.png").pixels)


def test_a_folder_of_masks_goes_with_a_folder_of_pictures(folder: Path) -> None:
    for name, size in (("a.png", (9, 12)), ("more/b.png", (8, 8))):
        write_photo(Path("masks") / name, Photo(np.eye(*size, dtype=np.uint8)[..., None] * 255))
    with pytest.warns(Note) as told:
        isthmus.inpaint(folder, "masks", model=negative(), out="out")
    said = " ".join(str(warning.message) for warning in told)
    assert "3 broken of 5" in said
    assert "more/c.tif (there is no mask of this name in masks)" in said
    assert "a.png (" in said  # which is 5×7 and has the name of a.jpg's mask
    assert files(Path("out")) == ["a.jpg.png", "more/b.tif"]
    before = read_photo(folder / "more/b.tif").pixels
    expected = np.where(np.eye(8, dtype=bool)[..., None], 65535 - before, before)
    assert np.array_equal(read_photo("out/more/b.tif").pixels, expected)
    with pytest.raises(BadInput, match="none of 5 images"), warnings.catch_warnings(record=True):
        isthmus.inpaint(folder, np.eye(50), model=negative(), out="none")
    assert not Path("none").exists()
    assert not [name for name in Path().iterdir() if name.name.startswith(".")]


def test_existing_outputs_are_refused_before_the_work() -> None:
    write_photo("a.png", Photo(noise(5, 5, 3)))
    write_photo("there.png", Photo(noise(5, 5, 3)))
    write_photo("b-side-by-side.png", Photo(noise(5, 5, 3)))
    Path("folder").mkdir()
    never = StandIn(lambda x: pytest.fail("worked"))
    cases: list[tuple[str, dict[str, Any], str]] = [
        ("a.png", {"out": "there.png"}, "exists already"),
        ("a.png", {"out": "b.png", "side_by_side": True}, "b-side-by-side.png: exists already"),
        ("a.png", {"out": "b.gif"}, "it can end in .png"),
        ("a.png", {"out": "folder"}, "it can end in .png"),
        ("folder", {"out": "out"}, "is empty"),
        ("folder", {"out": "out.png"}, "is an image name"),
        ("folder", {}, "out is needed"),
        ("nothing.png", {"out": "b.png"}, "no such file"),
    ]
    for source, keys, says in cases:
        with pytest.raises(BadInput, match=says) as error:
            isthmus.denoise(source, model=never, **keys)
        assert "\n" not in str(error.value)
    for bad, says in (("nowhere", "nowhere: neither a run folder"), ("folder", "config.json is missing")):
        with pytest.raises(BadInput, match=says):
            isthmus.denoise("a.png", model=bad, out="b.png")


# -- figures --


def test_metrics_with_ground_truth(monkeypatch: pytest.MonkeyPatch) -> None:
    """A part at a time, and those of the metrics all the same."""
    from isthmus.jobs.restoration import comparison

    monkeypatch.setattr(comparison, "PART", 9)
    for shape in ((40, 31, 3), (12, 11, 1), (5, 40, 3), (40, 5, 1), (1, 1, 1)):
        clean, noisy = noise(*shape), noise(*shape)
        rows: list[dict[str, Any]] = []
        isthmus.denoise(noisy, model=identity(), truth=clean, each=rows.append)
        a, b = (torch.from_numpy(np.moveaxis(x, -1, 0) / np.float32(255))[None] for x in (noisy, clean))
        assert rows[0]["psnr"] == pytest.approx(float(psnr(a, b)), rel=1e-5)
        assert rows[0]["ssim"] == pytest.approx(float(ssim(a, b)), rel=1e-4)
        assert rows[0]["psnr_before"] == rows[0]["psnr"]
        hole = RANDOM.uniform(0, 1, shape[:2]) < 0.5
        if hole.any() and not hole.all():
            isthmus.inpaint(noisy, hole, model=identity(), truth=clean, each=rows.append)
            inside = np.mean(((noisy / 255.0 - clean / 255.0) ** 2)[hole])
            assert rows[1]["psnr_in_mask"] == pytest.approx(-10 * np.log10(inside), rel=1e-4)


@pytest.mark.parametrize("channels", [1, 3])
def test_upscaling_is_scored_by_the_super_resolution_protocol(channels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from isthmus.jobs.restoration import comparison

    monkeypatch.setattr(comparison, "PART", 9)
    small, truth = noise(70, 33, channels), noise(210, 99, channels)
    rows: list[dict[str, Any]] = []
    large = isthmus.upscale(small, model=nearest(3, channels), truth=truth, each=rows.append)
    a, b = (torch.from_numpy(np.moveaxis(x, -1, 0) / np.float32(255))[None] for x in (large, truth))
    assert {key for key in rows[0] if "psnr" in key or "ssim" in key} == {
        "psnr_y",
        "ssim_y",
        "psnr_y_before",
        "ssim_y_before",
    }
    assert rows[0]["psnr_y"] == pytest.approx(float(psnr_y(a, b, 3)), abs=1e-3)
    assert rows[0]["ssim_y"] == pytest.approx(float(ssim_y(a, b, 3)), abs=1e-5)
    with pytest.raises(BadInput, match="the truth has 8×8 pixels, but the result 99×210"):
        isthmus.upscale(small, model=nearest(3, channels), truth=noise(8, 8))
    isthmus.upscale(noise(1, 1), model=nearest(3, 1), truth=noise(3, 3), each=rows.append)
    assert "psnr_y" not in rows[1]  # all of it is border


def test_a_truth_may_be_a_folder_and_must_have_the_size(folder: Path) -> None:
    (folder / "broken.png").unlink()
    (folder / "phone.heic").unlink()
    (folder / "a.png").unlink()
    rows: list[dict[str, Any]] = []
    isthmus.denoise(folder, model=identity(), out="out", truth=folder, each=rows.append)
    assert [row["psnr"] for row in rows] == [np.inf] * 3
    assert [row["ssim"] for row in rows] == pytest.approx([1] * 3)
    with pytest.raises(BadInput, match=r"the truth has 8×8 pixels, but the result 12×9"):
        isthmus.denoise(folder / "a.jpg", model=identity(), truth=folder / "more/b.tif")


def test_side_by_side() -> None:
    write_photo("a.png", Photo(noise(200, 300, 3, deep=True)))
    write_photo("truth.png", Photo(noise(200, 300, 1)))
    isthmus.denoise("a.png", model=negative(), out="b.png", side_by_side=True, truth="truth.png")
    sheet = read_photo("b-side-by-side.png").pixels
    top = sheet.shape[0] - 200
    assert 0 < top < 60
    assert sheet.shape[1] == 3 * 300 + 2 * 8
    assert sheet[:top].min() == 0  # there are words
    before, after, truth = (sheet[top:, start : start + 300] for start in (0, 308, 616))
    assert np.abs(before.astype(int) + after - 255).max() <= 1
    assert np.array_equal(truth, np.repeat(read_photo("truth.png").pixels, 3, -1))
    write_photo("small.png", Photo(noise(20, 30, 1)))
    isthmus.upscale("small.png", model=nearest(2), out="large.png", side_by_side=True)
    sheet = read_photo("large-side-by-side.png").pixels
    assert sheet.shape[2] == 1
    assert sheet.shape[1] == 2 * 4 * 60 + 8  # what is tiny is shown enlarged


# -- models and the command line --


def saved(name: str, recipe: str = "denoise", channels: int = 1) -> Path:
    model = isthmus.create(recipe, shape=(channels, 16, 16), channels=(4, 6), blocks=(1, 1), seed=1)
    return model.save(name)


def test_the_shipped_model_that_fits_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    from isthmus import models

    there = {"denoise-gray": saved("gray", channels=1), "denoise-color": saved("color", channels=3)}
    taken: list[str] = []
    monkeypatch.setattr(models, "names", lambda: sorted(there))
    monkeypatch.setattr(models, "folder_of", lambda name: taken.append(name) or there[name])
    isthmus.denoise(noise(44, 44))
    assert taken == ["denoise-gray"]
    isthmus.denoise(noise(44, 44, 3))
    assert taken[-1] == "denoise-color"
    del there["denoise-color"]
    assert isthmus.denoise(noise(44, 44, 3)).shape == (44, 44, 3)
    with pytest.raises(BadInput, match="no model upscale-3 is shipped"):
        isthmus.upscale(noise(44, 44), scale=3)
    with pytest.raises(
        BadInput, match="denoise-gray: neither a run folder nor a shipped model; shipped are denoise-gray"
    ):
        isthmus.denoise(noise(20, 20), model="denoise-gray")


def test_a_model_of_another_job_is_refused() -> None:
    with pytest.raises(BadInput, match="for isthmus denoise, not for isthmus inpaint"):
        isthmus.inpaint(noise(20, 20), np.eye(20), model=saved("run"))
    table = isthmus.create("undercomplete", shape=(13,), code=3)
    with pytest.raises(BadInput, match="for isthmus reconstruct, not"):
        isthmus.denoise(noise(20, 20), model=table)
    table.about = {}  # a net of one's own may do anything, if pictures are what it takes
    with pytest.raises(BadInput, match="not gray or color images"):
        isthmus.denoise(noise(20, 20), model=table)
    with pytest.raises(BadInput, match="this machine has none"):
        isthmus.denoise(noise(20, 20), model=identity(), device="mps")


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit:
            main(list(arguments))
        return int(exit.value.code or 0), *capsys.readouterr()

    return run


@pytest.mark.usefixtures("one_thread")
def test_the_command_line(command: Callable[..., tuple[int, str, str]], folder: Path) -> None:
    saved("run")
    code, out, err = command("denoise", "in/a.jpg", "--model", "run", "--out", "b.png", "--truth", "in/a.jpg")
    assert code == 0, err
    assert {line.split()[0] for line in out.splitlines()} >= {"sigma", "psnr", "ssim", "psnr_before"}
    assert "Written: b.png" in err
    code, out, err = command("denoise", "in", "--model", "run", "--out", "out", "--json", "--best", "--side-by-side")
    assert code == 0, err
    found = json.loads(out)
    assert found["pictures"] == len(found["files"]) == 4
    assert found["sigma"] > 0
    assert "1 broken of 5" in err
    code, out, err = command("denoise", "in", "--model", "run", "--out", "out", "--resume")
    assert (code, out) == (0, "")
    assert "Written: out" in err
    for arguments, says in (
        (("in/phone.heic", "--model", "run", "--out", "c.png"), "save it as .jpg"),
        (("in/a.jpg", "--model", "run", "--out", "b.png"), "exists already"),
        (("in/a.jpg", "--model", "nowhere", "--out", "c.png"), "nowhere"),
        (("in/a.jpg", "--model", "run", "--out", "c.png", "--strength", "-1"), "strength"),
    ):
        code, out, err = command("denoise", *arguments)
        assert (code, out) == (2, "")
        assert err.count("\n") == 1
        assert says in err
    for verb in ("unwatermark", "inpaint", "upscale"):
        assert command(verb, "--help")[0] == 0
