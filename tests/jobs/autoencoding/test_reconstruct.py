"""reconstruct, embed, decode, generate, interpolate: arrays and files in, arrays and files out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from isthmus import decode, embed, generate, interpolate, load, reconstruct
from isthmus.errors import BadInput

RunOf = Callable[[str], Path]
KINDS = ["undercomplete", "conv", "contractive", "variational", "quantized"]


@pytest.fixture
def folder(tmp_path: Path, digits: np.ndarray) -> Path:
    """Five pictures, two of them in a folder below, and two of one name."""
    names = ["a.png", "a.bmp", "b.png", "more/a.png", "more/c.tif"]
    for name, picture in zip(names, digits, strict=False):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture[0]).save(path)
    return tmp_path / "in"


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


# -- reconstruct, embed, decode --


@pytest.mark.parametrize("recipe", KINDS)
def test_decode_of_embed_is_reconstruct_to_the_bit(recipe: str, run_of: RunOf, digits: Any, tmp_path: Path) -> None:
    run = run_of(recipe)
    embed(run, digits, out=tmp_path / "codes.npz")
    rebuilt = reconstruct(run, digits)
    assert torch.equal(decode(run, tmp_path / "codes.npz"), rebuilt)
    assert torch.equal(decode(run, embed(run, digits)), rebuilt)
    assert torch.equal(rebuilt, load(run).reconstruct(digits))


def test_many_items_are_cut_at_the_same_places_by_every_verb(run_of: RunOf, digits: Any) -> None:
    many = np.tile(digits, (10, 1, 1, 1))
    assert torch.equal(decode(run_of("conv"), embed(run_of("conv"), many)), reconstruct(run_of("conv"), many))


def test_codes_are_written_with_the_names_of_their_files(run_of: RunOf, folder: Path, tmp_path: Path) -> None:
    embed(run_of("undercomplete"), folder, out=tmp_path / "codes.npz")
    with np.load(tmp_path / "codes.npz", allow_pickle=False) as found:
        assert found["codes"].shape == (5, 5)
        assert found["codes"].dtype == np.float32
        assert sorted(found["files"].tolist()) == ["a.bmp", "a.png", "b.png", "more/a.png", "more/c.tif"]
        assert {"indices", "allow_pickle"}.isdisjoint(found.files)


def test_discrete_codes_bring_their_indices(run_of: RunOf, digits: Any) -> None:
    found = embed(run_of("quantized"), digits)
    model = load(run_of("quantized"))
    assert np.array_equal(found["indices"], model.symbols(digits))
    assert np.array_equal(found["codes"], model.encode(digits).flatten(1))


def test_a_folder_becomes_a_folder_with_the_same_names(run_of: RunOf, folder: Path, tmp_path: Path) -> None:
    reconstruct(run_of("conv"), folder, out=tmp_path / "out")
    assert files(tmp_path / "out") == ["a.bmp.png", "a.png", "b.png", "more/a.png", "more/c.png"]
    with Image.open(tmp_path / "out" / "b.png") as picture:
        exact = (load(run_of("conv")).reconstruct(np.array(Image.open(folder / "b.png"))[None, None]) * 255).round()
        assert np.abs(np.asarray(picture).astype(int) - exact[0, 0].numpy()).max() <= 1


def test_decoding_a_file_of_codes_writes_the_files_that_reconstruct_writes(
    run_of: RunOf, folder: Path, tmp_path: Path
) -> None:
    reconstruct(run_of("conv"), folder, out=tmp_path / "rebuilt")
    embed(run_of("conv"), folder, out=tmp_path / "codes.npz")
    decode(run_of("conv"), tmp_path / "codes.npz", out=tmp_path / "decoded")
    assert files(tmp_path / "decoded") == files(tmp_path / "rebuilt")
    for name in files(tmp_path / "rebuilt"):
        assert (tmp_path / "decoded" / name).read_bytes() == (tmp_path / "rebuilt" / name).read_bytes()


def test_one_file_becomes_one_file(run_of: RunOf, folder: Path, tmp_path: Path) -> None:
    reconstruct(run_of("conv"), folder / "b.png", out=tmp_path / "out.png")
    with Image.open(tmp_path / "out.png") as picture:
        assert picture.size == (8, 8)


def test_an_array_is_written_in_the_numbers_of_the_training(run_of: RunOf, digits: Any, tmp_path: Path) -> None:
    reconstruct(run_of("conv"), digits, out=tmp_path / "out.npy", first=7)
    written = np.load(tmp_path / "out.npy")
    assert written.shape == (7, 1, 8, 8)
    assert np.allclose(written, 255 * reconstruct(run_of("conv"), digits[:7]), atol=1e-3)


@pytest.mark.parametrize("name", ["out.png", "out.npy", "out"])
def test_existing_files_need_force(name: str, run_of: RunOf, digits: Any, tmp_path: Path) -> None:
    out = tmp_path / name
    reconstruct(run_of("conv"), digits, out=out, first=3)
    with pytest.raises(BadInput, match="exists already"):
        reconstruct(run_of("conv"), digits, out=out, first=3)
    assert reconstruct(run_of("conv"), digits, out=out, first=3, force=True) == out


def test_a_suffix_that_nothing_writes_is_refused_and_nothing_is_left(
    run_of: RunOf, digits: Any, tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match=r"unsupported output format \.xyz"):
        reconstruct(run_of("conv"), digits, out=tmp_path / "out.xyz")
    assert list(tmp_path.iterdir()) == []


# -- broken files of codes --


def write(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


def test_a_file_of_codes_that_is_none_is_refused_in_one_line(run_of: RunOf, tmp_path: Path) -> None:
    (tmp_path / "text.npz").write_text("codes")
    (tmp_path / "empty.npy").write_bytes(b"")
    whole = write(tmp_path / "whole.npz", codes=np.zeros((3, 5), np.float32)).read_bytes()
    (tmp_path / "half.npz").write_bytes(whole[: len(whole) // 2])
    np.save(tmp_path / "pickle.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    broken = {
        tmp_path / "nothing.npz": "there is no such file",
        tmp_path / "text.npz": "not a file of codes",
        tmp_path / "empty.npy": "not a file of codes",
        tmp_path / "half.npz": "not a file of codes",
        tmp_path / "pickle.npy": "not a file of codes",
        tmp_path: "not a file of codes",
        write(tmp_path / "other.npz", z=np.zeros((3, 5))): "contains z, but no codes",
        write(tmp_path / "row.npz", codes=np.zeros(5)): "finite numbers are accepted",
        write(tmp_path / "none.npz", codes=np.zeros((0, 5))): "finite numbers are accepted",
        write(tmp_path / "nan.npz", codes=np.full((3, 5), np.nan)): "finite numbers are accepted",
        write(tmp_path / "complex.npz", codes=np.zeros((3, 5), complex)): "finite numbers are accepted",
        write(tmp_path / "words.npz", codes=np.array([["a", "b"]])): "finite numbers are accepted",
        write(tmp_path / "wide.npz", codes=np.zeros((3, 6))): "codes of shape 3×6; N×5 is accepted",
    }
    for path, says in broken.items():
        with pytest.raises(BadInput, match=says) as error:
            decode(run_of("undercomplete"), path)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("names", [["a"], ["a", "b", "c", "d"]])
def test_codes_with_too_few_or_too_many_names_are_refused(names: list[str], run_of: RunOf, tmp_path: Path) -> None:
    path = write(tmp_path / "codes.npz", codes=np.zeros((3, 5)), files=np.array(names))
    with pytest.raises(BadInput):
        decode(run_of("undercomplete"), path, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["../outside", "/../../outside", "a/../../outside", "ABSOLUTE", "..", "", "."])
def test_names_in_a_file_of_codes_cannot_lead_out_of_the_folder(name: str, run_of: RunOf, tmp_path: Path) -> None:
    name = str(tmp_path / "outside") if name == "ABSOLUTE" else name
    path = write(tmp_path / "codes.npz", codes=np.zeros((1, 5)), files=np.array([name]))
    with pytest.raises(BadInput):
        decode(run_of("undercomplete"), path, out=tmp_path / "deep" / "out")
    assert files(tmp_path) == ["codes.npz"]


# -- generate --


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
    assert files(tmp_path / "folder") == [f"{i:05d}.png" for i in range(4)]
    with Image.open(tmp_path / "film.gif") as film:
        assert film.n_frames > 1


@pytest.mark.parametrize("n", [0, -1])
def test_fewer_than_one_new_picture_is_refused(n: int, run_of: RunOf) -> None:
    with pytest.raises(BadInput, match="1 or more"):
        generate(run_of("variational"), n)


# -- interpolate --


@pytest.mark.parametrize("recipe", ["undercomplete", "conv", "variational"])
def test_the_ends_of_the_line_are_the_reconstructions(recipe: str, run_of: RunOf, digits: Any) -> None:
    line = interpolate(run_of(recipe), digits[3:4], digits[8:9], steps=7)
    assert line.shape == (7, 1, 8, 8)
    ends = load(run_of(recipe)).reconstruct(digits[[3, 8]])
    assert torch.allclose(line[[0, -1]], ends, rtol=0, atol=1e-6)


def test_codes_on_the_line_are_equally_far_apart(run_of: RunOf, digits: Any) -> None:
    model = load(run_of("linear"))
    a, b = model.encode(digits[[3, 8]])
    line = interpolate(model, digits[3:4], digits[8:9], steps=3)
    assert torch.allclose(line[1:2], model.decode((a + b)[None] / 2), atol=1e-6)


def test_an_end_may_be_a_file_or_an_item_of_a_set(run_of: RunOf, folder: Path) -> None:
    line = interpolate(run_of("undercomplete"), folder / "b.png", "digits:7", steps=2)
    assert line.shape == (2, 1, 8, 8)
    file, item = folder / "b.png", reconstruct(run_of("undercomplete"), "digits", split="all", first=8)[7:8]
    assert torch.allclose(line[1:], item, atol=1e-6)
    assert torch.allclose(line[:1], reconstruct(run_of("undercomplete"), file), atol=1e-6)


def test_between_two_discrete_codes_it_warns(run_of: RunOf, digits: Any) -> None:
    with pytest.warns(UserWarning, match="not in the codebook"):
        interpolate(run_of("quantized"), digits[:1], digits[1:2])


@pytest.mark.parametrize(
    ("a", "steps", "says"),
    [("digits:7", 1, "2 or more"), ("digits", 3, "choose one, as in digits:0"), ("digits:99999", 3, "from 0 to 1796")],
)
def test_an_end_that_is_none_is_refused(a: str, steps: int, says: str, run_of: RunOf) -> None:
    with pytest.raises(BadInput, match=says):
        interpolate(run_of("undercomplete"), a, "digits:1", steps=steps)
