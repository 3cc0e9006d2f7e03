"""DICOM files keep their values and data set, or are refused in one line."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import isthmus
from isthmus.data import open_data, peek
from isthmus.errors import BadInput, Note
from isthmus.media.image_file import read_photo, write_photo
from isthmus.media.photo import Photo

pydicom = pytest.importorskip("pydicom")
from pydicom import uid  # noqa: E402

RANDOM = np.random.default_rng(0)


def scan(
    path: Path, bits: int = 12, signed: bool = False, kind: str = "MONOCHROME2", size: tuple[int, int] = (9, 11)
) -> np.ndarray:
    """Write a made-up X-ray of random numbers, and return them."""
    low = -(2 ** (bits - 1)) if signed else 0
    pixels = RANDOM.integers(low, low + 2**bits, size).astype(f"{'i' if signed else 'u'}{1 if bits == 8 else 2}")
    pixels.flat[:2] = low, low + 2**bits - 1
    data = pydicom.Dataset()
    data.file_meta = pydicom.dataset.FileMetaDataset()
    data.file_meta.TransferSyntaxUID = uid.ImplicitVRLittleEndian
    data.SOPClassUID, data.SOPInstanceUID = uid.DigitalXRayImageStorageForPresentation, uid.generate_uid()
    data.PatientName, data.PatientID, data.ImageType = "Doe^Jane", "0017", ["ORIGINAL", "PRIMARY", "AXIAL"]
    data.WindowCenter, data.WindowWidth, data.RescaleSlope, data.RescaleIntercept = 40, 400, 2, -1024
    data.PixelSpacing, data.ImagerPixelSpacing = [0.5, 0.25], [0.6, 0.3]
    data.ImagePositionPatient, data.ImageOrientationPatient = [1, 2, 3], [1, 0, 0, 0, 1, 0]
    data.add_new(0x00091001, "LO", "somebody's own")
    pydicom.pixels.set_pixel_data(data, pixels, kind, bits, generate_instance_uid=False)
    data.file_meta.TransferSyntaxUID = uid.ImplicitVRLittleEndian
    data.save_as(path, enforce_file_format=True)
    return pixels


class Same:
    """A stand-in for a net, whose function is `does`."""

    def __init__(self, does: Any = lambda x: x, scale: int = 1) -> None:
        self.does, self.scale, self.shape, self.reach, self.stride = does, scale, (1, 16, 16), 3, 1

    def restore(self, x: Any) -> Any:
        return self.does(x)

    def to(self, device: str) -> Same:
        return self

    def parameters(self) -> list[Any]:
        return []


def larger(x: Any) -> Any:
    return x.repeat_interleave(2, -1).repeat_interleave(2, -2)


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
