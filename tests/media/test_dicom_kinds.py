"""DICOM files without preamble, compressed, in color, and of several frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.dicom import RANDOM, Same, larger, pydicom, scan

import isthmus
from isthmus.data import open_data, peek
from isthmus.errors import BadInput
from isthmus.media.image_file import read_photo, write_photo

FILES = Path(pydicom.__file__).parent / "data" / "test_files"


def test_an_older_file_without_preamble(tmp_path: Path) -> None:
    """A data set alone, in implicit little endian, as older archives keep it."""
    from pydicom.filebase import DicomFileLike
    from pydicom.filewriter import write_dataset

    stored = scan(tmp_path / "new.dcm")
    for name in ("old.dcm", "IM0007"):
        with (tmp_path / name).open("wb") as raw:
            file = DicomFileLike(raw)
            file.is_little_endian = file.is_implicit_VR = True
            data = pydicom.dcmread(tmp_path / "new.dcm")
            write_dataset(file, data)
        assert np.array_equal(read_photo(tmp_path / name).pixels, read_photo(tmp_path / "new.dcm").pixels)
        isthmus.denoise(tmp_path / name, model=Same(lambda x: 0.5 * x), out=tmp_path / "out.dcm", force=True)
        assert pydicom.dcmread(tmp_path / "out.dcm").pixel_array.shape == stored.shape
        assert peek(tmp_path / name)[:4] == (9, 11, True, True)


@pytest.mark.parametrize(
    "name",
    ["JPGExtended.dcm", "MR_small_jpeg_ls_lossless.dcm", "SC_rgb_jpeg_gdcm.dcm", "J2K_pixelrep_mismatch.dcm",
     "SC_rgb_jls_lossy_line.dcm", "SC_rgb_jpeg_dcmtk.dcm", "SC_ybr_full_422_uncompressed.dcm", "examples_palette.dcm",
     "SC_rgb_rle_16bit.dcm", "MR_small_RLE.dcm"],
)  # fmt: skip
def test_compressions_and_colors(name: str, tmp_path: Path) -> None:
    pytest.importorskip("imagecodecs")
    photo = read_photo(FILES / name)
    gray = not name.startswith(("SC_", "examples_palette"))
    assert photo.pixels.shape[-1] == (1 if gray else 3)
    again = pydicom.dcmread(write_photo(tmp_path / "a.dcm", photo))
    before = pydicom.dcmread(FILES / name)
    assert np.array_equal(read_photo(tmp_path / "a.dcm").pixels, photo.pixels)
    assert again.PhotometricInterpretation == (before.PhotometricInterpretation if gray else "RGB")
    changed = {"ImageType", "DerivationDescription", "SOPInstanceUID", "PixelData", "SmallestImagePixelValue"}
    changed |= {"LargestImagePixelValue", "PhotometricInterpretation", "PlanarConfiguration", "NumberOfFrames"}
    for element in before if gray or "rgb" in name else ():
        if element.keyword not in changed and element.tag.group < 0x7FE0:
            assert again[element.tag].value == element.value, element.keyword
    if name == "MR_small_jpeg_ls_lossless.dcm":
        assert np.array_equal(again.pixel_array, pydicom.dcmread(FILES / "MR_small.dcm").pixel_array)
    if name == "JPGExtended.dcm":
        assert again.pixel_array.max() == 264


def test_without_imagecodecs_the_message_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from isthmus.media.dicom import codecs

    monkeypatch.setattr(codecs, "find_spec", lambda name: None)
    for syntax in codecs.DECODER_DEPENDENCIES:
        monkeypatch.delitem(codecs.get_decoder(syntax)._available, "imagecodecs", raising=False)
    kinds = {"JPGExtended": "JPEG Extended", "SC_rgb_jpeg_gdcm": "JPEG Lossless", "JPEGLSNearLossless_08": "JPEG-LS"}
    for name, kind in kinds.items():
        with pytest.raises(
            BadInput, match=rf"compressed as {kind}.* needs imagecodecs: pip install 'isthmus\[dicom\]'"
        ):
            read_photo(FILES / f"{name}.dcm")
    assert read_photo(FILES / "JPEG2000.dcm").size == (1024, 256)  # which is known to Pillow


def several(path: Path, count: int = 5) -> np.ndarray:
    """An enhanced one, whose spacing lies in a group for all frames and whose positions in one for each."""
    scan(path)
    data = pydicom.dcmread(path)
    pixels = RANDOM.integers(0, 4096, (count, 9, 11), np.uint16)
    pydicom.pixels.set_pixel_data(data, pixels, "MONOCHROME2", 12)
    del data.PixelSpacing, data.ImagePositionPatient, data.ImageOrientationPatient
    measures, turn, shared = pydicom.Dataset(), pydicom.Dataset(), pydicom.Dataset()
    measures.PixelSpacing, turn.ImageOrientationPatient = [0.5, 0.25], [1, 0, 0, 0, 1, 0]
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [turn]
    data.SharedFunctionalGroupsSequence, data.PerFrameFunctionalGroupsSequence = [shared], []
    for number in range(count):
        place, group = pydicom.Dataset(), pydicom.Dataset()
        place.ImagePositionPatient, group.PlanePositionSequence = [1, 2, 3 + number], [place]
        data.PerFrameFunctionalGroupsSequence.append(group)
    data.save_as(path)
    return pixels


def test_frames_are_a_film(tmp_path: Path) -> None:
    pixels = several(tmp_path / "a.dcm")
    isthmus.denoise(tmp_path / "a.dcm", model=Same(lambda x: 1 - x), white=65535, out=tmp_path / "b.dcm")
    found = pydicom.dcmread(tmp_path / "b.dcm")
    assert np.array_equal(found.pixel_array, 4095 - pixels)
    assert (found.NumberOfFrames, found.PatientName, found.WindowCenter) == (5, "Doe^Jane", 40)
    assert found.DerivationDescription == "denoised by isthmus"
    isthmus.upscale(tmp_path / "a.dcm", model=Same(larger, 2), out=tmp_path / "c.dcm")
    found = pydicom.dcmread(tmp_path / "c.dcm")
    assert found.pixel_array.shape == (5, 18, 22)
    assert found.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing == [0.25, 0.125]
    groups = found.PerFrameFunctionalGroupsSequence
    assert groups[4].PlanePositionSequence[0].ImagePositionPatient == [1 - 0.0625, 2 - 0.125, 7]
    with pytest.raises(BadInput, match=r"it can end in \.dcm"):
        isthmus.denoise(tmp_path / "a.dcm", model=Same(), out=tmp_path / "b.mp4")
    assert "1 of 1 files hold several pictures, of which the first is taken" in open_data(tmp_path / "a.dcm").notes[0]


def test_color_of_several_frames(tmp_path: Path) -> None:
    isthmus.denoise(FILES / "SC_rgb_rle_2frame.dcm", model=Same(lambda x: 1 - x), out=tmp_path / "b.dcm")
    before = pydicom.dcmread(FILES / "SC_rgb_rle_2frame.dcm").pixel_array
    assert np.array_equal(pydicom.dcmread(tmp_path / "b.dcm").pixel_array, 255 - before)
