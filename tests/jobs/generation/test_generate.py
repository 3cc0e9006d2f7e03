"""generate: items of a seed, their files and their origin; priors are fitted when they are needed, and kept."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import isthmus
from isthmus import fit_prior, generate, load
from isthmus.errors import BadInput
from isthmus.jobs.generation.prior_files import load_prior, prior_file

RunOf = Callable[[str], Path]


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_new_pictures_follow_from_their_seed(run_of: RunOf) -> None:
    run = run_of("variational")
    pictures = generate(run, 5, seed=3)
    assert isinstance(pictures, torch.Tensor)
    assert pictures.shape == (5, 1, 8, 8)
    assert 0 <= pictures.min() <= pictures.max() <= 1
    assert torch.equal(generate(run, 5, seed=3), pictures)
    assert not torch.equal(generate(run, 5, seed=4), pictures)


@pytest.mark.filterwarnings("error")
def test_a_type_with_a_prior_generates_without_a_word(run_of: RunOf) -> None:
    generate(run_of("variational"), 2)


@pytest.mark.parametrize("recipe", ["undercomplete", "conv", "sparse", "quantized"])
def test_a_type_without_a_prior_warns(recipe: str, run_of: RunOf) -> None:
    with pytest.warns(UserWarning, match="no latent prior"):
        assert generate(run_of(recipe), 2).shape == (2, 1, 8, 8)


def test_the_suffix_decides_the_format_of_generated_images(run_of: RunOf, tmp_path: Path) -> None:
    run = run_of("variational")
    for name in ("grid.png", "film.gif", "array.npy", "table.csv", "folder"):
        assert generate(run, 4, out=tmp_path / name) == tmp_path / name
    assert np.load(tmp_path / "array.npy").shape == (4, 1, 8, 8)
    assert np.loadtxt(tmp_path / "table.csv", delimiter=",").shape == (4, 64)
    assert files(tmp_path / "folder") == [*(f"{i:05d}.png" for i in range(4)), "samples.csv"]
    with Image.open(tmp_path / "film.gif") as film:
        assert film.n_frames > 1


@pytest.mark.parametrize("n", [0, -1])
def test_fewer_than_one_new_picture_is_refused(n: int, run_of: RunOf) -> None:
    with pytest.raises(BadInput, match="1 or more"):
        generate(run_of("variational"), n)


# -- priors that are fitted and kept --


@pytest.fixture(scope="module")
def classes(digits: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes that no one confuses: dark and bright images, 40 of each."""
    root = tmp_path_factory.mktemp("classes")
    for number, picture in enumerate(digits[:80]):
        label = "dark" if number % 2 else "bright"
        (root / label).mkdir(exist_ok=True)
        shade = picture[0] // 4 if number % 2 else 255 - picture[0] // 4
        Image.fromarray(shade.astype(np.uint8)).save(root / label / f"{number:03d}.png")
    return root


