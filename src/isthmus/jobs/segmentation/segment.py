"""segment: label maps of images, with overlays, a table of objects and their boxes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Unpack

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from isthmus.autoencoder import Autoencoder
from isthmus.data.selection import Selection, select_files
from isthmus.errors import BadInput, unknown
from isthmus.inference.inputs import RunOrModel
from isthmus.inference.result import Kind, Result, RunOptions
from isthmus.inference.runner import run as run_verb
from isthmus.inference.source import is_data_set
from isthmus.jobs.segmentation.classes import Classes
from isthmus.jobs.segmentation.comparison import Comparison
from isthmus.jobs.segmentation.item_folders import folder_of_items
from isthmus.jobs.segmentation.labels.open import LabelMap
from isthmus.jobs.segmentation.labels.writers import (
    annotated,
    categories,
    write_classes,
    write_instances,
    write_labelme,
)
from isthmus.jobs.segmentation.object_tables import ObjectTables
from isthmus.jobs.segmentation.objects import COLUMNS, means_of, measure, regions_of_classes
from isthmus.jobs.segmentation.overlays import overlay
from isthmus.jobs.segmentation.pixels import photos_of, samples_of
from isthmus.jobs.segmentation.segmenter import Segmented, Segmenter
from isthmus.jobs.segmentation.unpack import as_folders, has_channels, is_packed, is_stack, stem_of, values_for
from isthmus.media.image_file import read_photo, write_photo
from isthmus.media.photo import Photo
from isthmus.media.video.animation import Pages
from isthmus.media.video.containers import VIDEOS

FORMATS = ("png", "tiff", "coco", "labelme")


class SegmentOptions(RunOptions, total=False):
    """Options of `segment` besides those of every verb on images.

    best: average over eight flips and quarter turns, eight times slower. threshold: of two classes, the least
    probability of the second one, .5 by default. min_area: objects of fewer pixels are left out. format: of the label
    maps: png (default) or tiff, which keeps a georeference; or png with labelme, a .json for each image, or with coco,
    outlines instead of run lengths in boxes.json. overlays: write overlays/, True by default. masks: of the images, for
    metrics, four panels instead of overlays, and index.html with the worst first. device: auto, cpu, cuda or mps.
    """

    best: bool
    threshold: float
    min_area: int
    overlays: bool
    masks: Any
    device: str | None


def segment(run: RunOrModel, source: Any, **options: Unpack[SegmentOptions]) -> Any:
    """Segment images of any size.

    source: an array or a tensor (H×W, H×W×C, C×H×W, N×H×W or N×C×H×W), or, without `out`, one file of an image, a
    stack or an array: its label map, H×W or N×H×W, is returned. It holds the values of the masks of the training, or
    numbers of objects. With the folder `out`, source may be files, a folder, a data set or a video, and written are
    NAME.png with label values (0 and 255 for two classes, numbers of objects in 16 bits), overlays/NAME.png, areas.csv
    with a row for each object or connected region, and boxes.json (COCO); the folder is returned. A TIFF of several
    pages becomes a TIFF of their label maps, another video one of overlays.

    Raises BadInput for a run of another job, and for input that the model does not accept; TypeError for an unknown
    option.
    """
    if unexpected := set(options) - set(SegmentOptions.__annotations__):
        accepted = ", ".join(SegmentOptions.__annotations__)
        raise TypeError(f"unexpected argument {min(unexpected)!r}; accepted are {accepted}")
    names = ("best", "threshold", "min_area", "device")
    segmenter = Segmenter(run, **{name: options[name] for name in names if name in options})  # type: ignore[literal-required]
    paths = isinstance(source, (str, Path)) or is_data_set(source)
    if not paths and not (isinstance(source, (list, tuple)) and all(isinstance(one, (str, Path)) for one in source)):
        return labels_of_array(segmenter, source)
    if options.get("out") is None:
        chosen = select_files(source)
        if isinstance(chosen, (str, Path)) and is_packed(chosen) and (is_data_set(chosen) or is_stack(Path(chosen))):
            return labels_of_array(segmenter, values_for(chosen, segmenter.model.shape[0]))
        if not isinstance(chosen, (str, Path)) or is_data_set(chosen) or Path(chosen).is_dir():
            raise BadInput(f"{source}: out is needed, a folder for the results")
        photo = read_photo(chosen)
        return label_map(segmenter, segmenter(photo, str(chosen)))
    return write_results(segmenter, source, Path(str(options["out"])), options)


def segment_with(model: Autoencoder, source: Any, **options: Any) -> Any:
    """`isthmus.load(run).segment(source)`: see segment."""
    return segment(model, source, **options)


def labels_of_array(segmenter: Segmenter, array: Any) -> Any:
    photos, several = photos_of(array, segmenter.model.shape[0])
    maps = np.stack([label_map(segmenter, segmenter(photo)) for photo in photos])
    maps = maps if several else maps[0]
    return torch.from_numpy(maps) if isinstance(array, Tensor) else maps


def label_map(segmenter: Segmenter, found: Segmented) -> np.ndarray:
    """H×W: numbers of objects if the model separates them, else the values of the masks of the training."""
    if found.objects is not None:
        return found.objects.astype(np.uint16 if found.objects.max(initial=0) < 2**16 else np.int32)
    return segmenter.classes.decode(found.classes)


def write_results(segmenter: Segmenter, source: Any, out: Path, options: Mapping[str, Any]) -> Path:
    """The results of files, a folder, a data set or a video in the folder `out`."""
    format, classes = options.get("format") or "png", segmenter.classes
    background, channels = classes.background, segmenter.model.shape[0]
    if format not in FORMATS:
        raise unknown("format", format, FORMATS)
    source = select_files(source, VIDEOS)
    masks, several = options.get("masks"), is_packed(source) and (is_data_set(source) or is_stack(Path(source)))
    if masks is not None and (several or (isinstance(source, (str, Path)) and Path(source).is_dir())):
        source, masks = as_folders(source, masks)
    elif several and (channels not in (1, 3) or has_channels(source, channels)):
        images = samples_of(values_for(source, channels), channels)
        source = folder_of_items(images, stem_of(source, "images"))
    if isinstance(source, (str, Path)) and Path(source).is_file() and not is_data_set(source):
        source = Selection(Path(source).parent, [Path(source).name])  # its results are a folder, too
    folder = source.folder if isinstance(source, Selection) else source
    folder = Path(folder) if isinstance(folder, (str, Path)) and not is_data_set(folder) else None
    comparison = None
    if masks is not None:
        chosen = source.names if isinstance(source, Selection) else None
        comparison = Comparison(segmenter, folder, masks, out, chosen)
    tables = ObjectTables(out, categories(classes), COLUMNS, bool(options.get("resume")))
    kinds = {"overlay": Kind(".png", write_image, "overlays")} if options.get("overlays", True) else {}
    kinds |= {"labelme": Kind(".json", write_outlines)} if format == "labelme" else {}

    def apply(photo: Photo, name: str) -> Result:
        start = time.perf_counter()
        found = segmenter(photo, name)
        numbers = regions_of_classes(found.classes, background) if found.objects is None else found.objects
        measured = measure(numbers, found.classes, photo.pixels, background)
        scores = means_of(numbers, found.probability)
        labels = LabelMap(found.classes, numbers)
        by_number = {int(number): round(float(scores[number - 1]), 4) for number in measured.number}
        tables.add(
            measured.rows(name, classes.values, classes.names),
            annotated(name, labels, classes, polygons=format == "coco", scores=by_number),
        )
        figures = {"file": name, "objects": len(measured), "foreground": float((found.classes != background).mean())}
        drawn = overlay(photo, found.classes, found.objects, background=background)
        if comparison is not None and (compared := comparison.add(name, photo, found)) is not None:
            figures |= compared[0]
            drawn = compared[1]
        path = folder / name if isinstance(folder, Path) else None
        if found.objects is None:
            write = partial(write_classes, classes=found.classes, known=classes, source=path)
        else:
            write = partial(write_instances, instances=found.objects, source=path)
        figures["seconds"] = time.perf_counter() - start
        outputs = {"overlay": drawn, "labelme": (name, labels, classes)}
        return Result(Photo(found.classes[..., None]), figures, outputs, write=write)

    @contextmanager
    def frames(film: Any, name: str) -> Iterator[tuple[Any, Any]]:
        """Frames of a video become overlays, pages of a TIFF label maps."""

        def draw(photo: Photo, frame: str) -> Result:
            found = segmenter(photo.replace(range=None), frame)
            if isinstance(film, Pages):
                values = label_map(segmenter, found)
                return Result(Photo(values if values.ndim == 3 else values[..., None]))
            return Result(Photo(np.asarray(overlay(photo, found.classes, found.objects, max(photo.size), background))))

        yield draw, dict

    passed = {name: options[name] for name in RunOptions.__annotations__ if name in options}
    passed |= {"format": "tif" if format == "tiff" else "png", "model": segmenter.model, "out": out}
    with tables:
        run_verb(source, apply, passed, kinds=kinds, film=frames, recorded=tables.__contains__)  # type: ignore[arg-type]
    if comparison is not None:
        comparison.write()
    return out


def write_image(path: Path, image: Image.Image) -> None:
    write_photo(path, Photo(np.asarray(image)))


def write_outlines(path: Path, labels: tuple[str, LabelMap, Classes]) -> None:
    write_labelme(path, *labels)
