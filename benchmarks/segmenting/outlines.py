"""Masks that come back from COCO polygons, COCO run lengths and LabelMe as they were."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from isthmus.jobs.segmentation.classes import Classes
from isthmus.jobs.segmentation.labels.open import LabelMap, open_labels
from isthmus.jobs.segmentation.labels.writers import annotated, categories, write_labelme
from isthmus.media.coco import write_coco
from segmenting.nuclei import truth_of
from segmenting.sets import NUCLEI
from stored_rows import Part, Row

FORMATS = ("COCO, polygons", "COCO, run lengths", "LabelMe")


def returned(form: str, name: str, truth: np.ndarray, top: Path) -> np.ndarray:
    """H×W: the objects of an image, written and read again."""
    known = Classes([0, 255], ["background", "nucleus"])
    labels = LabelMap((truth > 0).astype(np.uint8), truth)
    if form == "LabelMe":
        path = write_labelme(top / f"{Path(name).stem}.json", name, labels, known)
    else:
        one = annotated(name, labels, known, polygons="polygons" in form)
        path = write_coco(top / "objects.json", [one], categories(known))
    read = open_labels(path, [name], NUCLEI / "images", classes=known, instances=True).read(name)
    assert read.instances is not None
    return read.instances


def same_objects(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two instance maps have the same objects, whatever their numbers."""
    pairs = np.unique(np.stack([one.ravel(), other.ravel()]), axis=1)
    return len(np.unique(pairs[0])) == len(np.unique(pairs[1])) == pairs.shape[1]


def outlines() -> None:
    part, names = Part("segmentation", "outlines"), sorted(path.name for path in (NUCLEI / "images").glob("*.png"))

    def figures(form: str) -> Row:
        found = {"images": len(names), "identical": 0, "objects": 0}
        with tempfile.TemporaryDirectory() as folder:
            for name in names:
                truth = truth_of(name)
                found["objects"] += len(np.unique(truth)) - 1
                found["identical"] += same_objects(truth, returned(form, name, truth, Path(folder)))
        return found

    for form in FORMATS:
        part.row(lambda form=form: figures(form), format=form)
    part.end(
        "the instance masks of all images of dsb2018_256, written and read again; identical: images of which every "
        "object has the same pixels, holes and separate parts included"
    )
