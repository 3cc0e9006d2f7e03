"""reconstruct, embed, decode: arrays and files in, arrays and files out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from isthmus import decode, embed, load, reconstruct
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
