"""A second opening of a folder decodes nothing, unless the preprocessing or a file has changed."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.cache import COUNT, pixels, uncached

from isthmus.data import base, cache, decoding, open_data, record_parts
from isthmus.data.folders import changed


def test_a_second_opening_decodes_nothing(folder: Path, held, decodings, monkeypatch) -> None:
    expected = uncached(folder, monkeypatch)
    decodings()
    first = open_data(folder)
    assert torch.equal(pixels(first), expected)
    assert decodings() == COUNT
    assert torch.equal(pixels(first), expected)
    second = open_data(folder)
    assert torch.equal(pixels(second), expected)
    assert torch.equal(second.subset([4, 1]).batch([1, 0]), expected[[1, 4]])
    assert decodings() == 0
    assert (first.source, list(first.names), first.notes) == (second.source, list(second.names), [])


@pytest.mark.parametrize(("kind", "dtype"), [("gray", np.uint8), ("deep gray", np.uint16), ("deep color", np.uint16)])
def test_gray_and_16_bits(save, rng, held, decodings, kind: str, dtype: type) -> None:
    made = rng.integers(0, np.iinfo(dtype).max, (5, 3 if "color" in kind else 1, 6, 7), dtype, endpoint=True)
    for i, item in enumerate(made):
        if "color" in kind:
            import tifffile

            path = save(np.zeros((1, 1), np.uint8), "x.png").parent / f"{i}.tif"
            tifffile.imwrite(path, np.moveaxis(item, 0, -1), photometric="rgb")
        else:
            path = save(item[0], f"{i}.png")
    (path.parent / "x.png").unlink(missing_ok=True)
    for count in (5, 0):
        assert torch.equal(pixels(open_data(path.parent)), torch.from_numpy(made))
        assert decodings() == count


def test_a_set_goes_to_other_processes(folder: Path, held, decodings) -> None:
    data = open_data(folder)
    expected = pixels(data)
    decodings()
    assert torch.equal(pixels(pickle.loads(pickle.dumps(data))), expected)
    assert decodings() == 0


def test_small_sets_and_single_files_are_not_kept(folder: Path, kept: Path, monkeypatch) -> None:
    open_data(folder / "00.png")
    monkeypatch.setattr(cache, "MIN_BYTES", COUNT * 360 + 1)
    open_data(folder)
    assert not kept.exists()


def test_wrong_bytes_are_detected_and_decoded_again(folder: Path, kept: Path, held, decodings) -> None:
    expected = pixels(open_data(folder))
    (file,) = kept.iterdir()
    whole = file.read_bytes()

    def after(content: bytes) -> int:
        file.write_bytes(content)
        decodings()
        assert torch.equal(pixels(open_data(folder)), expected)
        assert file.read_bytes() == whole, "made good"
        return decodings()

    item = len(whole) - 360 * 3
    assert after(whole[:item] + bytes([whole[item] ^ 1]) + whole[item + 1 :]) == 1
    assert after(whole[: item + 100]) == COUNT, "a file of the wrong length is thrown away"
    assert after(b"") == COUNT
    assert after(whole.replace(b'"shape": [3', b'"shape": [1', 1)) == COUNT, "and so is one that says something else"
    assert after(whole[:item] + bytes(360) + whole[item + 360 :]) == 1
    assert after(whole[:4096] + bytes(4) + whole[4100:]) == 1, "an item without its code was never written"
    assert after(whole) == 0


def test_preprocessing_and_content_decide_the_cache_file(folder: Path, kept: Path, save, rng) -> None:
    open_data(folder)
    for number, options in enumerate(
        [{"size": 8}, {"gray": True}, {"like": {"shape": (3, 10, 12), "range": (0, 65535)}}]
    ):
        open_data(folder, **options)
        assert len(list(kept.iterdir())) == number + 2
    changes = rng.integers(0, 256, (10, 12, 3), np.uint8)
    save(changes, "photos/07.png")
    assert torch.equal(open_data(folder).batch([7])[0], torch.from_numpy(changes).permute(2, 0, 1))
    (folder / "07.png").rename(folder / "99.png")
    assert torch.equal(open_data(folder).batch([COUNT - 1])[0], torch.from_numpy(changes).permute(2, 0, 1))


def test_a_large_file_retouched_in_its_middle_is_decoded_again(save, rng) -> None:
    for name in ("a.bmp", "b.bmp"):
        path = save(rng.integers(0, 256, (300, 300, 3), np.uint8), f"large/{name}")
    before = open_data(path.parent)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)
    os.utime(path, ns=(0, 0))  # another time of its change, however coarse the clock of the file system
    after = open_data(path.parent)
    assert before.source["fingerprint"] == after.source["fingerprint"], "neither length nor ends have changed"
    assert not torch.equal(pixels(after), pixels(before))
    assert torch.equal(after.batch([1]), open_data(path).batch([0]))


def test_a_file_changed_since_the_opening_is_not_kept(folder: Path, save, monkeypatch, decodings) -> None:
    monkeypatch.setattr(base, "MEMORY_BUDGET", 100)
    data = open_data(folder)
    original = (folder / "03.png").read_bytes()
    status = (folder / "03.png").stat()
    expected = data.batch([2])
    save(np.zeros((10, 12, 3), np.uint8), "photos/03.png")
    assert data.batch([3]).max() == 0
    (folder / "03.png").write_bytes(original)
    os.utime(folder / "03.png", ns=(status.st_atime_ns, status.st_mtime_ns))
    decodings()
    again = open_data(folder)
    assert again.batch([3]).max() > 0
    assert torch.equal(again.batch([2]), expected)
    assert decodings() == 1


@pytest.mark.parametrize("seconds", [-(10**8), 10**10])
def test_files_of_another_century(folder: Path, held, decodings, seconds: int) -> None:
    """Before 1970, and after 2262, where 64 bits of nanoseconds end."""
    os.utime(folder / "03.png", (seconds, seconds))
    expected = pixels(open_data(folder))
    decodings()
    assert torch.equal(pixels(open_data(folder)), expected)
    assert decodings() == 0


def test_nor_are_rotten_bytes_believed_in_its_place(folder: Path, kept: Path, held, monkeypatch) -> None:
    expected = pixels(open_data(folder))
    (file,) = kept.iterdir()
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    monkeypatch.setattr(decoding, "is_unchanged", lambda path, seen: False)
    assert torch.equal(pixels(open_data(folder)), expected)


def test_broken_files_are_named_every_time(folder: Path, monkeypatch) -> None:
    (folder / "05.png").write_bytes((folder / "05.png").read_bytes()[:200])
    (folder / "06.png").write_text("hello")
    expected = uncached(folder, monkeypatch)
    for _ in range(3):
        data = open_data(folder)
        assert dict(data.skipped).keys() == {"05.png", "06.png"}
        assert "photos" not in dict(data.skipped)["05.png"]
        assert len(data) == len(data.names) == COUNT - 2
        assert torch.equal(pixels(data), expected)
        assert torch.equal(data.to("cpu").batch([6]), expected[[6]])


def test_differences_are_reported_in_one_line(folder: Path, save, rng) -> None:
    before = open_data(folder)
    parts = record_parts(before, {"train": np.arange(20), "validation": np.arange(20, COUNT), "test": np.arange(0)})

    def said() -> str | None:
        return changed(open_data(folder), before.source, parts)

    assert said() is None
    original = (folder / "04.png").read_bytes()
    save(rng.integers(0, 256, (10, 12, 3), np.uint8), "photos/04.png")
    assert said() == "the contents of some file have changed"
    (folder / "04.png").write_bytes(b"spoiled")
    assert said() == "1 file is broken (04.png)"
    (folder / "04.png").unlink()
    assert said() == "1 file is gone (04.png)"
    for i in range(5):
        save(rng.integers(0, 256, (10, 12, 3), np.uint8), f"photos/new{i}.png")
    assert said() == "1 file is gone (04.png), 5 files are new (new0.png, new1.png, new2.png, …)"
    (folder / "04.png").write_bytes(original)
    for path in folder.glob("new*"):
        path.unlink()
    assert said() is None
    rows = open_data(np.zeros((5, 3), np.uint8))
    recorded = record_parts(rows, {"train": np.arange(5)})
    assert changed(open_data(np.ones((5, 3), np.uint8)), rows.source, recorded) == "its contents have changed"
