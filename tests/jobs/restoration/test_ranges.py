"""Values of any dtype, depth and unit are restored alike, in their dtype and unit."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image
from torch import Tensor, nn

import isthmus
from isthmus.errors import BadInput, Note
from isthmus.media.bit_depth import own_range

RANDOM = np.random.default_rng(0)
pytestmark = pytest.mark.filterwarnings("ignore::isthmus.errors.Note")


class Shift(nn.Module):
    """Adds a tenth of white, and keeps what it has seen."""

    reach, stride, scale, shape = 3, 1, 1, (1, 16, 16)

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Tensor] = []

    def restore(self, x: Tensor) -> Tensor:
        self.seen.append(x)
        return x + 0.1


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("dtype", "low", "high", "expected"),
    [
        (np.uint8, 0, 3, (0, 255)),
        (np.uint16, 0, 200, (0, 255)),
        (np.uint16, 3, 900, (0, 1023)),
        (np.uint16, 3, 3900, (0, 4095)),
        (np.uint16, 3, 40000, (0, 65535)),
        (np.float32, -0.3, 1.4, (0, 1)),
        (np.float32, 20.0, 1800.0, (20, 1800)),
        (np.int16, -1000, 1200, (-1000, 1200)),
        (np.uint32, 20000, 180000, (20000, 180000)),
    ],
)
def test_the_range_of_a_picture(dtype: Any, low: float, high: float, expected: tuple[float, float]) -> None:
    x = np.linspace(low, high, 256).reshape(16, 16).astype(dtype)
    assert own_range(x) == expected
    model = Shift()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", Note)
        found = isthmus.denoise(x, model=model)
    assert bool(caught) == (expected not in ((0, 1), (0, 65535)) and dtype != np.uint8)
    assert found.dtype == x.dtype
    white = max(expected[1], high)
    moved = np.minimum(x + 0.1 * (expected[1] - expected[0]), white if np.dtype(dtype).kind != "f" else np.inf)
    assert np.allclose(found, moved, atol=0.51 if np.dtype(dtype).kind != "f" else 1e-3)
    tifffile.imwrite("a.tif", x)
    isthmus.denoise("a.tif", model=model, out="b.tif")
    assert np.array_equal(tifffile.imread("b.tif"), found)
    assert tifffile.imread("b.tif").dtype == x.dtype


def test_twelve_bits_in_sixteen_are_seen_as_all_of_sixteen() -> None:
    low = RANDOM.integers(0, 4096, (16, 16)).astype(np.uint16)
    low[0, 0] = 4095
    a, b = Shift(), Shift()
    few, many = isthmus.denoise(low, model=a), isthmus.denoise(low * np.uint16(16), model=b)
    assert np.abs(few - many / 16).max() <= 2
    assert float((a.seen[0] - b.seen[0]).abs().max()) < 1e-3
    assert np.abs(isthmus.denoise(low, model=a, white=65535) - (low + 6553.5)).max() <= 1
    with pytest.raises(BadInput, match="white is 0"):
        isthmus.denoise(low, model=a, white=0)


def test_figures_are_of_shares_of_white() -> None:
    rows: list[dict[str, Any]] = []
    low = RANDOM.integers(0, 2000, (16, 16)).astype(np.uint16)
    low[0, 0] = 3900
    for k in (1, 16):
        isthmus.denoise(low * np.uint16(k), model=Shift(), truth=low * np.uint16(k), each=rows.append)
    assert rows[0]["psnr"] == pytest.approx(20, abs=0.05)
    assert rows[1]["psnr"] == pytest.approx(rows[0]["psnr"], abs=0.01)
    assert rows[1]["sigma"] == pytest.approx(rows[0]["sigma"], rel=0.01)


def test_unsupported_types_are_written_as_shares_of_white() -> None:
    x = np.linspace(-500, 500, 256).reshape(16, 16).astype(np.float32)
    tifffile.imwrite("a.tif", x)
    model = Shift()
    model.restore = lambda x: x  # type: ignore[method-assign]
    with pytest.warns(Note, match=r"\.png holds no float32: -500 to 500 become black to white"):
        isthmus.denoise("a.tif", model=model, out="b.png")
    with Image.open("b.png") as image:
        shown = np.asarray(image).astype(float)
    assert np.abs(shown / 65535 - (x + 500) / 1000).max() < 1e-4
    tifffile.imwrite("low.tif", np.full((16, 16), 4095, np.uint16))
    isthmus.denoise("low.tif", model=model, out="low.jpg")
    with Image.open("low.jpg") as image:
        assert np.asarray(image).min() == 255


def test_all_pages_of_a_stack_have_one_range() -> None:
    stack = np.stack([np.full((16, 16), value, np.int16) for value in (-1000, 0, 1000)])
    tifffile.imwrite("a.tif", stack, photometric="minisblack")
    isthmus.denoise("a.tif", model=Shift(), out="b.tif")
    found = tifffile.imread("b.tif")
    assert found.dtype == np.int16
    assert found[:, 0, 0].tolist() == [-800, 200, 1000]  # whole numbers are cut to the range


def test_a_scan_is_denoised_as_its_window_shows_it() -> None:
    pydicom = pytest.importorskip("pydicom")
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    units = np.where(np.arange(256).reshape(16, 16) < 128, -1000, 40)
    units[0, 0] = 1200
    results = []
    for signed, intercept, bits in ((True, 0, 16), (False, -1024, 16), (False, -1024, 12)):
        data = Dataset()
        data.file_meta = FileMetaDataset()
        data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        data.SOPClassUID, data.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", generate_uid()
        data.RescaleIntercept, data.RescaleSlope, data.WindowCenter, data.WindowWidth = intercept, 1, 40, 400
        numbers = (units - intercept).astype(np.int16 if signed else np.uint16)
        pydicom.pixels.set_pixel_data(data, numbers, "MONOCHROME2", bits, generate_instance_uid=False)
        data.save_as("a.dcm", enforce_file_format=True)
        model = Shift()
        isthmus.denoise("a.dcm", model=model, out="b.dcm", force=True)
        assert float(model.seen[-1][0, 0, -1, -1]) == pytest.approx(0.5, abs=0.01), "the middle of the window"
        found = pydicom.dcmread("b.dcm")
        results.append(found.pixel_array.astype(int) + intercept)
    assert abs(results[0][-1, -1] - (40 + 40)) <= 1, "a tenth of the window"
    assert results[0][0, 0] == 1200, "what the window does not show stays with a model that was named"
    assert np.abs(results[0] - results[1]).max() <= 1
    assert np.abs(results[0] - results[2]).max() <= 1
