"""Compare the outputs of all verbs with those of another revision: python benchmarks/same_outputs.py REVISION

Trains small runs with REVISION, then applies every verb to a dozen kinds of files with REVISION and with this working
tree, each in its own process, and prints for every output file "equal" (to the byte, or all decoded values) or the
largest difference as a share of white. Exits with 1 if anything differs. --keep FOLDER keeps the outputs.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parent.parent
SIDE = 72  # pixels of the images; 520 for the tiled one
TIMES = ("seconds", "date")
LOSSLESS = (".dcm", ".mkv")  # compared by their decoded values: the files hold a date or an identifier


def noisy(height: int, width: int, seed: int) -> np.ndarray:
    """A smooth color image with edges and noise of σ 20, H×W×3 uint8."""
    rows, columns = np.mgrid[:height, :width]
    waves = [np.sin(rows / (7 + k) + seed) * np.cos(columns / (11 - k)) for k in range(3)]
    image = 128 + 70 * np.stack(waves, -1) + 40 * ((rows // 16 + columns // 16) % 2)[..., None]
    return np.clip(image + np.random.default_rng(seed).normal(0, 20, image.shape), 0, 255).astype(np.uint8)


def write_inputs(top: Path) -> None:
    """All input files, written without isthmus."""
    import tifffile
    from PIL import Image

    files = top / "files"
    for folder in (files, top / "folder" / "sub", top / "masks", top / "parts", top / "new", top / "deep"):
        folder.mkdir(parents=True)
    color = noisy(SIDE, SIDE + 8, 0)
    gray = color[..., 0]
    alpha = np.where(np.hypot(*np.mgrid[-36:36, -40:40]) < 30, 255, 0).astype(np.uint8)
    hole = np.zeros((SIDE, SIDE + 8), np.uint8)
    hole[20:34, 30:44] = 255
    deep = color.astype(np.uint16) * 257 + 3
    Image.fromarray(color).save(files / "color.png", dpi=(300, 300))
    Image.fromarray(gray).save(files / "gray.png")
    Image.fromarray(np.dstack([color, alpha])).save(files / "alpha.png")
    Image.fromarray(gray.astype(np.uint16) * 16).save(files / "gray12.png")
    Image.fromarray(color).save(files / "photo.jpg", quality=40)
    Image.fromarray(color).save(files / "photo.webp", quality=80)
    Image.fromarray(noisy(520, 700, 1)).save(files / "tiles.png")
    Image.fromarray(np.full((SIDE, SIDE, 3), 90, np.uint8)).save(files / "flat.png")
    tifffile.imwrite(files / "deep.tif", deep, photometric="rgb")
    tifffile.imwrite(files / "units.tif", gray.astype(np.float32) / 255, photometric="minisblack")
    tifffile.imwrite(
        files / "pages.tif", np.stack([noisy(40, 48, k)[..., 0] for k in range(3)]), photometric="minisblack"
    )
    np.save(files / "one.npy", color)
    np.save(files / "several.npy", np.stack([noisy(32, 32, k) for k in range(3)]))
    Image.fromarray(hole).save(top / "masks" / "color.png")
    frames = [Image.fromarray(noisy(40, 48, k)) for k in range(4)]
    frames[0].save(files / "film.gif", save_all=True, append_images=frames[1:], duration=80, loop=0)
    write_film(files / "film.mkv")
    write_dicom(files / "scan.dcm", gray)
    for name, number in (("a.png", 2), ("b.jpg", 3), ("sub/c.bmp", 4), ("a.jpg", 5)):
        Image.fromarray(noisy(48, 56, number)).save(top / "folder" / name)
    (top / "folder" / "broken.png").write_bytes(b"\x89PNG no image")
    for number in range(12):
        Image.fromarray(noisy(32, 32, 0) // 2 + noisy(32, 32, number) // 2).save(top / "parts" / f"{number:02}.png")
    for number in range(5):
        image = noisy(48, 32, 0) // 2 + noisy(48, 32, 20 + number) // 2
        image[10:18, 8 : 8 + 4 * number] = 255
        Image.fromarray(image).save(top / "new" / f"{number}.png")
        Image.fromarray(image[..., 0].astype(np.uint16) * 200).save(top / "deep" / f"{number}.png")
    (top / "new" / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    random = np.random.default_rng(0)
    rows = random.normal(0, 1, (60, 1)) * [1, 2, 3] + random.normal(0, 0.1, (60, 3))
    for name, values in (("table.csv", rows), ("odd.csv", rows[:9] * [1, -1, 1])):
        lines = [",".join(f"{value:.4f}" for value in row) for row in values]
        (top / name).write_text("\n".join(["a,b,c", *lines]) + "\n")


def write_film(path: Path) -> None:
    import av

    with av.open(str(path), "w") as film:
        stream = film.add_stream("ffv1", rate=10, width=64, height=48, pix_fmt="yuv420p")
        for number in range(4):
            film.mux(stream.encode(av.VideoFrame.from_ndarray(noisy(48, 64, number), format="rgb24")))
        film.mux(stream.encode())


def write_dicom(path: Path, gray: np.ndarray) -> None:
    import pydicom
    from pydicom.uid import ExplicitVRLittleEndian

    data = pydicom.Dataset()
    data.file_meta = pydicom.dataset.FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = "1.2.3.4"
    data.Rows, data.Columns = gray.shape
    data.SamplesPerPixel, data.PhotometricInterpretation, data.PixelRepresentation = 1, "MONOCHROME2", 0
    data.BitsAllocated, data.BitsStored, data.HighBit = 16, 12, 11
    data.WindowCenter, data.WindowWidth = 2000, 2000
    data.PixelData = (gray.astype(np.uint16) * 16).tobytes()
    data.save_as(path, enforce_file_format=True)


def train_runs(top: Path) -> None:
    """A run of each family that a verb needs, trained for seconds."""
    import isthmus

    how: dict[str, Any] = {"device": "cpu", "quiet": True, "epochs": 2, "batch_size": 8}
    runs, parts = top / "runs", top / "parts"
    isthmus.train("conv", parts, out=runs / "conv", code="2x8x8", channels=(4, 8), **how)
    isthmus.train("variational", parts, out=runs / "vae", code=4, **how)
    isthmus.train("quantized", parts, out=runs / "vq", code="8x8", codes=8, dim=3, channels=(4, 8), **how)
    isthmus.train("undercomplete", top / "table.csv", out=runs / "rows", code=2, **how)
    isthmus.train("detect", parts, out=runs / "detect", kind="denoising", net="conv", code="4x4x4", **how)
    isthmus.train("detect", parts, out=runs / "repairing", kind="repairing", channels=(4, 8, 8), **how)
    isthmus.train("detect", top / "table.csv", out=runs / "detect-rows", **how)
    isthmus.train("denoise", parts, out=runs / "denoise", channels=(4, 8), crop=16, size=32, **how)


def cases(top: Path, out: Path) -> dict[str, Callable[[], Any]]:
    """Every verb on every kind of input, by name; what a function returns is saved next to the files it writes."""
    from PIL import Image

    import isthmus

    files, runs, folder = top / "files", top / "runs", top / "folder"
    calls: dict[str, Callable[[], Any]] = {}
    color = np.asarray(Image.open(files / "color.png"))
    mask = np.asarray(Image.open(top / "masks" / "color.png"))

    def add(name: str, verb: str, *source: Any, to: str | None = None, **options: Any) -> None:
        def call() -> Any:
            rows: list[dict[str, Any]] = []
            if verb in ("denoise", "unwatermark", "inpaint", "upscale"):
                options["each"] = rows.append
            given = {"out": out / name / to} if to else {}
            (out / name).mkdir(parents=True, exist_ok=True)
            result = getattr(isthmus, verb)(*source, **given, **options)
            return result, rows

        calls[name] = call

    images = ["color.png", "gray.png", "alpha.png", "gray12.png", "photo.jpg", "photo.webp", "tiles.png", "flat.png"]
    images += ["deep.tif", "units.tif", "scan.dcm"]
    for file in [*images, "pages.tif", "film.gif", "film.mkv"]:
        add(f"denoise-{file}", "denoise", files / file, to=file)
    for file in images[:4]:
        add(f"upscale-{file}", "upscale", files / file, to=file)
        add(f"unwatermark-{file}", "unwatermark", files / file, to=file, save_mask=True)
        add(f"returned-{file}", "denoise", files / file)
    add("denoise-jpg", "denoise", files / "color.png", to="out.jpg", jpeg_quality=80)
    add("denoise-best", "denoise", files / "color.png", to="out.png", best=True, strength=0.5)
    add("denoise-x2", "denoise", files / "color.png", to="out.png", scale=2)
    add("denoise-run", "denoise", files / "gray.png", to="out.png", model=runs / "denoise", white=200)
    add("denoise-truth", "denoise", files / "color.png", to="out.png", truth=files / "photo.jpg", side_by_side=True)
    calls["upscale-to"] = lambda: (isthmus.upscale(files / "photo.jpg", to="100x90"), [])
    add("upscale-film", "upscale", files / "film.gif", to="out.gif")
    add("inpaint-file", "inpaint", files / "color.png", top / "masks" / "color.png", to="out.png", dilate=1)
    add("inpaint-alpha", "inpaint", files / "alpha.png", to="out.png")
    add("inpaint-film", "inpaint", files / "film.gif", np.eye(40, 48) > 0, to="out.gif")
    add("denoise-folder", "denoise", folder, to="results", side_by_side=True)
    add("denoise-folder-truth", "denoise", folder, to="results", truth=folder, format="tif", first=2)
    add("denoise-list", "denoise", [files / "color.png", files / "film.gif", files / "deep.tif"], to="results")
    add("unwatermark-folder", "unwatermark", folder, to="results", save_mask=True)
    for file in ("one", "several"):
        add(f"denoise-{file}-npy", "denoise", files / f"{file}.npy", to="out.npy")
        add(f"denoise-{file}-folder", "denoise", files / f"{file}.npy", to="results")
        add(f"denoise-{file}-grid", "denoise", files / f"{file}.npy", to="out.png")
        add(f"denoise-{file}", "denoise", files / f"{file}.npy")
    add("denoise-digits", "denoise", "digits", to="out.gif", first=3)
    add("array", "denoise", color)
    add("array-float", "denoise", np.moveaxis(color, -1, 0)[None].astype(np.float32) / 255)
    add("array-gray", "upscale", color[..., 1])
    add("array-mask", "inpaint", color, mask)
    add("array-watermark", "unwatermark", color, save_mask=True)
    for run in ("conv", "vae", "vq"):
        add(f"reconstruct-{run}", "reconstruct", runs / run, top / "new", to="results")
        add(f"embed-{run}", "embed", runs / run, top / "new", to="codes.npz")
    for to in ("out.npy", "out.gif", "out.png", "out.csv"):
        add(f"reconstruct-{to}", "reconstruct", runs / "conv", top / "new", to=to)
    add("reconstruct-deep", "reconstruct", runs / "conv", top / "deep", to="results")
    add("reconstruct-one", "reconstruct", runs / "conv", top / "new" / "1.png", to="out.png")
    add("reconstruct-rows", "reconstruct", runs / "rows", top / "odd.csv", to="out.csv")
    add("reconstruct", "reconstruct", runs / "conv", top / "new")
    add("embed-csv", "embed", runs / "vq", top / "new", to="codes.csv")
    add("embed-rows", "embed", runs / "rows", top / "odd.csv", to="codes.tsv")
    add("embed", "embed", runs / "vae", top / "new")
    add("decode", "decode", runs / "vae", np.linspace(-1, 1, 8).reshape(2, 4), to="results")
    add("generate", "generate", runs / "vae", 5, to="results")
    add("generate-grid", "generate", runs / "vae", 5, to="out.png")
    add("interpolate", "interpolate", runs / "vae", top / "new" / "0.png", top / "new" / "3.png", to="out.gif")
    saved: dict[str, Any] = {"save_masks": True, "save_maps": "npy"}
    for run in ("detect", "repairing"):
        add(f"detect-{run}", "detect", runs / run, top / "new", to="results", **saved)
    add("detect-tif", "detect", runs / "detect", top / "deep", to="results", save_maps="tif", false_alarms=0.2)
    add("detect-one", "detect", runs / "detect", top / "new" / "1.png", to="results")
    add("detect-rows", "detect", runs / "detect-rows", top / "odd.csv", to="results")
    add("detect", "detect", runs / "detect", top / "new")
    for run, data in (("conv", "new"), ("detect", "new"), ("detect-rows", "odd.csv"), ("denoise", "parts")):
        add(f"evaluate-{run}", "evaluate", runs / run, top / data)
    return calls


def plain(value: Any, top: Path, out: Path) -> Any:
    """JSON of a result without times and without the folders of this comparison; arrays are saved apart."""
    if isinstance(value, dict):
        return {key: plain(item, top, out) for key, item in value.items() if key not in TIMES}
    if isinstance(value, (list, tuple)):
        return [plain(item, top, out) for item in value]
    if isinstance(value, (int, float, bool)) or value is None:
        return value
    return str(value).replace(str(out), "OUT").replace(str(top), "TOP")


def produce(top: Path, out: Path) -> None:
    """Run all cases with the isthmus on the path; write their outputs, results and notes below `out`."""
    import torch

    torch.set_num_threads(1)
    for name, call in cases(top, out).items():
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                result, rows = call()
            except Exception as error:  # an error is an outcome that is compared, too
                result, rows = f"{type(error).__name__}: {error}", []
        (out / name).mkdir(parents=True, exist_ok=True)
        parts = result if isinstance(result, tuple) else (result,)
        arrays = {f"{number}": part for number, part in enumerate(parts) if hasattr(part, "dtype")}
        arrays |= result if isinstance(result, dict) and all(hasattr(v, "dtype") for v in result.values()) else {}
        if arrays:
            np.savez(out / name / "returned.npz", **{key: np.asarray(value) for key, value in arrays.items()})
        notes = sorted({str(one.message) for one in caught if one.category.__name__ == "Note"})
        record = {"rows": rows, "notes": notes} | ({} if arrays else {"result": result})
        text = json.dumps(plain(record, top, out), indent=1, ensure_ascii=False)
        (out / name / "record.json").write_text(re.sub(r"[0-9.]+/s\b", "", text), encoding="utf-8")
        print(f"  {name}", flush=True)


def decoded(path: Path) -> list[np.ndarray]:
    """The values of a file, read without isthmus."""
    from PIL import Image, ImageSequence

    suffix = path.suffix.lower()
    if suffix == ".npz":
        with np.load(path) as arrays:
            return [arrays[key] for key in arrays]
    if suffix == ".npy":
        return [np.load(path)]
    if suffix == ".dcm":
        import pydicom

        return [pydicom.dcmread(path).pixel_array]
    if suffix == ".mkv":
        import av

        with av.open(str(path)) as film:
            return [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
    if suffix in (".tif", ".tiff"):
        import tifffile

        return [tifffile.imread(path)]
    with Image.open(path) as image:
        return [
            np.asarray(frame.convert("RGBA") if image.mode == "P" else frame) for frame in ImageSequence.Iterator(image)
        ]


def difference(one: Path, other: Path) -> str:
    """ "equal", or in which way two files differ."""
    if not one.exists() or not other.exists():
        return f"only in {'this tree' if one.exists() else 'the other revision'}"
    if one.read_bytes() == other.read_bytes():
        return "equal"
    if one.suffix in (".json", ".html", ".csv", ".tsv"):
        ours, theirs = (path.read_text(encoding="utf-8").splitlines() for path in (one, other))
        lines = [pair for pair in zip(ours, theirs, strict=False) if pair[0] != pair[1]] or [("", "")]
        return f"{len(lines)} lines differ: {lines[0][0][:110]!r} was {lines[0][1][:110]!r}"
    ours, theirs = decoded(one), decoded(other)
    if [part.shape for part in ours] != [part.shape for part in theirs]:
        return f"shapes {[part.shape for part in ours]} were {[part.shape for part in theirs]}"
    if [part.dtype for part in ours] != [part.dtype for part in theirs]:
        return f"dtypes {[part.dtype for part in ours]} were {[part.dtype for part in theirs]}"
    if all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True)):
        return "equal" if one.suffix in LOSSLESS else "equal values, other bytes"
    numbers = [pair for pair in zip(ours, theirs, strict=True) if pair[0].dtype.kind in "uifb"]
    white = {"u": lambda x: float(np.iinfo(x.dtype).max)}
    largest = max(
        float(np.abs(a.astype(float) - b.astype(float)).max()) / white.get(a.dtype.kind, lambda x: 1.0)(a)
        for a, b in numbers
    )
    return f"differs by at most {largest:.2g} of white"


def process(source: Path, *arguments: str) -> None:
    """Run this script with the isthmus of `source`."""
    environment = os.environ | {
        "PYTHONPATH": str(source / "src"),
        "OMP_NUM_THREADS": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    subprocess.run([sys.executable, __file__, *arguments], env=environment, check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("revision", nargs="?", default="main")
    parser.add_argument("--keep", type=Path, help="folder for inputs, runs and outputs; a later call reuses it")
    parser.add_argument("--step", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.step:
        step, top, out = given.step
        train_runs(Path(top)) if step == "train" else produce(Path(top), Path(out))
        return
    with tempfile.TemporaryDirectory() as temporary:
        top, tree = given.keep or Path(temporary) / "work", Path(temporary) / "tree"
        before, now = top / "before", top / "now"
        if not before.exists():
            subprocess.run(["git", "worktree", "add", "-q", "--detach", tree, given.revision], cwd=ROOT, check=True)
            try:
                write_inputs(top / "in")
                for step in ("train", "produce"):
                    process(tree, "--step", step, str(top / "in"), str(before))
            finally:
                subprocess.run(["git", "worktree", "remove", "--force", tree], cwd=ROOT, check=True)
        subprocess.run(["rm", "-rf", str(now)], check=True)
        process(ROOT, "--step", "produce", str(top / "in"), str(now))
        names = {path.relative_to(folder) for folder in (before, now) for path in folder.rglob("*") if path.is_file()}
        results = {name: difference(now / name, before / name) for name in sorted(names)}
    for name, result in results.items():
        print(f"{name}: {result}")
    changed = sum(not result.startswith("equal") for result in results.values())
    print(f"{len(results)} files, {changed} differ from {given.revision}")
    sys.exit(bool(changed))


if __name__ == "__main__":
    main()
