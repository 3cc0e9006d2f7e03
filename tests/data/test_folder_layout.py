"""Folders of normal and anomalous parts, in the ways that public sets and people have them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from isthmus.data import open_data, write_shards
from isthmus.data.folder_layout import anomaly_folders
from isthmus.data.mask_files import read_mask
from isthmus.errors import BadInput, Note

SIDE = 8


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.astype(np.uint8)).save(path)


def folder(top: Path, *names: str) -> Path:
    """Pictures, and masks where a name says so: those of "_0" mark nothing, those of .png are of 0 and 1."""
    for name in names:
        if not any(word in name.lower() for word in ("mask", "truth", "_gt", "_label")):
            save(top / name, np.arange(3 * SIDE**2).reshape(SIDE, SIDE, 3))
            continue
        mask = np.zeros((SIDE, SIDE), np.uint8)
        mask[2:6, 2:6] = 0 if "_0" in name else 1 if name.endswith(".png") else 255
        save(top / name, mask)
    return top


def roles(top: Path, where: Path) -> tuple[set[str], dict[str, tuple[str, ...]]]:
    """The pictures that are learned from, and of each that is judged its kind and its masks."""
    found = anomaly_folders(where)
    learned = {(found.good / name).relative_to(top).as_posix() for name in found.learned}
    names = {
        one.path.relative_to(top).as_posix(): (one.kind, *(mask.relative_to(top).as_posix() for mask in one.masks))
        for one in found.judged
    }
    assert len(names) == len(found.judged)
    return learned, names


LAYOUTS = {
    "MVTec AD": (
        ["train/good/0.png"],
        {
            "test/good/0.png": ("good",),
            "test/hole/0.png": ("hole", "ground_truth/hole/0_mask.png"),
            "test/hole/1.png": ("hole",),
        },
    ),
    "BTAD": (
        ["train/ok/0.bmp"],
        {"test/ok/0.bmp": ("good",), "test/ko/0.bmp": ("ko", "ground_truth/ko/0.bmp")},
    ),
    "MVTec LOCO": (
        ["train/good/000.png"],
        {
            "test/good/000.png": ("good",),
            "test/logical/000.png": ("logical", "ground_truth/logical/000/000.png", "ground_truth/logical/000/001.png"),
        },
    ),
    "VisA": (
        ["Data/Images/Normal/0.JPG"],
        {"Data/Images/Anomaly/0.JPG": ("Anomaly", "Data/Masks/Anomaly/0.png")},
    ),
    "hazelnut toy, JPEG masks": (
        ["good/0.jpg"],
        {"color/0.jpg": ("color", "mask/color/0.jpg")},
    ),
    "KolektorSDD2": (
        ["train/1.png"],
        {"test/3.png": ("good",), "test/4.png": ("anomalous", "test/4_GT.png")},
    ),
    "KolektorSDD2 in folders": (["good/0.png"], {"bad/0.png": ("bad", "bad/0_GT.png")}),
    "KolektorSDD": (["good/0.jpg"], {"bad/0.jpg": ("bad", "bad/0_label.bmp")}),
    "masks of no kind": (["normal/0.png"], {"abnormal/0.png": ("abnormal", "masks/0.png")}),
    "masks in the folder of their kind": (["good/0.png"], {"bad/0.png": ("bad", "bad/masks/0.png")}),
    "casting": (
        ["train/ok_front/0.jpeg"],
        {"test/ok_front/1.jpeg": ("good",), "test/def_front/1.jpeg": ("def_front",)},
    ),
    "magnetic tiles": (
        ["MT_Free/Imgs/0.jpg"],
        {"MT_Crack/Imgs/0.jpg": ("MT_Crack", "MT_Crack/Imgs/0_mask.png")},
    ),
    "a test part without labels": (["train/good/0.png"], {"test/0.png": ("unlabeled",)}),
    "a training part without kinds": (
        ["train/0.png", "train/monday/0.png"],
        {"test/good/0.png": ("good",), "test/crack/0.png": ("crack",)},
    ),
    "classes, one of them new": (
        ["train/cat/0.png", "train/dog/0.png"],
        {"test/cat/1.png": ("good",), "test/frog/1.png": ("frog",)},
    ),
    "no folders but of masks": (["0.png"], {"1.png": ("anomalous", "masks/1.png")}),
    "normal pictures alone": (["0.png", "more/1.png"], {}),
}
ALSO = {  # files of a layout that are neither learned from nor judged
    "KolektorSDD2": ["train/1_GT_0.png", "train/2.png", "train/2_GT.png", "test/3_GT_0.png"],
    "casting": ["train/def_front/0.jpeg"],
    "no folders but of masks": ["masks/0_0.png"],
    "MVTec LOCO": ["validation/good/000.png"],
    "a training part without kinds": ["other/0.png"],
}


def made(top: Path, name: str) -> Path:
    learned, judged = LAYOUTS[name]
    masks = [mask for _, *ones in judged.values() for mask in ones]
    folder(top, *learned, *judged, *masks, *ALSO.get(name, []))
    for path in list(top.rglob("*_0.png")):  # masks that mark nothing, by the name that the layout gives them
        path.rename(path.with_stem(path.stem.removesuffix("_0")))
    return top


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layout_is_understood(tmp_path: Path, name: str) -> None:
    top = made(tmp_path / "part", name)
    learned, judged = LAYOUTS[name]
    assert roles(top, top) == (set(learned), judged)
    found = anomaly_folders(top)
    assert len(found.open(whole=32).names) == len(learned)
    assert f"{len(learned)} normal to learn from" in found.summary
    for one in found.judged:
        if one.masks:
            assert read_mask(one.masks).sum() == 16


@pytest.mark.parametrize("name", LAYOUTS)
def test_no_mask_is_ever_learned(tmp_path: Path, name: str) -> None:
    top = made(tmp_path / "part", name)
    data = open_data(top)
    kept = {*LAYOUTS[name][0], *LAYOUTS[name][1], *(one for one in ALSO.get(name, []) if "GT" not in one)}
    assert set(data.names) == {one for one in kept if not one.startswith("masks/")}
    assert any("left out" in note for note in data.notes) == (anomaly_folders(top).masks > 0)


@pytest.mark.parametrize("given", ["train", "train/good"])
def test_a_part_may_be_named(tmp_path: Path, given: str) -> None:
    top = made(tmp_path / "screw", "MVTec AD")
    assert roles(top, top / given) == ({"train/good/0.png"}, LAYOUTS["MVTec AD"][1])
    visa = made(tmp_path / "candle", "VisA")
    assert roles(visa, visa / "Data/Images/Normal") == roles(visa, visa)


def test_other_parts_of_a_set_are_recognized(tmp_path: Path) -> None:
    top = made(tmp_path / "screw", "MVTec AD")
    assert roles(top, top / "test/hole") == ({"test/hole/0.png", "test/hole/1.png"}, {})
    learned, judged = roles(top, top / "test")
    assert learned == {"test/good/0.png"}
    assert judged["test/hole/0.png"] == ("hole", "ground_truth/hole/0_mask.png")
    with pytest.raises(BadInput, match="folder of masks"):
        anomaly_folders(top / "ground_truth").open()
    assert len(open_data(top / "ground_truth")) == 1  # named itself, it is what is wanted


def test_folders_outside_of_the_given_one_are_not_read(tmp_path: Path) -> None:
    top = folder(tmp_path, "data/train/0.png", "other/0.png", "good_parts/0.png")
    assert roles(top, top / "data/train") == ({"data/train/0.png"}, {})
    assert roles(top, top / "good_parts") == ({"good_parts/0.png"}, {})


def test_a_mask_that_fits_several_pictures_is_of_none(tmp_path: Path) -> None:
    top = folder(tmp_path, "good/0.png", "crack/0.png", "hole/0.png", "hole/1.png", "masks/0.png", "masks/1.png")
    assert roles(top, top)[1] == {
        "crack/0.png": ("crack",),
        "hole/0.png": ("hole",),
        "hole/1.png": ("hole", "masks/1.png"),
    }
    assert any("fits several pictures" in note for note in anomaly_folders(top).notes)


def test_masks_are_not_packed_into_shards(tmp_path: Path) -> None:
    top = made(tmp_path / "part", "KolektorSDD2 in folders")
    with pytest.warns(Note, match="1 mask is left out"):
        write_shards(top, tmp_path / "shards")
    assert len(open_data(str(tmp_path / "shards"))) == 2


def test_films_among_normal_pictures_are_named(tmp_path: Path) -> None:
    top = made(tmp_path / "screw", "MVTec AD")
    (top / "train/good/a.mp4").write_bytes(b"")
    assert any("1 film is left out" in note for note in anomaly_folders(top).open().notes)


def test_where_every_picture_is_marked_there_is_nothing_normal(tmp_path: Path) -> None:
    top = folder(tmp_path, "images/0.png", "images/1.png", "masks/0.png", "masks/1.png")
    with pytest.raises(BadInput, match="no normal one"):
        anomaly_folders(top).open()


def test_an_image_named_like_a_mask_is_kept(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for name in ("mask/0.png", "no_mask/0.png", "a.jpg", "a.png", "b.png", "b_label.png"):
        save(tmp_path / name, random.integers(0, 256, (SIDE, SIDE, 3)))
    assert len(open_data(tmp_path)) == 6
    assert roles(tmp_path, tmp_path)[1] == {}


def test_masks_of_any_two_values_count_and_a_lossy_one_is_cut_in_the_middle(tmp_path: Path) -> None:
    truth = np.zeros((16, 16), bool)
    truth[4:12, 4:12] = True
    for low, high in ((0, 1), (0, 255), (1, 2), (100, 200)):
        save(tmp_path / "a.png", np.where(truth, high, low))
        assert (read_mask([tmp_path / "a.png"]) == truth).all()
    save(tmp_path / "a.jpg", truth * 255)
    assert (read_mask([tmp_path / "a.jpg"]) == truth).all()
    save(tmp_path / "b.png", np.where(truth, 0, 7 * np.eye(16)))  # another defect
    assert (read_mask([tmp_path / "a.jpg", tmp_path / "b.png"]) == (truth | np.eye(16, dtype=bool))).all()
    save(tmp_path / "none.png", 0 * truth)
    assert not read_mask([tmp_path / "none.png"]).any()
    save(tmp_path / "small.png", np.ones((4, 4)))
    with pytest.raises(BadInput, match="a different size"):
        read_mask([tmp_path / "a.png", tmp_path / "small.png"])
