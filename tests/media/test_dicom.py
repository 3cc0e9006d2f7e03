"""DICOM files keep their values and data set, or are refused in one line."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from helpers.dicom import Same, larger, pydicom, scan, uid

import isthmus
from isthmus.data import open_data, peek
from isthmus.errors import BadInput, Note
from isthmus.media.image_file import read_photo, write_photo
from isthmus.media.photo import Photo


@pytest.mark.parametrize("kind", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("bits", [8, 10, 12, 15, 16])
def test_stored_values_are_equal_to_the_bit(bits: int, signed: bool, kind: str, tmp_path: Path) -> None:
    stored = scan(tmp_path / "a.dcm", bits, signed, kind)
    photo = read_photo(tmp_path / "a.dcm")
    assert photo.pixels.dtype == (np.uint8 if bits == 8 else np.uint16)
    assert (photo.pixels.min(), photo.pixels.max()) == (0, 255 if bits == 8 else 65535)
    order = (
        np.argsort(stored.ravel(), kind="stable") if kind == "MONOCHROME2" else np.argsort(-stored.ravel().astype(int))
    )
    assert (np.diff(photo.pixels.ravel()[order].astype(int)) >= 0).all()  # bright is white, and signed are in order
    found = pydicom.dcmread(write_photo(tmp_path / "b.dcm", photo))
    assert np.array_equal(found.pixel_array, stored)
    assert (found.BitsStored, found.PixelRepresentation, found.PhotometricInterpretation) == (bits, signed, kind)


def test_a_file_that_also_starts_like_a_tiff_is_read_by_its_suffix(tmp_path: Path) -> None:
    """As some scanners write them."""
    stored = scan(tmp_path / "a.dcm", 16)
    whole = (tmp_path / "a.dcm").read_bytes()
    (tmp_path / "a.dcm").write_bytes(b"II*\0" + whole[4:])
    assert np.array_equal(read_photo(tmp_path / "a.dcm").pixels[..., 0], stored)
    assert peek(tmp_path / "a.dcm").deep
    (tmp_path / "a.tif").write_bytes(b"II*\0" + whole[4:])
    with pytest.raises(BadInput, match=r"a\.tif: broken picture"):
        read_photo(tmp_path / "a.tif")


def test_all_else_of_the_data_set_stays(tmp_path: Path) -> None:
    scan(tmp_path / "a.dcm")
    darker = Same(lambda x: 0.9 * x)  # a picture that is left alone is copied, to the byte
    assert isthmus.denoise(tmp_path / "a.dcm", model=darker, out=tmp_path / "b.dcm") == tmp_path / "b.dcm"
    before, after = pydicom.dcmread(tmp_path / "a.dcm"), pydicom.dcmread(tmp_path / "b.dcm")
    changed = {element.keyword for element in after if element != before.get(element.tag)}
    assert changed == {"SOPInstanceUID", "ImageType", "DerivationDescription", "PixelData"}
    assert set(before.keys()) < set(after.keys())
    assert after.DerivationDescription == "denoised by isthmus"
    assert list(after.ImageType) == ["DERIVED", "PRIMARY", "AXIAL"]
    assert after.file_meta.MediaStorageSOPInstanceUID == after.SOPInstanceUID
    assert after.file_meta.TransferSyntaxUID == uid.ExplicitVRLittleEndian
    isthmus.denoise(tmp_path / "b.dcm", model=darker, out=tmp_path / "c.dcm")
    again = pydicom.dcmread(tmp_path / "c.dcm")
    assert again.DerivationDescription == "denoised by isthmus; denoised by isthmus"
    assert again.SOPInstanceUID != after.SOPInstanceUID


def test_an_enlarged_one_lies_over_the_same_place(tmp_path: Path) -> None:
    stored = scan(tmp_path / "a.dcm")
    data = pydicom.dcmread(tmp_path / "a.dcm")
    data.add_new(0x60003000, "OW", b"\0" * 14)
    data.add_new("LargestImagePixelValue", "US", 7)
    data.save_as(tmp_path / "a.dcm")
    with pytest.warns(Note, match=r"b\.dcm: its overlays are left out"):
        isthmus.upscale(tmp_path / "a.dcm", model=Same(larger, 2), out=tmp_path / "b.dcm")
    found = pydicom.dcmread(tmp_path / "b.dcm")
    assert np.array_equal(found.pixel_array, stored.repeat(2, 0).repeat(2, 1))
    assert (found.Rows, found.Columns, found.DerivationDescription) == (18, 22, "enlarged by isthmus")
    assert (list(found.PixelSpacing), list(found.ImagerPixelSpacing)) == ([0.25, 0.125], [0.3, 0.15])
    # The corner stays: half a pixel before the middle of the first one, which was 0.25 wide and 0.5 high.
    assert list(found.ImagePositionPatient) == [1 - 0.125 / 2, 2 - 0.25 / 2, 3]
    assert found.LargestImagePixelValue == stored.max()
    assert 0x60003000 not in found


def test_a_dicom_as_a_picture_and_the_other_way_round(tmp_path: Path) -> None:
    stored = scan(tmp_path / "a.dcm")
    for name in ("b.png", "b.tif"):
        with pytest.warns(Note, match=r"the 12 bits are scaled to 0\.\.65535; \.dcm keeps the values"):
            isthmus.denoise(tmp_path / "a.dcm", model=Same(), out=tmp_path / name)
        found = read_photo(tmp_path / name).pixels[..., 0]
        assert np.array_equal(found, np.rint(stored / 4095 * 65535))
    scan(tmp_path / "inverted.dcm", kind="MONOCHROME1")
    with pytest.warns(Note, match="and inverted, as MONOCHROME1"):
        isthmus.denoise(tmp_path / "inverted.dcm", model=Same(), out=tmp_path / "d.png")
    with pytest.raises(BadInput, match=r"a DICOM is written from a DICOM only, which .* is not"):
        isthmus.denoise(tmp_path / "b.png", model=Same(lambda x: pytest.fail("worked")), out=tmp_path / "c.dcm")
    with pytest.raises(BadInput, match="from a DICOM only"):
        write_photo(tmp_path / "c.dcm", Photo(np.zeros((3, 3, 1), np.uint8)))
    assert not (tmp_path / "c.dcm").exists()


def test_a_folder_as_a_hospital_hands_it_out(tmp_path: Path) -> None:
    """Without suffixes, or with numbers for them, beside a DICOMDIR and other things."""
    place = tmp_path / "in"
    place.mkdir()
    names = ["IM0001", "1.2.840.1", "1.2.840.2", "c.dcm"]
    stored = {name: scan(place / name) for name in names}
    (place / "DICOMDIR").write_bytes((place / "IM0001").read_bytes())
    (place / "README").write_text("nothing")
    data = open_data(str(place))
    assert (len(data), data.shape, data.range) == (4, (1, 9, 11), (0.0, 65535.0))
    assert peek(place / "IM0001")[:4] == (9, 11, True, True)
    negative = Same(lambda x: 1 - x)
    isthmus.denoise(place, model=negative, white=65535, out=tmp_path / "out", truth=place, side_by_side=True)
    assert len(list((tmp_path / "out").iterdir())) == 8
    for name in names:
        found = pydicom.dcmread(tmp_path / "out" / (name if name == "c.dcm" else f"{name}.dcm"))
        assert np.array_equal(found.pixel_array, 4095 - stored[name])


def broken(path: Path, case: str) -> None:
    scan(path)
    data = pydicom.dcmread(path)
    if case == "compressed":
        data.PixelData = pydicom.encaps.encapsulate([b"\xff\xd8junk"])
        data["PixelData"].is_undefined_length = True
        data.file_meta.TransferSyntaxUID = uid.JPEGLosslessSV1
    elif case == "color":
        pydicom.pixels.set_pixel_data(data, np.zeros((3, 3, 3), np.uint8), "RGB", 8)
        data.PhotometricInterpretation = "YBR_PARTIAL_420"
    elif case == "few":
        pydicom.pixels.set_pixel_data(data, np.zeros((3, 3), np.uint8), "MONOCHROME2", 6)
    elif case == "empty":
        del data.PixelData
    elif case == "text":
        for name in ("Rows", "Columns", "BitsStored", "PixelData"):
            del data[name]
    elif case == "short":
        data.PixelData = data.PixelData[:40]
    elif case == "large":
        data.Rows = data.Columns = 60000
    data.save_as(path)


@pytest.mark.parametrize(
    ("case", "says"),
    [
        ("compressed", "broken DICOM"),
        ("color", "a DICOM of YBR_PARTIAL_420; accepted are MONOCHROME1, "),
        ("few", "6 bits in 8"),
        ("empty", "holds no picture"),
        ("text", "holds no picture"),
        ("short", "broken DICOM"),
        ("large", "60000×60000 pixels is too large"),
    ],
)
def test_unsupported_files_are_refused_in_one_line(case: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    broken(path, case)
    with pytest.raises(BadInput, match=says) as error:
        read_photo(path)
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)
    with pytest.raises(BadInput, match=says):
        open_data(str(path))


def test_without_pydicom_one_line_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scan(tmp_path / "a.dcm")
    monkeypatch.setitem(sys.modules, "pydicom", None)
    for look in (read_photo, peek, lambda path: open_data(str(path))):
        with pytest.raises(BadInput, match=r"a\.dcm: DICOM needs pydicom: pip install 'isthmus\[dicom\]'"):
            look(tmp_path / "a.dcm")
    (tmp_path / "b.dcm").write_text("no DICM at byte 128")
    with pytest.raises(BadInput, match=r"b\.dcm: not a picture"):
        read_photo(tmp_path / "b.dcm")
