"""Masks as images: every usual format is understood, and its faults are said in one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from isthmus.data.find_images import find_pictures
from isthmus.errors import BadInput
from isthmus.jobs.segmentation.classes import Classes
from isthmus.jobs.segmentation.label_files import Labels, open_labels
from isthmus.metrics.segmentation import IGNORE

SIZE = (24, 30)


@pytest.fixture
def pictures(save, rng) -> Path:
    for name in ("a", "b", "c"):
        path = save(rng.integers(0, 255, (*SIZE, 3), np.uint8), f"images/{name}.jpg")
    return path.parent


def boxes(*values: int, dtype: object = np.uint8) -> np.ndarray:
    """A map of squares of these values on 0."""
    labels = np.zeros(SIZE, dtype)  # type: ignore[call-overload]
    for number, value in enumerate(values):
        row, column = divmod(number, 4)
        labels[2 + 8 * row : 7 + 8 * row, 1 + 7 * column : 6 + 7 * column] = value
    return labels


def opened(masks: Path, pictures: Path, **options: object) -> Labels:
    return open_labels(masks, find_pictures(pictures)[0], pictures, **options)  # type: ignore[arg-type]


def as_read(labels: Labels, name: str = "a.jpg") -> np.ndarray:
    return labels.classes.decode(labels.read(name).classes)


@pytest.mark.parametrize("suffix", ["png", "tif", "bmp", "npy"])
@pytest.mark.parametrize(("values", "dtype"), [((0, 128, 255), "uint8"), ((205, 420, 500), "uint16")])
def test_any_values_in_any_format(save, pictures: Path, suffix: str, values: tuple[int, ...], dtype: str) -> None:
    if suffix == "bmp" and dtype == "uint16":
        pytest.skip("BMP has 8 bits")
    maps = {name: np.random.default_rng(i).choice(np.array(values, dtype), SIZE) for i, name in enumerate("abc")}
    folder = pictures.parent / "masks"
    for name, labels in maps.items():
        folder.mkdir(exist_ok=True)
        if suffix == "npy":
            np.save(folder / f"{name}.npy", labels)
        elif suffix == "tif":
            tifffile.imwrite(folder / f"{name}.tif", labels, compression="zlib")
        else:
            Image.fromarray(labels).save(folder / f"{name}.{suffix}")
    labels = opened(folder, pictures)
    assert labels.classes.values == list(values)
    assert labels.classes.pixels[0] == sum(int((one == values[0]).sum()) for one in maps.values())
    assert not labels.has_instances
    for name, expected in maps.items():
        assert np.array_equal(as_read(labels, f"{name}.jpg"), expected)


@pytest.mark.parametrize("ending", ["", "_mask", "_masks", "_label", "_labels", "_gt", "_GT", "_seg", "_cp_masks"])
def test_endings_in_a_folder_of_their_own_and_among_the_pictures(save, pictures: Path, ending: str) -> None:
    for name in "abc":
        save(boxes(255, 255), f"masks/{name}{ending}.png")
        save(boxes(255, 255), f"images/{name}{ending}.png")
    apart = open_labels(pictures.parent / "masks", ["a.jpg", "b.jpg", "c.jpg"], pictures)
    among = open_labels(pictures, ["a.jpg", "b.jpg", "c.jpg"], pictures)
    for labels in (apart, among):
        assert labels.matched == ["a.jpg", "b.jpg", "c.jpg"]
        assert labels.unmatched == ([], [])
        assert as_read(labels).max() == 255
    if ending:  # a mask that is listed as a picture is none
        assert opened(pictures, pictures).matched == ["a.jpg", "b.jpg", "c.jpg"]


@pytest.mark.parametrize("folder", ["labels", "label", "masks"])
def test_a_folder_of_pictures_and_masks_of_the_same_names(save, rng, tmp_path: Path, folder: str) -> None:
    for name in "ab":
        save(rng.integers(0, 255, (*SIZE, 3), np.uint8), f"images/{name}.png")
        save(boxes(255), f"{folder}/{name}.png")
    labels = opened(tmp_path, tmp_path)
    assert labels.matched == ["images/a.png", "images/b.png"]
    assert labels.unmatched == ([], [])
    assert as_read(labels, "images/a.png").max() == 255


def test_of_two_files_of_one_name_the_lossless_one_is_the_mask(save, pictures: Path) -> None:
    for name in "ab":
        save(boxes(255), f"images/{name}.png")
    labels = opened(pictures, pictures)
    assert labels.matched == ["a.jpg", "b.jpg"]
    assert labels.unmatched == (["c.jpg"], [])
    save(boxes(128), "images/a_mask.png")
    assert as_read(opened(pictures, pictures)).max() == 128


def test_nested_folders_and_endings_of_pictures(save, rng, tmp_path: Path) -> None:
    for sample in ("one", "two"):
        save(rng.integers(0, 255, SIZE, np.uint8), f"data/{sample}/images/0_img.png")
        save(boxes(1, 2, 2), f"data/{sample}/labels/0_masks.png")
    labels = open_labels(tmp_path / "data", ["one/images/0_img.png", "two/images/0_img.png"], tmp_path / "data")
    assert labels.source.file("two/images/0_img.png").endswith("two/labels/0_masks.png")
    assert labels.unmatched == ([], [])


def test_unmatched_files_are_listed(save, pictures: Path) -> None:
    for name in "axy":
        save(boxes(255), f"masks/{name}.png")
    labels = opened(pictures.parent / "masks", pictures)
    assert labels.unmatched == (["b.jpg", "c.jpg"], ["x.png", "y.png"])
    assert any("2 pictures have no labels and are left out (b.jpg, c.jpg)" in note for note in labels.notes)
    assert any("2 label files have no picture (x.png, y.png)" in note for note in labels.notes)
    with pytest.raises(BadInput, match=r"b\.jpg: has no labels"):
        labels.read("b.jpg")


def test_a_palette_keeps_its_indices_and_offers_255_as_ignored(save, pictures: Path) -> None:
    image = Image.fromarray(boxes(1, 15, 255), "P")
    image.putpalette([0, 0, 0, 128, 0, 0, *range(3, 255)] + [0] * 510)
    for name in "abc":
        save(image, f"masks/{name}.png")
    labels = opened(pictures.parent / "masks", pictures)
    assert labels.classes.values == [0, 1, 15, 255]
    assert labels.understood.endswith("palette PNG with 4 values (0, 1, 15, 255)")
    assert labels.classes.palette is not None
    assert labels.classes.palette[3:6] == [128, 0, 0]
    assert any("ignore=255" in note for note in labels.notes)
    ignored = opened(pictures.parent / "masks", pictures, ignore=255)
    assert ignored.classes.values == [0, 1, 15]
    assert (ignored.read("a.jpg").classes == IGNORE).sum() == 25
    assert ignored.classes.table[-1]["pixels"] == 75
    assert not any("ignore=255" in note for note in ignored.notes)


def test_pngs_of_few_bits_and_gray_in_three_channels(save, pictures: Path) -> None:
    for name in "abc":
        save(Image.fromarray(boxes(1, 1) > 0), f"bits/{name}.png")
        save(np.repeat(boxes(255, 9)[..., None], 3, -1), f"gray/{name}.png")
    assert opened(pictures.parent / "bits", pictures).classes.values == [0, 1]
    gray = opened(pictures.parent / "gray", pictures)
    assert gray.classes.values == [0, 9, 255]
    assert np.array_equal(as_read(gray), boxes(255, 9))


def test_colors_need_a_table(save, pictures: Path) -> None:
    colors = np.array([(0, 0, 0), (128, 64, 128), (60, 40, 222)], np.uint8)
    for name in "abc":
        save(colors[boxes(1, 2)], f"masks/{name}.png")
    masks = pictures.parent / "masks"
    with pytest.raises(BadInput, match=r"masks of 3 colors \(0,0,0; .*128,64,128.*labelmap.txt"):
        opened(masks, pictures)
    table = {"sky": "0,0,0", "road": (128, 64, 128), "lane": [60, 40, 222]}
    labels = opened(masks, pictures, colors=table)
    assert labels.classes.names == ["sky", "road", "lane"]
    assert np.array_equal(as_read(labels), colors[boxes(1, 2)])
    with pytest.raises(BadInput, match=r"a.png: color 60,40,222 in 25 pixels is not in the table .*2 more files"):
        opened(masks, pictures, colors={"sky": "0,0,0", "road": "128,64,128"})
    ignored = opened(masks, pictures, colors={"sky": "0,0,0", "road": "128,64,128"}, ignore="60,40,222")
    assert (ignored.read("a.jpg").classes == IGNORE).sum() == 25


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "labelmap.txt",
            "# label:color_rgb:parts:actions\nsky:0,0,0::\nroad:128,64,128::\nlane line:60,40,222:a,b:run\n",
        ),
        ("label_colors.txt", "0 0 0\t\tsky\n128 64 128\t\troad\n60 40 222\t\tlane line\n"),
        ("class_dict.csv", "name,r,g,b\nsky,0,0,0\nroad,128,64,128\nlane line,60,40,222\n"),
        ("colors.csv", "r,g,b,name\n0,0,0,sky\n128,64,128,road\n60,40,222,lane line\n"),
    ],
)
def test_tables_of_colors_beside_the_masks(save, pictures: Path, name: str, text: str) -> None:
    colors = np.array([(0, 0, 0), (128, 64, 128), (60, 40, 222)], np.uint8)
    for each in "abc":
        save(colors[boxes(1, 2)], f"masks/{each}.png")
    (pictures.parent / "masks" / name).write_text(text)
    labels = opened(pictures.parent / "masks", pictures)
    assert labels.classes.names == ["sky", "road", "lane line"]
    assert labels.classes.values == [tuple(color) for color in colors.tolist()]


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32", "int32"])
def test_numbers_of_objects_are_recognized(pictures: Path, dtype: str) -> None:
    folder = pictures.parent / "masks"
    folder.mkdir()
    for count, name in ((8, "a"), (10, "b"), (4, "c")):
        tifffile.imwrite(folder / f"{name}.tif", boxes(*range(1, count + 1), dtype=dtype), compression="zlib")
    labels = opened(folder, pictures)
    assert labels.has_instances
    assert labels.classes.kind == "instances"
    assert labels.understood.endswith("TIF with one number for each object (7 on average)")
    found = labels.read("b.jpg")
    assert found.instances is not None
    assert found.instances.dtype == np.int32
    assert np.array_equal(found.instances, boxes(*range(1, 11)))
    assert np.array_equal(found.classes, found.instances > 0)
    assert opened(folder, pictures, as_classes=True).classes.values == list(range(11))


def test_classes_in_16_bits_are_no_objects(pictures: Path) -> None:
    folder = pictures.parent / "masks"
    folder.mkdir()
    for values, name in (((1, 1, 2), "a"), ((1, 2, 2, 3), "b"), ((1, 1), "c")):
        Image.fromarray(boxes(*values, dtype=np.uint16)).save(folder / f"{name}.png")
    labels = opened(folder, pictures)
    assert labels.classes.values == [0, 1, 2, 3]
    assert not labels.has_instances


def test_the_connected_parts_of_binary_masks_are_objects_on_request(save, pictures: Path) -> None:
    for name in "abc":
        save(boxes(255, 255, 255), f"masks/{name}.png")
    labels = opened(pictures.parent / "masks", pictures, instances=True)
    assert labels.has_instances
    assert labels.understood.endswith("the objects are connected parts (3 on average)")
    found = labels.read("a.jpg")
    assert np.array_equal(found.instances, boxes(1, 2, 3))
    assert np.array_equal(found.classes, boxes(1, 1, 1))


@pytest.mark.parametrize("layout", ["NAME/masks", "masks/NAME"])
def test_one_mask_for_each_object(save, rng, tmp_path: Path, layout: str) -> None:
    for name in ("s1", "s2"):
        save(rng.integers(0, 255, (*SIZE, 4), np.uint8), f"data/{name}/images/{name}.png")
        for number in range(5):
            one = boxes(*(255 if i == number else 0 for i in range(5)))
            place = "data" if layout == "NAME/masks" else "apart"
            save(one, f"{place}/{layout.replace('NAME', name)}/{number:04x}.png")
    folder = tmp_path / "data"
    masks = folder if layout == "NAME/masks" else tmp_path / "apart" / "masks"
    labels = open_labels(masks, ["s1/images/s1.png", "s2/images/s2.png"], folder)
    assert labels.understood.endswith("one mask for each object (5 objects on average)")
    assert labels.unmatched == ([], [])
    found = labels.read("s2/images/s2.png")
    assert np.array_equal(found.instances, boxes(1, 2, 3, 4, 5))
    assert np.array_equal(found.classes, boxes(1, 1, 1, 1, 1))


def test_alpha_is_left_out_with_a_note(save, pictures: Path) -> None:
    for name in "abc":
        save(np.stack([boxes(255), np.full(SIZE, 128, np.uint8)], -1), f"masks/{name}.png")
    labels = opened(pictures.parent / "masks", pictures)
    assert labels.classes.values == [0, 255]
    assert any("3 label files have an alpha channel" in note for note in labels.notes)


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_labels_are_turned_as_their_picture_is(save, rng, tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    save(rng.integers(0, 255, (*SIZE, 3), np.uint8), "images/a.jpg", exif=exif)
    drawn = boxes(1, 2, 3)
    save(drawn, "with/a.png", exif=exif)
    upright = np.array(Image.fromarray(drawn))
    upright = {1: upright, 3: upright[::-1, ::-1], 6: np.rot90(upright, -1), 8: np.rot90(upright)}[orientation]
    for folder, array in (("with", None), ("upright", upright), ("stored", drawn if orientation > 4 else upright)):
        if array is not None:
            save(np.ascontiguousarray(array), f"{folder}/a.png")
        labels = open_labels(tmp_path / folder, ["a.jpg"], tmp_path / "images")
        assert np.array_equal(labels.classes.decode(labels.read("a.jpg").classes), upright), folder


def test_a_run_reads_other_files_with_its_own_classes(save, pictures: Path) -> None:
    for name in "abc":
        save(boxes(5, 9), f"masks/{name}.png")
        save(boxes(9) if name != "b" else boxes(7, 7), f"other/{name}.png")
    classes = Classes([0, 5, 9], ["ground", "crack", "hole"])
    labels = opened(pictures.parent / "masks", pictures, classes=classes)
    assert labels.classes is classes
    with pytest.raises(BadInput, match=r"b.png: value 7 in 50 pixels is no class of the run; accepted are 0, 5, 9"):
        opened(pictures.parent / "other", pictures, classes=classes)
    left = opened(pictures.parent / "other", pictures, classes=classes, unknown="ignore")
    assert (left.read("b.jpg").classes == IGNORE).sum() == 50
    assert left.read("a.jpg").classes.max() == 2


def test_a_run_on_two_values_reads_numbers_of_objects(pictures: Path) -> None:
    folder = pictures.parent / "masks"
    folder.mkdir()
    for count, name in ((8, "a"), (10, "b"), (4, "c")):
        Image.fromarray(boxes(*range(1, count + 1), dtype=np.uint16)).save(folder / f"{name}.png")
    found = opened(folder, pictures, classes=Classes([0, 255])).read("a.jpg")
    assert np.array_equal(found.classes, boxes(*[1] * 8))


def fault(masks: Path, pictures: Path, **options: object) -> str:
    with pytest.raises(BadInput) as caught:
        opened(masks, pictures, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_faults_are_said_in_one_line(save, pictures: Path, tmp_path: Path) -> None:
    for name in "abc":
        save(boxes(), f"one/{name}.png")
        save(boxes(255) if name != "b" else boxes(255)[:-4], f"size/{name}.png")
        save(boxes(255), f"names/mask of {name}.png")
        save(Image.fromarray(boxes(200, 90)), f"soft/{name}.jpg", quality=60)
        save(boxes(255), f"two/{name}_mask.png")
        save(boxes(255), f"two/{name}_seg.png")
    (tmp_path / "float").mkdir()
    tifffile.imwrite(tmp_path / "float" / "a.tif", np.zeros(SIZE, np.float32))
    (tmp_path / "nifti").mkdir()
    (tmp_path / "nifti" / "a.nii.gz").write_bytes(b"x")
    (tmp_path / "pickle").mkdir()
    np.save(tmp_path / "pickle" / "a_seg.npy", {"masks": 1}, allow_pickle=True)
    np.save(tmp_path / "pickle" / "x.npy", {"masks": 1}, allow_pickle=True)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")
    (tmp_path / "empty").mkdir()
    assert "all pixels have the value 0" in fault(tmp_path / "one", pictures)
    assert "size/b.png: 30×20 pixels, and" in fault(tmp_path / "size", pictures)
    assert "no label file has the name of a picture" in fault(tmp_path / "names", pictures)
    assert "artifacts of JPEG" in fault(tmp_path / "soft", pictures)
    assert "two label files (a_mask.png, a_seg.png)" in fault(tmp_path / "two", pictures)
    assert "a mask of float32 numbers" in fault(tmp_path / "float", pictures)
    assert "volumes are not read" in fault(tmp_path / "nifti", pictures)
    assert "a.nii.gz: volumes are not read" in fault(tmp_path / "nifti" / "a.nii.gz", pictures)
    assert "a_seg.npy: is a pickle" in fault(tmp_path / "pickle", pictures)
    assert "broken/a.png" in fault(tmp_path / "broken", pictures)
    assert "holds no labels" in fault(tmp_path / "empty", pictures)
    assert "no such file or folder" in fault(tmp_path / "none", pictures)
    assert "ignore=red" in fault(tmp_path / "size", pictures, ignore="red")


def test_real_data(real_data: Path) -> None:
    nuclei = real_data / "dsb2018_256"
    names = find_pictures(nuclei / "images")[0][:40]
    labels = open_labels(nuclei / "labels", names, nuclei / "images")
    assert labels.has_instances
    assert "16-bit PNG with one number for each object" in labels.understood
    assert len(labels.unmatched[1]) == 334 - 40
    cells = real_data / "isbi2012_em" / "train"
    labels = open_labels(cells / "label", find_pictures(cells / "image")[0], cells / "image")
    assert labels.classes.values == [0, 255]
    assert labels.classes.pixels[:2] == [1727250, 6137070]
    tiles = real_data / "magnetic_tile" / "MT_Crack" / "Imgs"
    names = [name for name in find_pictures(tiles)[0] if name.endswith(".jpg")]
    with pytest.raises(BadInput, match="soft edges"):
        open_labels(tiles, names, tiles)


def test_numbers_of_objects_in_a_palette_on_request(pictures: Path) -> None:
    folder = pictures.parent / "SegmentationObject"
    folder.mkdir()
    for count, name in ((2, "a"), (3, "b"), (4, "c")):
        image = Image.fromarray(boxes(*range(1, count + 1), 255), "P")
        image.putpalette([number % 256 for number in range(768)])
        image.save(folder / f"{name}.png")
    labels = opened(folder, pictures, instances=True, ignore=255)
    assert labels.understood.endswith("palette PNG with one number for each object (3 on average)")
    found = labels.read("b.jpg")
    assert found.instances is not None
    assert found.instances.max() == 3
    assert (found.classes == IGNORE).sum() == 25


def test_large_numbers_of_objects_are_counted_anew(pictures: Path) -> None:
    folder = pictures.parent / "masks"
    folder.mkdir()
    for name in "abc":
        values = boxes(*range(1, 12), dtype=np.uint32)
        tifffile.imwrite(folder / f"{name}.tif", np.where(values > 0, values * 300_000_000 + ord(name), 0).astype("u4"))
    labels = opened(folder, pictures, classes=Classes([0, 1], kind="instances"), instances=True)
    found = labels.read("a.jpg")
    assert found.instances is not None
    assert np.array_equal(found.classes, boxes(*[1] * 11))
    assert np.unique(found.instances).tolist() == list(range(12))


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32"])
def test_tiffs_of_every_usual_compression(save, pictures: Path, compression: str, dtype: str) -> None:
    for name in "abc":
        save(boxes(3, 120, 77, dtype=dtype), f"masks/{name}.tif", compression=compression)
    labels = opened(pictures.parent / "masks", pictures)
    assert np.array_equal(as_read(labels), boxes(3, 120, 77))


def test_the_ignored_value_of_a_run_holds_for_other_files(save, pictures: Path) -> None:
    folder = pictures.parent / "masks"
    folder.mkdir()
    for count, name in ((8, "a"), (10, "b"), (4, "c")):
        labels = boxes(*range(1, count + 1), dtype=np.uint16)
        labels[-1] = 65535
        Image.fromarray(labels).save(folder / f"{name}.png")
    trained = opened(folder, pictures, ignore=65535)
    assert trained.classes.kind == "instances"
    found = opened(folder, pictures, classes=trained.classes).read("b.jpg")
    assert found.instances is not None
    assert found.instances.max() == 10
    assert (found.classes[-1] == IGNORE).all()
    for name in "abc":
        save(boxes(1, 9), f"other/{name}.png")
    found = opened(pictures.parent / "other", pictures, classes=Classes([0, 1]), ignore=9).read("a.jpg")
    assert (found.classes == IGNORE).sum() == 25


def test_a_gray_level_of_color_masks_is_ignored(save, pictures: Path) -> None:
    colors = np.array([(0, 0, 0), (128, 64, 128), (255, 255, 255)], np.uint8)
    for name in "abc":
        save(colors[boxes(1, 2)], f"masks/{name}.png")
    labels = opened(pictures.parent / "masks", pictures, colors={"sky": "0,0,0", "road": "128,64,128"}, ignore=255)
    assert labels.classes.ignore == (255, 255, 255)
    assert (labels.read("b.jpg").classes == IGNORE).sum() == 25
