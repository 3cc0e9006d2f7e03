"""Watermarks: the stamp and its position."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from isthmus.corruptions import Watermark, corruption
from isthmus.errors import BadInput
from isthmus.registry import build, config_of
from isthmus.types import Context, Noise, Sample

PHOTOS = (torch.rand(48, 3, 60, 80, generator=torch.Generator().manual_seed(0)) * 255).round() / 255


def marked(module: Watermark, x: Tensor = PHOTOS) -> Sample:
    return module(Sample.of(x), Context(Noise(0, 0, len(x))))


def save(path: Path, color: tuple[int, int, int, int], size: tuple[int, int] = (40, 20)) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGBA", size, color).save(path)
    return str(path)


def test_the_picture_shines_through_and_is_itself_elsewhere() -> None:
    sample = marked(Watermark())
    a, opacity = sample.condition["mask"], sample.condition["opacity"]
    assert a.shape == (48, 1, 60, 80)
    assert torch.equal(torch.where(a > 0, PHOTOS, sample.x), PHOTOS)
    assert (a.amax((1, 2, 3)) <= opacity + 1e-6).all()
    assert 0.2 <= opacity.min() < 0.35
    assert 0.75 < opacity.max() <= 0.9
    # x = (1 - a) clean + a stamp for some stamp in [0, 1], but for rounding
    thick = (a > 0.2).expand_as(PHOTOS)
    stamp = ((sample.x - (1 - a) * PHOTOS) / a)[thick]
    assert -0.011 < stamp.min() < stamp.max() < 1.011
    assert torch.allclose(sample.x * 255, (sample.x * 255).round(), atol=1e-4)


def test_marks_are_of_all_sizes_and_mostly_there_is_one() -> None:
    shares = (marked(Watermark()).condition["mask"] > 0).float().mean((1, 2, 3))
    assert int((shares > 0).sum()) >= 38
    assert shares.min() < 0.05
    assert shares.max() > 0.5


def test_the_target_has_the_mask_only_where_it_is_asked_for() -> None:
    plain, told = marked(Watermark()), marked(Watermark(tell=True))
    assert torch.equal(plain.target, PHOTOS)
    assert torch.equal(told.target, torch.cat([PHOTOS, told.condition["mask"]], 1))
    assert torch.equal(told.x, plain.x)


def test_a_gray_image_gets_the_luma_of_the_color(tmp_path: Path) -> None:
    red = save(tmp_path / "red.png", (255, 0, 0, 255))
    black = torch.zeros(20, 1, 60, 80)
    sample = marked(Watermark(red, opacity=0.5), black)
    inside = sample.condition["mask"] == 0.5
    assert inside.any()
    assert sample.x[inside].unique().tolist() == pytest.approx([round(0.5 * 0.299 * 255) / 255], abs=1e-4)


def test_a_single_overlay_is_always_used_in_its_colors(tmp_path: Path) -> None:
    green = save(tmp_path / "stamp.png", (0, 255, 0, 128))
    sample = marked(Watermark(green, opacity=1), torch.zeros(20, 3, 60, 80))
    assert float(sample.condition["mask"].amax()) == pytest.approx(128 / 255)
    assert not sample.x[:, [0, 2]].any()
    assert torch.allclose(sample.x[:, 1], sample.condition["mask"][:, 0], atol=0.5 / 255 + 1e-6)
    assert int(sample.condition["mask"].flatten(1).any(1).sum()) >= 17


def test_an_upright_stamp_keeps_its_proportions(tmp_path: Path) -> None:
    stamp = save(tmp_path / "stamp.png", (255, 255, 255, 255))
    masks = marked(Watermark(stamp, opacity=1, size=20), torch.zeros(60, 3, 200, 200)).condition["mask"][:, 0] > 0.5
    areas = masks.flatten(1).sum(1)
    sizes = [(int(mask.any(1).sum()), int(mask.any(0).sum())) for mask in masks]
    upright = [size for size, area in zip(sizes, areas.tolist(), strict=True) if area == size[0] * size[1] < 600]
    assert len(upright) > 8
    whole = max(set(upright), key=upright.count)
    assert whole == pytest.approx((20 / 2**0.5, 20 * 2**0.5), abs=1)
    once = areas[areas < 600]
    assert float(once.float().median()) == pytest.approx(400, rel=0.1)
    assert int((areas > 1500).sum()) > 10  # all over the picture


def test_a_folder_is_logos_words_and_shapes(tmp_path: Path) -> None:
    for number, color in enumerate([(255, 0, 255, 255), (255, 0, 255, 255)]):
        save(tmp_path / "logos" / f"{number}.png", color)
    (tmp_path / "logos" / "LICENSE.md").write_text("no picture")
    sample = marked(Watermark(str(tmp_path / "logos"), opacity=1), torch.full((90, 3, 60, 80), 0.5))
    inside = [item[:, mask > 0.99] for item, mask in zip(sample.x, sample.condition["mask"][:, 0], strict=True)]
    light = 105 / 255  # magenta by BT.601
    own, gray = (
        sum(len(seen[0]) > 0 and bool((seen == torch.tensor(paint)[:, None]).all()) for seen in inside)
        for paint in ([1.0, 0.0, 1.0], [light] * 3)
    )
    assert 2 < own < 17  # a fourth of a third of them each
    assert 2 < gray < 17


def test_a_palette_with_transparency_is_read(tmp_path: Path) -> None:
    picture = Image.new("P", (30, 30), 0)
    picture.putpalette([0, 0, 0, 0, 0, 255])
    picture.paste(1, (5, 5, 25, 25))
    picture.save(tmp_path / "palette.png", transparency=0)
    sample = marked(Watermark(str(tmp_path / "palette.png"), opacity=1), torch.zeros(10, 3, 60, 80))
    assert sample.x[:, 2].max() == 1
    assert not sample.x[:, :2].any()


def test_files_are_needed_to_corrupt_only(tmp_path: Path) -> None:
    gone = str(tmp_path / "gone.png")
    module = build(config_of(Watermark(gone)))
    assert module.prepare_input(PHOTOS) is PHOTOS
    with pytest.raises(BadInput, match=r"gone.png: there is no such overlay"):
        marked(module)


def test_an_invalid_overlay_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "empty").mkdir()
    nothing = save(tmp_path / "nothing.png", (255, 0, 0, 0))
    for overlay, says in {
        str(tmp_path / "text.png"): "text.png: not an image",
        str(tmp_path / "empty"): "empty: this folder holds no overlay images",
        nothing: "nothing.png: an overlay that is transparent everywhere",
    }.items():
        with pytest.raises(BadInput, match=says) as error:
            marked(Watermark(overlay))
        assert "\n" not in str(error.value)
    with pytest.raises(BadInput, match="opacity is 2"):
        Watermark(opacity=2)


def test_its_text_form_has_a_path_as_strength(tmp_path: Path) -> None:
    blue = save(tmp_path / "blue.png", (0, 0, 255, 255))
    module = corruption(f"watermark:{blue}")
    assert isinstance(module, Watermark)
    assert module.overlay == (blue,)


def test_real_logos_are_read(real_data: Path) -> None:
    sample = marked(Watermark(str(real_data / "logos_cc0")), PHOTOS[:8])
    assert np.isfinite(sample.x.numpy()).all()
    assert sample.condition["mask"].max() > 0.2


def test_the_first_marks_of_a_training_are_strong_and_small() -> None:
    mark = Watermark(opacity=(0.2, 0.9), size=(20, 80), ease=0.5)
    assert mark.follows_progress
    assert not Watermark().follows_progress
    x = torch.full((240, 3, 120, 120), 0.5)

    def drawn(progress: float) -> tuple[float, float]:
        """The least opacity, and the median area that is covered."""
        noise = Noise(0, 0, len(x))
        told = mark(Sample.of(x), Context(noise, progress=progress)).condition
        return float(told["opacity"].min()), float((told["mask"] > 0).flatten(1).sum(1).float().median())

    (first, little), (later, more) = drawn(0.0), drawn(0.5)
    assert first > 0.68
    assert later < 0.25
    assert little < 0.7 * more
    assert drawn(0.5) == drawn(1.0)
