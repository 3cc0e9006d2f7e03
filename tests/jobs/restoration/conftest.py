"""Every test of restoration runs in a folder of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.restoration import noise

from isthmus.media.image_file import write_photo
from isthmus.media.photo import Photo


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
