"""Every figure against a library that has it too."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.linalg
import torch
from skimage.color import rgb2ycbcr
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch import Tensor, nn

from isthmus import metrics


def pair(*shape: int) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(sum(shape))
    truth = torch.rand(*shape, generator=random)
    return (truth + 0.1 * torch.randn(*shape, generator=random)).clamp(0, 1), truth


@pytest.mark.parametrize("shape", [(1, 28, 28), (1, 33, 47), (3, 12, 40), (3, 11, 11), (1, 200, 130)])
def test_ssim_is_that_of_scikit_image(shape: tuple[int, ...]) -> None:
    ours = metrics.ssim(*pair(3, *shape))
    for value, picture, truth in zip(ours, *pair(3, *shape), strict=True):
        exact = structural_similarity(
            truth.numpy(),
            picture.numpy(),
            channel_axis=0,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            data_range=1.0,
        )
        assert float(value) == pytest.approx(exact, abs=2e-5)


@pytest.mark.parametrize(("shape", "size"), [((1, 8, 8), 7), ((1, 7, 30), 7), ((3, 5, 9), 5), ((1, 2, 2), 1)])
def test_ssim_of_a_tiny_picture_has_the_largest_odd_window_that_fits(shape: tuple[int, ...], size: int) -> None:
    picture, truth = pair(1, *shape)
    offsets = np.arange(size) - size // 2
    window = np.exp(-(offsets[:, None] ** 2 + offsets[None] ** 2) / (2 * 1.5**2))
    window /= window.sum()
    values = []
    for a, b in zip(picture[0].double().numpy(), truth[0].double().numpy(), strict=True):
        for i in range(a.shape[0] - size + 1):
            for j in range(a.shape[1] - size + 1):
                p, q = a[i : i + size, j : j + size], b[i : i + size, j : j + size]
                mp, mq = (window * p).sum(), (window * q).sum()
                vp, vq = (window * (p - mp) ** 2).sum(), (window * (q - mq) ** 2).sum()
                both = (window * (p - mp) * (q - mq)).sum()
                c1, c2 = 0.0001, 0.0009
                values.append((2 * mp * mq + c1) * (2 * both + c2) / ((mp**2 + mq**2 + c1) * (vp + vq + c2)))
    assert float(metrics.ssim(picture, truth)) == pytest.approx(np.mean(values), abs=2e-5)


@pytest.mark.parametrize("shape", [(1, 9, 11), (3, 32, 20), (13,)])
def test_psnr_is_that_of_scikit_image(shape: tuple[int, ...]) -> None:
    picture, truth = pair(4, *shape)
    exact = [peak_signal_noise_ratio(t.numpy(), p.numpy(), data_range=1.0) for p, t in zip(picture, truth, strict=True)]
    assert metrics.psnr(picture, truth).tolist() == pytest.approx(exact, rel=1e-4)


def test_psnr_in_a_mask_is_that_of_its_pixels_alone() -> None:
    picture, truth = pair(3, 3, 9, 11)
    mask = (torch.arange(3 * 9 * 11).view(3, 1, 9, 11) * 7919 % 5 == 0).float()
    exact = [
        peak_signal_noise_ratio(t[:, m > 0].numpy(), p[:, m > 0].numpy(), data_range=1.0)
        for p, t, m in zip(picture, truth, mask[:, 0], strict=True)
    ]
    assert metrics.psnr(picture, truth, mask).tolist() == pytest.approx(exact, rel=1e-4)
    assert metrics.psnr(picture, truth, 0.5 * mask).tolist() == metrics.psnr(picture, truth, mask).tolist()
    assert metrics.psnr(picture, truth, torch.ones(3, 1, 9, 11)).tolist() == pytest.approx(
        metrics.psnr(picture, truth).tolist()
    )
    assert math.isnan(float(metrics.psnr(picture, truth, torch.zeros(3, 1, 9, 11))[0]))


def test_luma_is_that_of_scikit_image() -> None:
    _, picture = pair(2, 3, 6, 7)
    for item, y in zip(picture.double(), metrics.luma(picture.double()), strict=True):
        exact = rgb2ycbcr(item.permute(1, 2, 0).numpy())[..., 0]
        assert np.abs(255 * y[0].numpy() - exact).max() < 1e-9
    assert torch.equal(metrics.luma(picture[:, :1]), picture[:, :1])


@pytest.mark.parametrize(("channels", "border"), [(3, 0), (3, 4), (1, 2)])
def test_psnr_and_ssim_of_the_luma_are_on_8_bits_and_inside_the_border(channels: int, border: int) -> None:
    picture, truth = pair(2, channels, 20, 23)
    exact, alike = [], []
    for pair_ in zip(picture.double(), truth.double(), strict=True):
        planes = [
            np.rint(rgb2ycbcr(p.permute(1, 2, 0).numpy())[..., 0] if channels == 3 else 255 * p[0].numpy())
            for p in pair_
        ]
        a, b = (p[border : p.shape[0] - border, border : p.shape[1] - border] for p in planes)
        exact.append(peak_signal_noise_ratio(b, a, data_range=255))
        window = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "full": True}
        likeness = structural_similarity(b, a, data_range=255, **window)[1]
        alike.append(likeness[5:-5, 5:-5].mean())
    assert metrics.ssim_y(picture.double(), truth.double(), border).tolist() == pytest.approx(alike, rel=1e-6)
    assert metrics.psnr_y(picture.double(), truth.double(), border).tolist() == pytest.approx(exact, rel=1e-6)


def test_a_picture_like_the_truth_is_infinitely_good() -> None:
    _, truth = pair(2, 1, 16, 16)
    assert metrics.psnr(truth, truth).tolist() == [math.inf, math.inf]
    assert metrics.ssim(truth, truth).tolist() == pytest.approx([1.0, 1.0], abs=1e-5)
    assert metrics.squared_error(truth, truth).tolist() == [0.0, 0.0]


def test_squared_error_is_summed_over_an_item() -> None:
    assert metrics.squared_error(torch.full((2, 3, 4, 5), 0.5), torch.zeros(2, 3, 4, 5)).tolist() == [
        15.0,
        15.0,
    ]


@pytest.mark.parametrize(("k", "l"), [(3, 3), (2, 5), (5, 2), (1, 1)])
def test_subspace_angles_are_those_of_scipy(k: int, l: int) -> None:  # noqa: E741
    random = torch.Generator().manual_seed(k + 10 * l)
    a, b = torch.randn(12, k, generator=random), torch.randn(12, l, generator=random)
    exact = np.rad2deg(scipy.linalg.subspace_angles(a.double().numpy(), b.double().numpy()))
    assert metrics.subspace_angles(a, b).tolist() == pytest.approx(exact.tolist(), abs=1e-6)


def test_the_angles_of_a_subspace_to_itself_are_nothing_and_to_its_complement_right() -> None:
    eye = torch.eye(6)
    assert metrics.subspace_angles(eye[:, :3], eye[:, [2, 0, 1]]).abs().max() < 1e-6
    assert metrics.subspace_angles(eye[:, :3], eye[:, 3:]).tolist() == pytest.approx([90.0] * 3)
    tilt = eye[:, :1] + 1e-8 * eye[:, 5:]
    assert metrics.subspace_angles(eye[:, :1], tilt).tolist() == pytest.approx([np.rad2deg(1e-8)], rel=1e-6)


def test_jacobian_norm_is_that_of_autograd() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(12, 7), nn.Tanh(), nn.Linear(7, 5))
    x = torch.rand(6, 3, 2, 2)
    exact = [torch.autograd.functional.jacobian(net, item[None]).norm().item() for item in x]
    with torch.no_grad():
        assert metrics.jacobian_norm(net, x).tolist() == pytest.approx(exact, rel=1e-5)


def test_auroc_is_the_chance_that_a_true_item_scores_higher() -> None:
    truth = [0, 0, 1, 1]
    assert metrics.auroc([1, 2, 3, 4], truth) == 1.0
    assert metrics.auroc([4, 3, 2, 1], truth) == 0.0
    assert metrics.auroc([1, 3, 2, 4], truth) == 0.75
    assert metrics.auroc([1, 1, 1, 1], truth) == 0.5


def test_active_units_are_those_whose_mean_varies() -> None:
    means = torch.randn(1000, 4, generator=torch.Generator().manual_seed(0)) * torch.tensor([1.0, 0.2, 0.05, 0.0])
    assert metrics.active_units(means) == 2
    assert metrics.active_units(means.view(1000, 2, 1, 2)) == 2


def test_perplexity_counts_the_symbols_in_fair_use() -> None:
    assert metrics.perplexity(torch.tensor([5, 5, 5, 5])) == pytest.approx((1.0, 4.0))
    assert metrics.perplexity(torch.tensor([7, 0, 0, 7])) == pytest.approx((0.5, 2.0))
    assert metrics.perplexity(torch.tensor([9, 0, 0, 0])) == pytest.approx((0.25, 1.0))
    share = np.array([0.5, 0.25, 0.25])
    exact = math.exp(-(share * np.log(share)).sum())
    assert metrics.perplexity(torch.tensor([2, 1, 1]))[1] == pytest.approx(exact)


def test_the_best_f1_is_that_of_all_thresholds_tried() -> None:
    random = np.random.default_rng(0)
    truth = random.random(80) < 0.3
    score = np.round(truth + random.normal(size=80), 1)  # with ties

    def f1(threshold: float) -> float:
        found = score >= threshold
        return 2 * (found & truth).sum() / (found.sum() + truth.sum())

    value, threshold = metrics.best_f1(score, truth)
    assert value == pytest.approx(max(f1(t) for t in score))
    assert f1(threshold) == pytest.approx(value)


def test_aupro_is_that_of_thresholds_tried_one_by_one() -> None:
    random = np.random.default_rng(1)
    masks = [np.zeros((12, 15), bool) for _ in range(3)]
    masks[0][2:5, 3:9] = masks[0][8:11, 10:12] = masks[1][4:6, 4:6] = True
    masks[1][6, 6] = True  # touches by a corner: one region
    maps = [np.round(mask * 0.7 + random.random(mask.shape), 1) for mask in masks]
    regions = [(0, np.s_[2:5, 3:9]), (0, np.s_[8:11, 10:12]), (1, None)]
    points = [(0.0, 0.0)]
    for threshold in sorted({float(v) for one in maps for v in one.ravel()}, reverse=True):
        found = [one >= threshold for one in maps]
        overlaps = [found[n][where].mean() if where else found[n][masks[n]].mean() for n, where in regions]
        good = np.concatenate([f[~m] for f, m in zip(found, masks, strict=True)])
        points.append((good.mean(), float(np.mean(overlaps))))
    grid = np.linspace(0, 0.3, 300001)
    area = np.interp(grid, *zip(*points, strict=True)).mean()
    assert metrics.aupro(maps, masks) == pytest.approx(area, abs=1e-4)
    assert metrics.aupro([np.asarray(m, float) for m in masks], masks) == pytest.approx(1)
    assert math.isnan(metrics.aupro(maps, [np.zeros((12, 15))] * 3))
