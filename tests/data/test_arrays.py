"""Arrays of every shape and dtype are read as meant, or refused in one line."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from isthmus.data import arrays, base, open_data
from isthmus.errors import BadInput
from isthmus.media import array_values


@pytest.mark.parametrize(
    ("shape", "item"),
    [
        ((5, 7), (7,)),
        ((5, 6, 7), (1, 6, 7)),
        ((5, 3, 6, 7), (3, 6, 7)),
        ((5, 6, 7, 3), (3, 6, 7)),
        ((5, 6, 7, 1), (1, 6, 7)),
        ((5, 6, 7, 4), (4, 6, 7)),
        ((5, 3, 6, 3), (3, 6, 3)),  # both could be the channels: first, as torch has them
        ((5, 2, 6, 7), (2, 6, 7)),
    ],
)
def test_layouts(shape, item, rng) -> None:
    array = rng.integers(0, 256, shape, np.uint8)
    data = open_data(array)
    assert (len(data), data.shape) == (5, item)
    expected = np.moveaxis(array, -1, 1) if item != (1, 6, 7) and item != shape[1:] else array
    assert np.array_equal(data.batch([4, 0]).numpy().ravel(), expected[[4, 0]].ravel())
    assert list(data.names)[1] == "00001"


@pytest.mark.parametrize(
    ("numbers", "dtype", "stored", "expected"),
    [
        ([0, 200], np.uint8, torch.uint8, (0, 255)),
        ([0, 200], np.int64, torch.uint8, (0, 255)),
        ([0, 256], np.int32, torch.uint16, (0, 1023)),
        ([0, 4095], np.uint16, torch.uint16, (0, 4095)),
        ([0, 4096], np.uint16, torch.uint16, (0, 16383)),
        ([3, 60000], np.uint16, torch.uint16, (0, 65535)),
        ([0, 70000], np.int64, torch.float32, (0, 70000)),
        ([-1, 5], np.int8, torch.float32, (-1, 5)),
        ([False, True], np.bool_, torch.uint8, (0, 1)),
        ([0, 1], np.uint8, torch.uint8, (0, 1)),
        ([0, 0], np.uint8, torch.uint8, (0, 255)),
        ([0.0, 1.0], np.float64, torch.float32, (0, 1)),
        ([0.25, 0.5], np.float16, torch.float16, (0, 1)),
        ([-2.0, 6.0], np.float32, torch.float32, (-2, 6)),
        ([3.0, 3.0], np.float32, torch.float32, (3, 3)),
    ],
)
def test_types_and_ranges(numbers, dtype, stored, expected) -> None:
    data = open_data(np.array([numbers, numbers], dtype))
    assert (data.dtype, data.range) == (stored, expected)
    floats = data.floats()
    assert floats.dtype == torch.float32
    assert floats.min() >= 0
    assert floats.max() <= 1
    assert bool(data.notes) == (expected[1] not in (255, 65535) and dtype not in (np.bool_, np.float64, np.float16))


def test_torch_and_layout_in_memory(rng) -> None:
    array = rng.random((3, 4, 5))
    for given in (
        torch.from_numpy(array),
        torch.from_numpy(array).bfloat16(),
        array[::-1],
        array.astype(">f8"),
    ):
        assert open_data(given).shape == (1, 4, 5)
    frozen = array.copy()
    frozen.setflags(write=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert torch.equal(open_data(frozen).floats(), open_data(array).floats())


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.float32(3), "an array of 0 dimensions"),
        (np.arange(5), "an array of 1 dimensions"),
        (np.zeros((2, 2, 2, 2, 2)), "an array of 5 dimensions"),
        (np.zeros((0, 4)), "holds no items"),
        (np.zeros((4, 0)), "holds no items"),
        (np.zeros((2, 2), complex), "complex numbers"),
        (np.array([["a", "b"]]), "text"),
        (np.array([[None]]), "pickle can run code; save it as numbers"),
        (np.zeros((2, 2), "M8[s]"), "dates"),
        (np.zeros((2, 2), [("a", int)]), "records"),
        (object(), "data of type object"),
    ],
)
def test_unusable_data_are_refused(array, reason: str, tmp_path: Path) -> None:
    given = np.asarray(array) if isinstance(array, np.generic) else array
    with pytest.raises(BadInput, match=reason) as caught:
        open_data(given)
    assert "\n" not in str(caught.value)
    if isinstance(given, np.ndarray):
        path = tmp_path / "a.npy"
        np.save(path, given)
        with pytest.raises(BadInput, match=rf"a\.npy: .*{reason}"):
            open_data(path)


def test_nan_is_counted_and_placed(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setattr(array_values, "CHUNK", 64)
    array = np.zeros((50, 4), np.float32)
    array[31, 2], array[31, 3], array[40, 0] = np.nan, np.inf, -np.inf
    np.save(tmp_path / "a.npy", array)
    for given in (array, tmp_path / "a.npy"):
        with pytest.raises(BadInput, match="3 NaN or infinite values, the first in item 31"):
            open_data(given)
    with pytest.raises(BadInput, match="first in item 0"):
        open_data(np.full((2, 2), 1e300))


def test_npy_is_served_from_the_map(tmp_path: Path, rng) -> None:
    array = rng.integers(0, 256, (20, 4, 4), np.uint8)
    np.save(tmp_path / "a.npy", array)
    data = open_data(str(tmp_path / "a.npy"))
    assert isinstance(data.items, arrays.Mapped)
    assert isinstance(data.items.array, np.memmap)
    assert np.array_equal(data.batch([3, -1])[:, 0].numpy(), array[[3, -1]])
    moved = data.subset([5, 6]).to("cpu")
    assert isinstance(moved.items, torch.Tensor)
    assert np.array_equal(moved.batch([1])[0, 0].numpy(), array[6])
    np.save(tmp_path / "f.npy", np.asfortranarray(array.astype(">i2")))
    assert torch.equal(open_data(tmp_path / "f.npy").floats(), data.floats())


def test_broken_numpy_files(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.zeros((100, 4)))
    whole = path.read_bytes()
    for content, reason in [
        (b"", "empty file"),
        (b"hello", "not a numpy file"),
        (whole[:40], "truncated or broken"),
        (whole[:-100], "truncated or broken"),
    ]:
        path.write_bytes(content)
        with pytest.raises(BadInput, match=rf"a\.npy: {reason}.*accepted") as caught:
            open_data(path)
        assert "\n" not in str(caught.value)
    archive = tmp_path / "a.npz"
    np.savez(archive, x=np.zeros((100, 4)))
    archive.write_bytes(archive.read_bytes()[:-60])
    with pytest.raises(BadInput, match=r"a\.npz: "):
        open_data(archive)


def test_npz_keys(tmp_path: Path) -> None:
    path, x, y = tmp_path / "a.npz", np.full((3, 4), 9, np.uint8), np.array([2, 0, 1])
    for stored in ({"x": x, "y": y, "more": y}, {"anything": x, "labels": y}, {"x_train": x, "y_train": y}):
        np.savez(path, **stored)
        data = open_data(path)
        assert data.batch([0]).tolist() == [[9, 9, 9, 9]]
        assert data.labels is not None
        assert data.labels.tolist() == [2, 0, 1]
    np.savez(path, x)
    assert open_data(path).labels is None
    np.savez(path, a=x, b=x)
    with pytest.raises(BadInput, match=r"a\.npz: which array is the data\? it holds a, b; accepted"):
        open_data(path)
    np.savez(path, x=np.array([{"evil": 1}], dtype=object))
    with pytest.raises(BadInput, match="pickle can run code"):
        open_data(path)
    np.savez(path, x=x, y=y[:2])
    assert open_data(path).labels is None


class Pairs(torch.utils.data.Dataset):
    targets = (4, 5, 6)

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int):
        return torch.full((1, 2, 2), index, dtype=torch.uint8), self.targets[index]


def test_datasets_and_lists(monkeypatch) -> None:
    data = open_data(Pairs())
    assert (data.shape, len(data), data.source["kind"], data.source["name"]) == (
        (1, 2, 2),
        3,
        "dataset",
        "Pairs",
    )
    assert data.labels is not None
    assert data.labels.tolist() == [4, 5, 6]
    monkeypatch.setattr(base, "MEMORY_BUDGET", 1)
    lazy = open_data(Pairs())
    assert not lazy.in_memory
    assert torch.equal(lazy.batch([2, 0]), data.batch([2, 0]))
    monkeypatch.undo()
    from PIL import Image

    pictures = open_data([Image.new("RGB", (5, 4), "red"), Image.new("RGB", (5, 4), "blue")])
    assert pictures.shape == (3, 4, 5)
    with pytest.raises(BadInput, match="list: item 1 has another shape"):
        open_data([np.zeros((2, 2)), np.zeros((3, 2))])
    with pytest.raises(BadInput, match="list: holds no items"):
        open_data([])


def test_size_and_gray_of_an_array(rng) -> None:
    color = rng.integers(0, 256, (4, 12, 16, 3), np.uint8)
    data = open_data(color, size=6, gray=True)
    assert (data.shape, data.floats().shape, data.source["size"]) == ((1, 6, 6), (4, 1, 6, 6), [6, 6])
    with pytest.raises(BadInput, match="rows of 9 have no size or color"):
        open_data(np.zeros((4, 9)), size=6)


def test_fingerprints_distinguish_arrays(monkeypatch) -> None:
    one, two = np.zeros((40, 8), np.uint8), np.zeros((40, 8), np.uint8)
    two[39, 7] = 1
    assert open_data(one).source["fingerprint"] == open_data(one.copy()).source["fingerprint"]
    assert open_data(one).source["fingerprint"] != open_data(two).source["fingerprint"]
    assert open_data(one).source["fingerprint"] != open_data(one.reshape(80, 4)).source["fingerprint"]
    monkeypatch.setattr(arrays, "FULLY_HASHED", 64)
    assert open_data(one).source["fingerprint"] != open_data(two).source["fingerprint"]


def test_paths_that_lead_nowhere(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="mnits: no such file, folder or built-in set; did you mean 'mnist'"):
        open_data("mnits")
    (tmp_path / "a.doc").write_text("x")
    with pytest.raises(BadInput, match=r"a\.doc: not a kind of file that can be read; accepted are"):
        open_data(tmp_path / "a.doc")
