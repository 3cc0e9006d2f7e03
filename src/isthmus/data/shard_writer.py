"""Writing of the images of a folder as shards."""

from __future__ import annotations

import json
import tarfile
import warnings
from pathlib import Path

import numpy as np

from isthmus.data.download import checksum
from isthmus.data.find_images import ARRAY, find_pictures
from isthmus.data.mask_files import without_masks
from isthmus.data.shards import INDEX
from isthmus.errors import BadInput, Note
from isthmus.files import atomic, check_output


def write_shards(folder: Path | str, out: Path | str, *, per_shard: int = 10_000) -> Path:
    """Pack the images of a folder, in a random order, into `out`/shard-00000.tar ... and index.json.

    The order is random, so that each shard is a representative sample and may be read in one piece. Masks among the
    images are left out, with a note. Returns `out`; raises BadInput if it exists or the folder holds no images.
    """
    names, _ = find_pictures(Path(folder))
    if not names:
        raise BadInput(f"{folder}: holds no pictures")
    if names[0].lower().endswith(ARRAY):
        raise BadInput(f"{folder}: holds {ARRAY}, of which no shards are made; picture files are accepted")
    notes: list[str] = []
    names = without_masks(Path(folder), names, notes)
    for note in notes:
        warnings.warn(note, Note, stacklevel=2)
    out = check_output(out)
    names = [names[i] for i in np.random.RandomState(0).permutation(len(names))]
    shards = []
    for first in range(0, len(names), per_shard):
        path = out / f"shard-{first // per_shard:05d}.tar"
        with atomic(path) as temporary, tarfile.open(temporary, "w") as tar:
            for name in names[first : first + per_shard]:
                tar.add(Path(folder, name), arcname=name, recursive=False)
        count = len(names[first : first + per_shard])
        shards.append({"name": path.name, "count": count, "bytes": path.stat().st_size, "sha256": checksum(path)})
    with atomic(out / INDEX) as temporary:
        temporary.write_text(json.dumps({"format": 1, "shards": shards}, indent=1), encoding="utf-8")
    return out
