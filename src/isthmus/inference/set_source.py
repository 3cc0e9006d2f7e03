"""Images from data sets (built-in sets, arrays, shards): conversion to photos, and of results to the stored form."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from isthmus.autoencoder import Autoencoder
from isthmus.data import Data, from_unit, open_data, to_unit
from isthmus.data.base import kind_of_item
from isthmus.errors import BadInput
from isthmus.fields import ends_of
from isthmus.files import check_output
from isthmus.inference.inputs import as_model, warn_notes
from isthmus.inference.outputs import writer_for
from isthmus.media.bit_depth import from_shares, to_shares
from isthmus.media.npy_images import save_array
from isthmus.media.photo import Photo
from isthmus.store import is_run

ACCEPTED_PICTURES = "H×W, H×W×C, C×H×W, N×H×W, N×C×H×W and N×H×W×C are accepted"


def open_images(source: Any) -> Data:
    """Open a data set. Raises BadInput, also if the items are not images."""
    data = open_data(source, picture=True)
    if data is not source:
        warn_notes(data)
    if len(data.shape) != 3 or data.shape[0] not in (1, 3, 4):
        raise BadInput(f"{source}: {kind_of_item(data.shape)}, not images; {ACCEPTED_PICTURES}")
    return data


def run_of(model: Any) -> Autoencoder | None:
    """The model of a run, which knows the splits of its training data; None for anything else."""
    if isinstance(model, Autoencoder):
        return model
    return as_model(model) if isinstance(model, (str, Path)) and is_run(model) else None


def photo_at(data: Data, row: int, exact: bool = False) -> Photo:
    """One item as a photo in 8 bits, or 16 for 16-bit items; `exact`: other types become floats in [0, 1]."""
    item = np.moveaxis(data.batch([row])[0].cpu().numpy(), 0, -1)
    is_16_bit = data.dtype == torch.uint16
    integers = np.dtype(np.uint16 if is_16_bit else np.uint8)
    if item.dtype != integers or data.range != (0.0, 65535.0 if is_16_bit else 255.0):
        item = to_unit(torch.from_numpy(item.astype(np.float32)), data.range).numpy()
        item = item if exact else from_shares(item, integers)
    return Photo(item[..., :3], item[..., 3]) if item.shape[-1] == 4 else Photo(item)


def write_set(photos: Iterator[Photo], data: Data, out: Path, force: bool) -> Path:
    """Write the results to one file: .npy with the values and axes of the data set, .gif, or a grid as an image."""
    if out.suffix.lower() != ".npy":
        return writer_for(data, out, force=force).write(map(as_unit, photos))
    check_output(out, force=force)
    save_array(out, to_stored_array(photos, data))
    return out


def to_stored_array(photos: Iterator[Photo], data: Data) -> np.ndarray:
    """Stack the results into one array with the values and axes of the data set; a single image without N axis."""
    integers = not data.dtype.is_floating_point
    kind = np.dtype(str(data.dtype).removeprefix("torch."))

    def numbers(photo: Photo) -> np.ndarray:
        values = from_unit(as_unit(photo)[0], data.range).numpy()
        return (np.rint(np.clip(values, *ends_of(data.range))) if integers else values).astype(kind)

    values = np.stack([numbers(photo) for photo in photos])
    stored = data.source.get("stored", data.shape)  # shape of one item
    if len(stored) == 2:
        values = values[:, 0]
    elif tuple(stored) != data.shape:
        values = np.moveaxis(values, 1, -1)
    return values[0] if data.source.get("one") else values


def as_unit(photo: Photo) -> Tensor:
    """1×S×H×W in [0, 1]."""
    return torch.from_numpy(to_shares(np.moveaxis(photo.samples(), -1, 0)[None]))


def photo_reader(data: Data, exact: bool = False) -> Callable[[str], Photo]:
    """A function from the name of an item to its photo, which raises BadInput for a broken item."""
    rows = {name: row for row, name in enumerate(data.names)}

    def read(name: str) -> Photo:
        if name not in rows:
            raise BadInput(f"{name}: there is no item of this name in {data.source.get('path', 'the set')}")
        return photo_at(data, rows[name], exact)

    return read
