"""GIFs and TIFFs of several pages through the verbs of restoration."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from helpers.restoration import noise
from helpers.videos import CLEAN, IDENTITY, NEGATIVE, TWICE, gif, nothing_left
from PIL import Image

import isthmus
from isthmus.cli import main
from isthmus.errors import BadInput


def gif_frames(name: str) -> tuple[list[np.ndarray], list[int], Any]:
    frames, times = [], []
    with Image.open(name) as image:
        for number in range(image.n_frames):
            image.seek(number)
            frames.append(np.asarray(image.convert("RGBA")))
            times.append(image.info["duration"])
        return frames, times, image.info.get("loop")


def test_a_gif_keeps_its_times_its_loop_and_its_colors() -> None:
    times = [40, 100, 70, 500]
    color = [np.roll(CLEAN, number, 1) for number in range(4)]
    clear = [np.dstack([frame, np.where(np.arange(64) < 20 + number, 255, 0) * np.ones((48, 1))]) for number, frame in
             enumerate(color)]  # fmt: skip
    cases = {
        "color": (color, {"loop": 3}),
        "gray": ([noise(40, 30) for _ in range(4)], {}),
        "clear": ([frame.astype(np.uint8) for frame in clear], {"loop": 0, "disposal": 2}),
    }
    for name, (frames, how) in cases.items():
        gif(f"{name}.gif", frames, duration=times, **how)
        isthmus.denoise(f"{name}.gif", model=NEGATIVE, out=f"out-{name}.gif")
        before, after = gif_frames(f"{name}.gif"), gif_frames(f"out-{name}.gif")
        assert after[1:] == before[1:] == (times, how.get("loop"))
        for x, y in zip(before[0], after[0], strict=True):
            shown = x[..., 3] > 0
            assert np.array_equal(x[..., 3], y[..., 3])
            assert np.array_equal(255 - x[shown, :3], y[shown, :3])
    many = [noise(40, 30, 3) for _ in range(2)]
    gif("many.gif", many, duration=50)
    isthmus.upscale("many.gif", model=TWICE, out="out-many.gif")
    assert gif_frames("out-many.gif")[0][0].shape == (80, 60, 4)


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("color", [False, True])
def test_a_tiff_of_several_pages(deep: bool, color: bool) -> None:
    pages = [noise(20, 30 + number, *([3] if color else []), deep=deep) for number in range(4)]  # of several sizes
    with tifffile.TiffWriter("a.tif") as file:
        for page in pages:
            file.write(page, photometric="rgb" if color else "minisblack", metadata=None, description="cells",
                       resolution=(300, 300), resolutionunit="INCH", contiguous=False)  # fmt: skip
    isthmus.denoise("a.tif", model=NEGATIVE, out="out.tif")
    with tifffile.TiffFile("out.tif") as file:
        assert len(file.pages) == 4
        for page, x in zip(file.pages, pages, strict=True):
            assert np.array_equal(page.asarray(), np.iinfo(x.dtype).max - x)
            assert page.asarray().dtype == x.dtype
            assert page.description == "cells"
            assert page.get_resolution() == (300, 300)
    data = Path("a.tif").read_bytes()
    for part in (0.3, 0.7):
        Path("cut.tif").write_bytes(data[: int(len(data) * part)])
        with pytest.raises(BadInput, match="truncated"):
            isthmus.denoise("cut.tif", model=NEGATIVE, out="out2.tif")
    assert nothing_left("out.tif")


def test_a_still_gif_or_tiff_is_a_picture() -> None:
    Image.fromarray(CLEAN).save("a.gif")
    tifffile.imwrite("a.tif", noise(9, 9))
    for name in ("a.gif", "a.tif"):
        assert isthmus.denoise(name, model=IDENTITY).ndim == 3
    gif("film.gif", [CLEAN, 255 - CLEAN])
    data = Path("film.gif").read_bytes()
    Path("cut.gif").write_bytes(data[:-40])
    with pytest.raises(BadInput, match="truncated"):
        isthmus.denoise("cut.gif", model=IDENTITY, out="out.gif")


def test_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    isthmus.create("denoise", shape=(1, 32, 32), channels=(8, 16)).save("run")
    gif("a.gif", [noise(33, 41) for _ in range(4)], duration=50)

    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as exit:
            main(["denoise", *arguments, "--model", "run"])
        return int(exit.value.code or 0), *capsys.readouterr()

    code, out, err = run("a.gif", "--out", "b.gif", "--json")
    assert code == 0, err
    found = json.loads(out)
    assert found["files"][0]["frames"] == 4
    assert found["flicker_before"] > 0
    assert "frame 4/4" in err
    code, out, err = run("a.gif", "--out", "b.gif", "--force", "--truth", "a.gif")
    assert code == 0, err
    assert {line.split()[0] for line in out.splitlines()} >= {
        "frames",
        "flicker_before",
        "flicker_after",
        "psnr",
        "sigma",
    }
    code, out, err = run("a.gif", "--out", "b.png")
    assert (code, out, err.count("\n")) == (2, "", 1)


def test_a_stack_keeps_axes_units_and_channels() -> None:
    """Fiji and QuPath write the micro sign as UTF-8, and ImageJ a resolution of no unit that TIFF knows."""
    data = noise(3, 2, 12, 16, deep=True)
    micro = {"axes": "TCYX", "PhysicalSizeX": 0.1, "PhysicalSizeXUnit": "µm", "Channel": {"Name": ["DAPI", "GFP"]}}
    tifffile.imwrite("a.ome.tif", data, ome=True, photometric="minisblack", metadata=micro)
    told = tifffile.TiffFile("a.ome.tif").ome_metadata
    assert told is not None
    tifffile.tiffcomment("a.ome.tif", told.replace("&#181;", "µ").encode("utf-8"))
    metadata = {"axes": "TCYX", "unit": "um", "finterval": 2.5, "spacing": 0.5, "Labels": list("abcdef")}
    tifffile.imwrite("ij.tif", data, imagej=True, resolution=(10, 5), metadata=metadata)
    for name in ("a.ome.tif", "ij.tif"):
        isthmus.denoise(name, model=IDENTITY, out="same.tif", force=True)
        isthmus.upscale(name, model=TWICE, out="twice.tif", force=True)
        with tifffile.TiffFile(name) as given, tifffile.TiffFile("same.tif") as same:
            assert (same.series[0].axes, same.series[0].shape) == ("TCYX", (3, 2, 12, 16))
            assert np.array_equal(same.asarray(), data)
            assert same.pages[0].description == given.pages[0].description  # type: ignore[union-attr]
            assert same.imagej_metadata == given.imagej_metadata
        with tifffile.TiffFile("twice.tif") as twice:
            assert (twice.series[0].axes, twice.series[0].shape) == ("TCYX", (3, 2, 24, 32))
            if name == "ij.tif":
                assert twice.pages[0].get_resolution() == (20, 10)  # type: ignore[union-attr]
                assert twice.imagej_metadata == tifffile.TiffFile(name).imagej_metadata
            else:
                assert b'PhysicalSizeX="0.05" PhysicalSizeXUnit="\xc2\xb5m"' in Path("twice.tif").read_bytes()