@pytest.fixture(scope="module")
def runs(classes: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A plain and a quantized autoencoder of the classes, without a prior."""
    root, runs = tmp_path_factory.mktemp("runs"), {}
    keys: dict[str, Any] = {
        "undercomplete": {"code": 8, "epochs": 40, "lr": 5e-3},
        "quantized": {"code": "2x2", "codes": 8, "epochs": 40, "lr": 5e-3},
    }
    for recipe, own in keys.items():
        isthmus.train(recipe, classes, out=root / recipe, quiet=True, **own)
        runs[recipe] = root / recipe
    return runs


def test_the_first_call_fits_the_prior_that_suits_the_code_and_keeps_it(runs: dict[str, Path]) -> None:
    first = generate(runs["undercomplete"], 20)
    assert isinstance(first, torch.Tensor)
    assert prior_file(runs["undercomplete"], "mixture").is_file()
    assert torch.equal(generate(runs["undercomplete"], 20), first)  # from the file


def test_samples_of_a_label_look_like_its_items(runs: dict[str, Path]) -> None:
    dark, bright = (generate(runs["undercomplete"], 16, label=label) for label in ("dark", "bright"))
    assert dark.mean() < 0.3 < 0.7 < bright.mean()
    with pytest.raises(BadInput, match="bright"):
        generate(runs["undercomplete"], 1, label="brigt")


def test_an_item_of_a_seed_is_the_same_alone_and_among_others(runs: dict[str, Path]) -> None:
    many = generate(runs["undercomplete"], 40, seed=5)
    for index in (0, 17, 39):
        assert torch.equal(generate(runs["undercomplete"], 1, seed=5, index=index), many[index : index + 1])
    assert torch.equal(generate(runs["undercomplete"], 7, seed=5, index=12), many[12:19])


def test_a_trained_prior_of_symbols_tells_its_bits_and_completes_images(runs: dict[str, Path], classes: Path) -> None:
    prior = fit_prior(runs["quantized"], "transformer", epochs=20, least_steps=60, quiet=True)
    assert 0 <= prior.about["bits"] < prior.about["unigram_bits"] <= 3  # 8 symbols
    assert "bits a symbol" in prior.summary()
    assert not list(runs["quantized"].glob("training-*"))
    source = next((classes / "bright").iterdir())
    given, completed = load(runs["quantized"]).reconstruct(source), generate(runs["quantized"], 4, complete=source)
    assert completed[:, :, :4].mean() > 0.6  # the upper half is kept: bright
    near = generate(runs["quantized"], 3, near=source, temperature=0)
    assert torch.allclose(near, given.expand_as(near), atol=1e-5)


def test_variations_begin_at_the_reconstruction(runs: dict[str, Path], classes: Path) -> None:
    source = next((classes / "dark").iterdir())
    own = load(runs["undercomplete"]).reconstruct(source)
    still, little, much = (
        generate(runs["undercomplete"], 30, near=source, temperature=temperature) for temperature in (0, 0.1, 0.8)
    )
    assert torch.allclose(still, own.expand_as(still), atol=1e-5)
    assert 0 < (little - own).square().mean() < (much - own).square().mean()
    with pytest.raises(BadInput, match="0 to 1"):
        generate(runs["undercomplete"], 1, near=source, temperature=1.5)


def test_a_walk_is_a_closed_path_through_the_samples(runs: dict[str, Path], tmp_path: Path) -> None:
    corners = generate(runs["undercomplete"], 3)
    walk = generate(runs["undercomplete"], 3, walk=4)
    assert torch.allclose(walk[::4], corners, atol=1e-5)
    steps = (walk - walk.roll(-1, 0)).flatten(1).norm(dim=1)
    assert steps.max() < (corners - corners.roll(-1, 0)).flatten(1).norm(dim=1).max()
    generate(runs["undercomplete"], 3, walk=4, out=tmp_path / "walk.gif")
    with Image.open(tmp_path / "walk.gif") as film:
        assert film.n_frames == 12


def test_each_file_names_its_origin(runs: dict[str, Path], classes: Path, tmp_path: Path) -> None:
    generate(runs["undercomplete"], 5, seed=2, index=30, out=tmp_path / "new")
    with (tmp_path / "new" / "samples.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["index"] for row in rows] == ["30", "31", "32", "33", "34"]
    assert {row["label"] for row in rows} <= {"dark", "bright"}
    assert all((classes / row["nearest"]).is_file() and 0 <= float(row["distance"]) < 1 for row in rows)
    for row in rows:
        with Image.open(tmp_path / "new" / row["file"]) as image:
            origin = json.loads(image.info["isthmus"])
            assert (np.asarray(image).mean() > 127) == (origin["label"] == "bright")
        assert origin == {"run": rows[0]["run"], "prior": "mixture", "seed": 2, "index": int(row["index"])} | {
            "temperature": 1.0,
            "label": row["label"],
        }
    again = generate(runs["undercomplete"], 1, seed=2, index=31)
    pixels = np.rint(again[0, 0].numpy() * 255).astype(np.uint8)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "new" / rows[1]["file"])), pixels)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"prior": "transformer"}, "continuous; accepted are normal, mixture, flow"),
        ({"prior": "mixtur"}, "mixture"),
        ({"top_k": 3}, "top-k: is no option of the prior mixture"),
        ({"temperature": -1.0}, "0 or more"),
        ({"temperature": float("nan")}, "0 or more"),
        ({"near": "digits:1", "walk": 3}, "near and walk: give only one"),
        ({"complete": "digits:1"}, "grid of discrete codes"),
        ({"label": "5", "prior": "normal"}, "knows no labels"),
        ({"index": -1}, "0 or more"),
        ({"near": "digits:1", "label": "dark"}, "cannot vary an item towards one"),
        ({"out": "new.xyz"}, "unsupported output format .xyz"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_wrong_options_are_refused(options: dict[str, Any], says: str, runs: dict[str, Path]) -> None:
    with pytest.raises(BadInput, match=says):
        generate(runs["undercomplete"], 2, **options)


def test_without_training_data_a_prior_cannot_be_fitted(run_of: RunOf) -> None:
    with pytest.raises(BadInput, match="fit_prior"):
        generate(run_of("undercomplete"), 2, prior="mixture")


def test_a_prior_of_given_data_stays_with_the_model(run_of: RunOf, digits: np.ndarray) -> None:
    model = load(run_of("undercomplete"))
    model.path = None
    fit_prior(model, "mixture", data=digits, quiet=True)
    found, own = generate(model, 200), model.reconstruct(digits)
    assert torch.allclose(found.mean(0), own.mean(0), atol=0.1)
    assert torch.allclose(found.std(0), own.std(0), atol=0.1)


def test_a_damaged_prior_is_named(runs: dict[str, Path], tmp_path: Path) -> None:
    fit_prior(runs["undercomplete"], "mixture", quiet=True)
    file = tmp_path / "prior-mixture.safetensors"
    file.write_bytes(prior_file(runs["undercomplete"], "mixture").read_bytes()[:-40])
    with pytest.raises(BadInput, match=r"prior-mixture\.safetensors"):
        load_prior(file)
