"""12 bits in 16 for a run on 16 bits, and the reverse: scaled by the run, with a note."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import tifffile

from isthmus.autoencoder import Autoencoder
from isthmus.data import open_data
from isthmus.data.preparation import prepared
from isthmus.errors import Note
from isthmus.jobs.restoration.apply_model import with_range
from isthmus.media.photo import Photo

RUN = {"shape": [1, 16, 16], "range": [0.0, 65535.0], "dtype": "uint16"}
FRAMES = np.random.default_rng(0).integers(0, 4096, (3, 16, 16)).astype(np.uint16)


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    for number, frame in enumerate(FRAMES):
        tifffile.imwrite(tmp_path / f"{number}.tif", frame)
    return tmp_path


def test_a_folder_and_a_file_say_that_they_are_dark(raw: Path) -> None:
    told = (
        "are dark to this run, whose white is 65535; if their white is 4095, scale them to 65535, or train on such with"
    )
    assert any(told in note for note in open_data(raw, like=RUN).notes)
    with pytest.warns(Note, match="are dark to this run"):
        prepared(raw / "0.tif", RUN)
    for number, frame in enumerate(FRAMES):
        tifffile.imwrite(raw / f"{number}.tif", frame * 16)
    assert not open_data(raw, like=RUN).notes


@pytest.mark.parametrize(("white", "scale", "named"), [(65535.0, 1, "4095"), (4095.0, 16, "65535")])
def test_a_dark_image_to_restore_is_noted_with_the_white_to_use(white: float, scale: int, named: str) -> None:
    model = object.__new__(Autoencoder)
    model.__dict__["about"] = {"input": {**RUN, "range": [0.0, white]}}
    photo = Photo(FRAMES[0][..., None] * np.uint16(scale))
    with pytest.warns(Note, match=rf"for a run whose white is {white:g}; --white {named} scales them"):
        assert with_range(photo, model, {}).range == (0.0, white)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with_range(Photo(FRAMES[0][..., None] * np.uint16(17 - scale)), model, {})
        with_range(photo, model, {"white": float(named)})


def test_a_run_on_8_bits_says_that_files_of_12_bits_in_16_are_dark(raw: Path) -> None:
    run = {"shape": [1, 16, 16], "range": [0.0, 255.0], "dtype": "uint8"}
    assert [note for note in open_data(raw, like=run).notes if "white is 65535; if their white is 4095" in note]
    for number, frame in enumerate(FRAMES):
        tifffile.imwrite(raw / f"{number}.tif", frame * 16)
    assert not open_data(raw, like=run).notes
