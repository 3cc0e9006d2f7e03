"""The metrics of evaluate: which exist for which model, and their definitions."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio
from torch.distributions import Bernoulli, Normal, kl_divergence

from isthmus import create, evaluate, fit, load
from isthmus.bottlenecks.base import Bottleneck
from isthmus.errors import BadInput
from isthmus.metrics import ssim
from isthmus.types import Code, Context, Noise, Sample, no_penalty

RunOf = Callable[[str], Path]
ALWAYS = {"data", "split", "items", "code_size", "input_size", "compression_factor", "mse_per_pixel", "sse_per_image"}
ALWAYS |= {"psnr", "ssim", "seconds_per_epoch", "images_per_second"}
ACTIVE = {"mean_active_fraction", "dead_units"}
NATS = {"kl_nats", "elbo_nats", "nll_nats", "nll_standard_error", "protocol"}
KEYS = {
    "undercomplete": {"bce_per_pixel", "jacobian_norm"} | ACTIVE,
    "linear": {"jacobian_norm"},
    "conv": {"jacobian_norm"},
    "denoising": {"bce_per_pixel", "jacobian_norm", "psnr_before", "ssim_before"},
    "sparse": {"bce_per_pixel", "jacobian_norm"} | ACTIVE,
    "contractive": {"bce_per_pixel", "jacobian_norm"},
    "variational": {"jacobian_norm", "active_units"} | NATS,
    "binary": {"bce_per_pixel", "jacobian_norm", "active_units"} | NATS,
    "quantized": {"codebook_usage", "codebook_perplexity"},
}


@pytest.fixture
def x(digits: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(digits).float() / 255


def mean(values: torch.Tensor) -> float:
    return float(values.double().mean())


@pytest.mark.parametrize("recipe", KEYS)
def test_a_figure_is_there_where_it_applies_and_nowhere_else(recipe: str, run_of: RunOf, digits: Any) -> None:
    figures = evaluate(run_of(recipe), digits, split="all")
    assert set(figures) == ALWAYS | KEYS[recipe]
    assert json.loads(json.dumps(figures)) == figures


@pytest.mark.parametrize("recipe", KEYS)
def test_the_same_run_and_data_give_the_same_figures(recipe: str, run_of: RunOf, digits: Any) -> None:
    torch.manual_seed(1)
    first = evaluate(run_of(recipe), digits)
    torch.manual_seed(2)
    assert evaluate(run_of(recipe), digits) == first


def test_errors_are_means_over_images(run_of: RunOf, digits: Any, x: torch.Tensor) -> None:
    run = run_of("undercomplete")
    figures, rebuilt = evaluate(run, digits, split="all"), load(run).reconstruct(digits)
    sse = (rebuilt.double() - x).square().sum((1, 2, 3))
    psnr = [peak_signal_noise_ratio(a.numpy(), b.numpy(), data_range=1.0) for a, b in zip(x, rebuilt, strict=True)]
    bce = -(x * rebuilt.double().log() + (1 - x) * (1 - rebuilt.double()).log())
    assert figures["items"] == 60
    assert figures["sse_per_image"] == pytest.approx(mean(sse), rel=1e-5)
    assert figures["mse_per_pixel"] == pytest.approx(mean(sse) / 64, rel=1e-5)
    assert figures["psnr"] == pytest.approx(np.mean(psnr), rel=1e-5)
    assert figures["ssim"] == pytest.approx(mean(ssim(rebuilt, x)), rel=1e-5)
    assert figures["bce_per_pixel"] == pytest.approx(mean(bce), rel=1e-4)


@pytest.mark.parametrize(
    ("recipe", "size", "factor"),
    [("undercomplete", 5, 64 / 5), ("conv", 8, 8.0), ("quantized", 4, 64 * 8 / (4 * 4))],
)
def test_sizes_are_counted_in_numbers_and_for_symbols_in_bits(
    recipe: str, size: int, factor: float, run_of: RunOf, digits: Any
) -> None:
    figures = evaluate(run_of(recipe), digits)
    assert (figures["code_size"], figures["input_size"]) == (size, 64)
    assert figures["compression_factor"] == pytest.approx(factor)


def test_a_discrete_code_without_a_channel_axis_counts_all_its_symbols() -> None:
    class Quarters(Bottleneck):
        """Six symbols of four levels each, the code being the symbols themselves."""

        discrete, codes = True, 4

        def forward(self, h: torch.Tensor, ctx: Context) -> Code:
            symbols = (self.head(h).sigmoid() * 3).round().long()
            return Code(symbols.float(), no_penalty(symbols), {}, symbols)

    model = create("undercomplete", shape=(1, 8, 8), code=6)
    model.bottleneck = Quarters(model.encoder.out_shape, (6,))  # type: ignore[arg-type]
    figures = evaluate(model, np.arange(256, dtype=np.uint8).reshape(4, 8, 8))
    assert (figures["code_size"], figures["compression_factor"]) == (6, 64 * 8 / (6 * 2))


@pytest.mark.parametrize("recipe", ["undercomplete", "sparse"])
def test_units_at_work_are_counted_over_the_data(recipe: str, run_of: RunOf, digits: Any) -> None:
    figures, codes = evaluate(run_of(recipe), digits, split="all"), load(run_of(recipe)).encode(digits)
    assert figures["mean_active_fraction"] == pytest.approx(mean((codes > 0).double()))
    assert figures["dead_units"] == int((codes <= 0).all(0).sum())


@pytest.mark.parametrize("kind", ["variational", "binary"])
def test_the_elbo_is_that_of_one_draw_with_seed_0(kind: str, run_of: RunOf, digits: Any, x: torch.Tensor) -> None:
    model, figures = load(run_of(kind)), evaluate(run_of(kind), digits, split="all")
    with torch.no_grad():
        mu, log_variance = model.bottleneck.head(model.encoder(x)).chunk(2, dim=1)
        sigma = (0.5 * log_variance).exp()
        kl = kl_divergence(Normal(mu, sigma), Normal(0.0, 1.0)).sum(1)
        y = model.decoder(mu + sigma * Noise(0, 0, 60).normal(4))
        if kind == "binary":
            log_chance = Bernoulli(logits=y, validate_args=False).log_prob(x)
        else:  # of one of the 256 stored values, each of which is 1/255 wide
            width = (-6 + torch.nn.functional.softplus(model.objective.log_sigma + 6)).exp()
            log_chance = Normal(y.sigmoid(), width).log_prob(x) - math.log(255)
    elbo = log_chance.sum((1, 2, 3)) - kl
    assert figures["kl_nats"] == pytest.approx(mean(kl), rel=1e-4)
    assert figures["elbo_nats"] == pytest.approx(mean(elbo), rel=1e-5)
    assert figures["elbo_nats"] < 0
    assert figures["active_units"] == int((mu.var(0) > 0.01).sum())


def test_the_codebook_is_counted_over_the_data(run_of: RunOf, digits: Any) -> None:
    figures, symbols = evaluate(run_of("quantized"), digits, split="all"), load(run_of("quantized")).symbols(digits)
    assert symbols is not None
    share = np.bincount(symbols.flatten().numpy(), minlength=16) / symbols.numel()
    assert figures["codebook_usage"] == (share > 0).mean()
    assert figures["codebook_perplexity"] == pytest.approx(math.exp(-sum(p * math.log(p) for p in share if p)))


@pytest.mark.parametrize("recipe", ["undercomplete", "contractive", "variational", "conv"])
def test_the_jacobian_is_that_of_encode(recipe: str, run_of: RunOf, digits: Any, x: torch.Tensor) -> None:
    model, figures = load(run_of(recipe)), evaluate(run_of(recipe), digits, first=5, split="all")

    def code(item: torch.Tensor) -> torch.Tensor:
        return model.predict(Sample.of(item), Context())[1].z

    norms = [torch.autograd.functional.jacobian(code, item[None]).norm() for item in x[:5]]
    assert figures["jacobian_norm"] == pytest.approx(mean(torch.stack(norms)), rel=1e-4)


def test_a_denoiser_is_scored_on_damage_of_seed_0_against_the_clean_picture(
    run_of: RunOf, digits: Any, x: torch.Tensor
) -> None:
    model, figures = load(run_of("denoising")), evaluate(run_of("denoising"), digits, split="all")
    damaged = model.corruption(Sample.of(x), Context(Noise(0, 0, 60))).x
    before = -10 * (damaged - x).square().mean((1, 2, 3)).log10()
    after = -10 * (model.reconstruct(damaged) - x).square().mean((1, 2, 3)).log10()
    assert figures["psnr_before"] == pytest.approx(mean(before), rel=1e-5)
    assert figures["psnr_before"] == pytest.approx(-20 * math.log10(0.3), abs=0.2)
    assert figures["psnr"] == pytest.approx(mean(after), rel=1e-4)


def test_a_perfect_model_has_an_infinite_psnr_which_is_written_as_null(tmp_path: Path, digits: Any) -> None:
    model = create("linear", shape=(1, 8, 8), code=64)
    with torch.no_grad():
        for layer in (model.bottleneck.head[0][1], model.decoder.layers[0]):
            layer.weight.copy_(torch.eye(64))
            layer.bias.zero_()
    model.save(tmp_path / "run")
    figures = evaluate(tmp_path / "run", digits)
    assert figures["psnr"] == math.inf
    written = json.loads((tmp_path / "run" / "metrics.json").read_text())["evaluations"]["array:all"]
    assert written["psnr"] is None
    assert written["sse_per_image"] == 0.0


# -- the part --


def test_the_data_of_the_training_are_scored_on_their_recorded_test_part(run_of: RunOf, digits: Any) -> None:
    run = run_of("undercomplete")
    figures = evaluate(run, digits)
    assert (figures["split"], figures["items"]) == ("test", 12)
    model = load(run)
    rows = fit(create("undercomplete", shape=(1, 8, 8), code=5), digits, epochs=1, test=0.2, validation=0.1, quiet=True)
    test = digits[rows.parts["test"]]
    exact = (model.reconstruct(test) - torch.from_numpy(test) / 255).square().sum((1, 2, 3))
    assert figures["sse_per_image"] == pytest.approx(mean(exact), rel=1e-5)


def test_other_data_are_scored_whole(run_of: RunOf, digits: Any) -> None:
    figures = evaluate(run_of("undercomplete"), digits[:20])
    assert (figures["split"], figures["items"]) == ("all", 20)


def test_a_built_in_set_is_scored_on_its_official_test_part(run_of: RunOf) -> None:
    figures = evaluate(run_of("undercomplete"), "digits")
    assert (figures["data"], figures["split"], figures["items"]) == ("digits", "test", 360)


@pytest.mark.parametrize(("split", "items"), [("train", 42), ("validation", 6), ("test", 12), ("all", 60)])
def test_a_part_may_be_asked_for(split: str, items: int, run_of: RunOf, digits: Any) -> None:
    assert evaluate(run_of("undercomplete"), digits, split=split)["items"] == items
    assert evaluate(run_of("undercomplete"), digits, split=split, first=3)["items"] == 3


def test_a_part_that_there_is_not_gets_the_nearest_name(run_of: RunOf, digits: Any) -> None:
    with pytest.raises(BadInput, match="unknown split 'tests': did you mean 'test'"):
        evaluate(run_of("undercomplete"), digits, split="tests")


class Pictures(torch.utils.data.Dataset):  # type: ignore[type-arg]
    def __init__(self, items: np.ndarray) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> np.ndarray:
        return self.items[index]


def test_another_dataset_of_the_same_class_is_other_data(digits: Any) -> None:
    model = create("undercomplete", shape=(1, 8, 8), code=5)
    fit(model, Pictures(digits), epochs=1, test=0.2, device="cpu", quiet=True)
    assert evaluate(model, Pictures(digits))["split"] == "test"
    assert evaluate(model, Pictures(digits[:20]))["split"] == "all"


# -- where it comes from and goes to --


def test_without_data_those_of_the_training_are_taken(tmp_path: Path, digits: Any) -> None:
    np.save(tmp_path / "digits.npy", digits)
    model = create("undercomplete", shape=(1, 8, 8), code=5)
    fit(model, tmp_path / "digits.npy", out=tmp_path / "run", epochs=1, test=0.2, device="cpu", quiet=True)
    assert evaluate(tmp_path / "run") == evaluate(tmp_path / "run", tmp_path / "digits.npy", split="test")


def test_without_data_a_run_on_an_array_asks_for_them(run_of: RunOf) -> None:
    with pytest.raises(BadInput) as error:
        evaluate(run_of("undercomplete"))
    assert "\n" not in str(error.value)


def test_a_model_in_memory_is_evaluated_as_its_run_is(run_of: RunOf, digits: Any) -> None:
    assert evaluate(load(run_of("linear")), digits) == evaluate(run_of("linear"), digits)


def test_figures_are_kept_in_the_run_but_not_those_of_a_few_items(tmp_path: Path, run_of: RunOf, digits: Any) -> None:
    shutil.copytree(run_of("linear"), tmp_path / "run")
    (tmp_path / "run" / "metrics.json").write_text('{"status": "done"}')
    evaluate(tmp_path / "run", digits, first=2)
    assert "evaluations" not in json.loads((tmp_path / "run" / "metrics.json").read_text())
    figures = evaluate(tmp_path / "run", digits)
    kept = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert kept == {"status": "done", "evaluations": {"array:test": figures}}


@pytest.mark.parametrize("shape", [(4, 1, 9, 8), (4, 3, 8, 8), (4, 63)])
def test_data_that_do_not_fit_are_refused(shape: tuple[int, ...], run_of: RunOf) -> None:
    with pytest.raises(BadInput) as error:
        evaluate(run_of("undercomplete"), np.zeros(shape, np.uint8))
    assert "\n" not in str(error.value)


def test_a_path_without_a_run_is_refused(tmp_path: Path, digits: Any) -> None:
    with pytest.raises(BadInput, match="no such run folder"):
        evaluate(tmp_path / "nothing", digits)


@pytest.mark.parametrize(("loss", "bounds"), [("bce", True), ("gaussian", True), ("mse", False), ("l1", False)])
def test_an_elbo_is_of_a_likelihood_alone(loss: str, bounds: bool, digits: Any) -> None:
    model = create("variational", shape=digits.shape[1:], loss=loss)
    figures = evaluate(model, digits[:8])
    assert "kl_nats" in figures
    assert ("elbo_nats" in figures) == bounds
