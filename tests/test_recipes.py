"""create(): accepted and refused arguments, and the linear recipe compared with PCA."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import scipy.linalg
import torch
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from isthmus import create, fit
from isthmus.errors import BadInput, Note
from isthmus.recipes import RECIPES, find
from isthmus.recipes.registry import ALIASES, parse_code


@pytest.mark.usefixtures("one_thread")
def test_the_linear_recipe_equals_pca() -> None:
    x = torch.from_numpy(load_digits(return_X_y=True)[0] / 16).float()
    model = create("linear", shape=(64,), code=4)
    fit(model, x, epochs=50, lr=2e-2, batch_size=64, validation=0.0, test=0.0, device="cpu", quiet=True)
    pca = PCA(4).fit(x.numpy())

    ours = (model.reconstruct(x) - x).square().sum().item()  # a picture is cut to [0, 1]: never worse than PCA
    mean = (model.objective.mean(model.decoder(model.encode(x))) - x).square().sum().item()
    exact = float(((pca.inverse_transform(pca.transform(x.numpy())) - x.numpy()) ** 2).sum())
    assert exact * (1 - 1e-5) < mean < 1.005 * exact
    assert ours < mean

    span = model.decoder.directions.T.double().numpy()
    angles = np.rad2deg(scipy.linalg.subspace_angles(span, pca.components_.T))
    assert angles.max() < 3


def test_the_nine_recipes_are_registered_with_summaries() -> None:
    nine = "undercomplete linear deep conv denoising sparse contractive variational quantized"
    assert set(nine.split()) <= set(RECIPES)
    for recipe in RECIPES.values():
        assert recipe.summary.endswith((".", ")."))
        assert [key for key, (_, meaning) in recipe.keys.items() if not meaning] == []


@pytest.mark.parametrize("alias", ALIASES)
def test_an_alias_is_its_recipe(alias: str) -> None:
    assert find(alias) is RECIPES[ALIASES[alias]]


@pytest.mark.parametrize(
    ("name", "says"),
    [("variatonal", "did you mean 'variational'"), ("qqq", "there are: "), ("Conv", "did you mean 'conv'")],
)
def test_an_unknown_recipe_gets_the_nearest_name(name: str, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        create(name, shape=(1, 8, 8))


def test_an_unknown_key_gets_the_nearest_name() -> None:
    with pytest.raises(BadInput, match="unknown key for variational 'bet': did you mean 'beta'"):
        create("variational", shape=(1, 8, 8), bet=2)


@pytest.mark.parametrize("code", [0, -3, "abc", "4x", "0x7", "", (), 2.5, [None]])
def test_an_invalid_code_is_refused_in_one_line(code: object) -> None:
    with pytest.raises(BadInput) as error:
        parse_code(code)  # type: ignore[arg-type]
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("code", [4, "4", (4,), [4], np.int64(4)])
def test_a_code_may_be_written_in_several_ways(code: object) -> None:
    assert create("undercomplete", shape=(13,), code=code).code_shape == (4,)  # type: ignore[arg-type]


def test_a_code_may_be_a_small_picture() -> None:
    assert parse_code("4x7×7") == parse_code((4, 7, 7)) == (4, 7, 7)
    assert create("conv", shape=(1, 28, 28), code="4x7x7").encode(torch.zeros(2, 1, 28, 28)).shape == (2, 4, 7, 7)


def test_the_code_of_a_table_is_half_its_columns_by_default() -> None:
    for recipe in ("undercomplete", "linear", "deep", "denoising", "sparse", "contractive", "variational", "detect"):
        assert create(recipe, shape=(3,)).code_shape == (2,), recipe
    assert create("undercomplete", shape=(784,)).code_shape == (24,)
    assert create("detect", shape=(140,)).code_shape == (32,)


def test_a_code_larger_than_the_input_warns() -> None:
    with pytest.warns(UserWarning, match="20 numbers for 13 inputs is no bottleneck"):
        create("undercomplete", shape=(13,), code=20)


@pytest.mark.filterwarnings("error")
def test_a_code_as_large_as_the_input_does_not_warn() -> None:
    create("undercomplete", shape=(13,), code=13)


def test_a_grid_that_no_stage_reaches_is_answered_with_one_that_can_be_reached() -> None:
    with pytest.raises(BadInput, match="ask for 4x7x7"):
        create("conv", shape=(1, 28, 28), code="4x8x8", channels=(8, 16))
    create("conv", shape=(1, 28, 28), code="4x7x7", channels=(8, 16))


@pytest.mark.parametrize(("recipe", "shape"), [("conv", (13,)), ("quantized", (13,)), ("deep", (3, 13)), ("deep", ())])
def test_a_shape_that_a_recipe_does_not_take_is_refused(recipe: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(BadInput, match=r"takes .*, not "):
        create(recipe, shape=shape)


@pytest.mark.parametrize(
    ("recipe", "keys", "says"),
    [
        ("variational", {"beta": "much"}, "a number is accepted"),
        ("sparse", {"kind": "l2"}, "unknown kind of sparsity"),
        ("sparse", {"k": 2.5}, "a whole number is accepted"),
        ("deep", {"norm": 1}, "yes or no is accepted"),
        ("deep", {"widths": "500,x"}, "whole numbers such as 500,250"),
        ("deep", {"widths": (0,)}, "every number is 1 or more"),
        ("deep", {"activation": "rellu"}, "did you mean 'relu'"),
        ("deep", {"loss": "mze"}, "did you mean 'mse'"),
        ("deep", {"augment": "afine"}, "did you mean 'affine'"),
        ("conv", {"down": "strid"}, "did you mean 'stride'"),
        ("conv", {"up": "upsampel"}, "did you mean 'upsample'"),
        ("denoising", {"net": "cnn"}, "unknown net"),
        ("denoising", {"corruption": "gausian:0.3"}, "did you mean 'gaussian'"),
        ("quantized", {"quantizer": "fqs"}, "unknown quantizer"),
        ("denoise", {"sigma": "strong"}, "sigma is strong: a number such as 25"),
        ("inpaint", {"share": "half"}, "share is half: a number such as 25"),
        ("unwatermark", {"opacity": "2"}, "opacity is 2"),
        ("denoise", {"sigma": -5}, r"sigma is -5\.0: a number from 0 up"),
        ("denoise", {"sigma": True}, "sigma is yes: a number such as 25"),
        ("denoise", {"sigma": 25, "corruption": "jpeg"}, "name one of the two"),
        ("denoise", {"corruption": "blindspot"}, "did you mean 'blind-spot'"),
        ("denoise", {"corruption": False}, "unknown corruption"),
        ("denoise", {"corruption": "shrink:2"}, "for the recipe upscale alone"),
        ("denoise", {"corruption": "gaussian:0.1+holes"}, "for the recipe inpaint alone"),
        ("denoise", {"corruption": "neighbors", "loss": "ssim"}, "needs clean images; mse and l1 are accepted"),
    ],
)
def test_an_invalid_value_is_refused_in_one_line(recipe: str, keys: dict[str, object], says: str) -> None:
    with pytest.raises(BadInput, match=says) as error:
        create(recipe, shape=(1, 16, 16), **keys)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("recipe", "keys"),
    [
        ("sparse", {"kind": "kl", "rate": 0.0}),
        ("sparse", {"kind": "kl", "rate": 1.0}),
        ("sparse", {"kind": "topk", "k": 0}),
        ("sparse", {"kind": "topk", "k": -2}),
        ("quantized", {"codes": 0}),
        ("quantized", {"codes": 1}),
        ("quantized", {"dim": 0}),
        ("quantized", {"quantizer": "fsq", "levels": (1, 8)}),
        ("conv", {"blocks": -1}),
        ("conv", {"channels": ()}),
        ("variational", {"beta": -1.0}),
    ],
)
def test_a_number_that_makes_no_sense_is_refused_before_any_training(recipe: str, keys: dict[str, object]) -> None:
    with pytest.raises(BadInput):
        create(recipe, shape=(1, 16, 16), **keys)


def test_keys_may_be_given_as_the_command_line_gives_them() -> None:
    model = create("deep", shape=(1, 8, 8), code="3", widths="20,10")
    assert [layer.out_features for layer in model.encoder.layers if hasattr(layer, "out_features")] == [20, 10]
    assert create("sparse", shape=(1, 8, 8), code=9, weight="none").bottleneck.weight == 0.1


@pytest.mark.parametrize("sigma", [25, "25", 25.0])
def test_the_strength_of_noise_may_be_a_number_or_a_range(sigma: object) -> None:
    noise = create("denoise", shape=(1, 16, 16), sigma=sigma).corruption
    assert (noise.low, noise.high) == (25 / 255, 25 / 255)
    noise = create("denoise", shape=(1, 16, 16)).corruption
    assert (noise.low, noise.high) == (0, 55 / 255)


def test_without_clean_pictures_the_mean_is_learned_and_not_the_median() -> None:
    losses = {key: create("denoise", shape=(1, 16, 16), corruption=key).objective for key in ("neighbors", "jpeg")}
    assert [type(loss).__name__ for loss in losses.values()] == ["Gaussian", "Laplace"]
    own = create("denoise", shape=(1, 16, 16), corruption="blind-spot", loss="l1").objective
    assert type(own).__name__ == "Laplace"


def test_a_seed_draws_the_weights_and_nothing_else() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    a, b, c = (create("deep", shape=(13,), code=3, widths=(8,), seed=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.rand(3), expected)
    same = [torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True)]
    assert all(same)
    assert not all(torch.equal(p, q) for p, q in zip(a.parameters(), c.parameters(), strict=True))


@pytest.mark.parametrize("kind", ["l1", "kl", "topk"])
def test_a_sparse_code_larger_than_the_input_is_no_reason_for_a_note(kind: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        create("sparse", shape=(1, 8, 8), code=128, kind=kind)
    with pytest.warns(Note, match="a code of 128 numbers for 64 inputs is no bottleneck any more"):
        create("undercomplete", shape=(1, 8, 8), code=128)
